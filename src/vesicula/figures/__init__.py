"""Figures as pure functions: estimates in, a figure specification out."""
