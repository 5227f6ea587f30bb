"""Reference tables, each with its source; no code."""
