"""What the literature and the trials claim, as a versioned store: every row with its source and its doubts."""
