"""Is it an EV preparation, and how pure? (MSC identity of the source cells follows.)"""
