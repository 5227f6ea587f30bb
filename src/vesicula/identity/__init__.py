"""Identity and purity of a preparation of vesicles."""
