"""From cargo to mechanism: targets, pathways against the right background, activity, and what the claims say."""
