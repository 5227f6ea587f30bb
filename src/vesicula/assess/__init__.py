"""Decides what is computed for a batch: study in, Assessment out."""
