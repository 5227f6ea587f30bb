"""Vendor formats of nanoparticle tracking analysis, one function each."""
