"""Figures as pure functions: estimates in, a figure specification out."""

from vesicula.figures.figure import Figure
from vesicula.figures.size import size_distribution
from vesicula.figures.strip import Span, common_scale, fraction_scale, strip, strip_axis
from vesicula.figures.svg import Scale

__all__ = ["Figure", "Scale", "Span", "common_scale", "fraction_scale", "size_distribution", "strip", "strip_axis"]
