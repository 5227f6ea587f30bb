"""From cargo to outcome: the mechanisms that the claims of the evidence store describe, as a graph with its sources."""
