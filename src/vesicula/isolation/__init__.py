"""Isolation: a population goes in, fractions come out; every particle is product, waste or stated loss."""
