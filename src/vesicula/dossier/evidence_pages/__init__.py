"""Static pages of the evidence store: one for each condition, cell source, molecule and tumour, and their index."""

from __future__ import annotations

from vesicula.dossier.evidence_pages.site import SitePaths, write_pages

__all__ = ["SitePaths", "write_pages"]
