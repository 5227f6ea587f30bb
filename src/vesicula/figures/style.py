"""Colours and line styles that stay apart for every reader, in print as on screen."""

from __future__ import annotations

# Okabe M, Ito K (2008), Color Universal Design: how to make figures and presentations that are friendly to
# colorblind people, https://jfly.uni-koeln.de/color/ (sRGB values as printed there). Its yellow (#F0E442) is left
# out, too pale on white; its black is the ink of the pooled curve.
INK = "#1b1f24"
BLUE, VERMILLION, GREEN, PURPLE, SKY, ORANGE = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00"
COLOURS = (BLUE, VERMILLION, GREEN, PURPLE, SKY, ORANGE)

# A second channel beside colour, in the names that Plotly uses, with the same dash in SVG user units.
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
SVG_DASHES = {
    "solid": "",
    "dash": "7 4",
    "dot": "1.5 3",
    "dashdot": "7 3 1.5 3",
    "longdash": "12 4",
    "longdashdot": "12 3 1.5 3",
}

FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif'


def colour(index: int) -> str:
    """Return the colour of the n-th series, repeating after six."""
    return COLOURS[index % len(COLOURS)]


def dash(index: int) -> str:
    """Return the dash of the n-th series; it changes with every colour, and again when colours repeat."""
    return DASHES[(index + index // len(COLOURS)) % len(DASHES)]
