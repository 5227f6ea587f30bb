"""One room per instrument, each with the same three doors: read, simulate, infer."""
