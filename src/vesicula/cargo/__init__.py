"""What vesicles carry: small RNA and protein, from raw files to counts and tables."""
