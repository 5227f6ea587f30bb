"""Nanoparticle tracking analysis."""
