"""A figure as plain data: Plotly specification, static drawing of the same data, caption, text alternative."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from html import escape
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One figure, drawn by whoever shows it.

    Parameters
    ----------
    spec : dict
        Plotly.js specification with ``data`` and ``layout``; plain JSON values only.
    svg : str
        The same data as a small self-contained SVG, for print and for readers without JavaScript. All text in it
        is escaped.
    caption : str
        What is shown, in a sentence or two; plain text.
    alt : str
        What a reader who cannot see it must know; plain text.
    """

    spec: dict[str, Any]
    svg: str
    caption: str
    alt: str

    def _repr_mimebundle_(
        self, include: Collection[str] | None = None, exclude: Collection[str] | None = None
    ) -> dict[str, Any]:
        """Show the interactive figure in Jupyter, the static one wherever Plotly cannot be shown."""
        bundle: dict[str, Any] = {
            "application/vnd.plotly.v1+json": self.spec,
            "text/html": f"<figure>{self.svg}<figcaption>{escape(self.caption)}</figcaption></figure>",
            "text/plain": f"{self.alt}\n{self.caption}",
        }
        kept = set(bundle) if include is None else set(bundle) & set(include)
        return {k: v for k, v in bundle.items() if k in kept and k not in (exclude or ())}
