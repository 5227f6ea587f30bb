"""Is it an EV preparation, and how pure?"""
