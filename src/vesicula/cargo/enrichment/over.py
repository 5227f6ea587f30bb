"""Over-representation of gene sets among hits, against what could have been a hit.

Against the whole genome, any list of proteins that a mass spectrometer sees in vesicles is "enriched" for
translation, adhesion and the cytoskeleton, before anything was compared. The background is what was measured.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np

from vesicula.cargo.enrichment.multiple import benjamini_hochberg
from vesicula.core.errors import AnalysisError


@dataclass(frozen=True, slots=True, kw_only=True)
class SetResult:
    """One gene set.

    Parameters
    ----------
    set_id : str
        As given.
    hits_in_set, set_size : int
        Hits that are members, and members that were measured.
    hits, background : int
        All hits and all that was measured.
    fold : float
        Share of the set among hits over its share in the background.
    p_value, adjusted_p : float
        Upper tail of the hypergeometric distribution (Fisher's exact test, one-sided), and adjusted by
        Benjamini and Hochberg over the sets tested.
    members : tuple of str
        The hits that are members.
    """

    set_id: str
    hits_in_set: int
    set_size: int
    hits: int
    background: int
    fold: float
    p_value: float
    adjusted_p: float
    members: tuple[str, ...]


def over_represented(
    hits: Collection[str],
    background: Collection[str],
    sets: Mapping[str, Collection[str]],
    *,
    min_size: int = 5,
    max_size: int = 500,
) -> tuple[SetResult, ...]:
    """Test each gene set for more hits than chance would give.

    Parameters
    ----------
    hits : collection of str
        Genes of interest, all of them in `background`.
    background : collection of str
        Genes that were measured and so could have been hits.
    sets : mapping of str to collection of str
        Gene sets, in the same names.
    min_size, max_size : int
        Sets with fewer or more members in the background are not tested.

    Returns
    -------
    tuple of SetResult
        Smallest p value first.

    Raises
    ------
    AnalysisError
        When there are no hits, or hits that are not in the background.
    """
    from scipy.stats import hypergeom  # slow to import

    chosen, all_measured = set(hits), set(background)
    outside = chosen - all_measured
    if outside:
        raise AnalysisError(
            f"{len(outside)} hits are not in the background, such as {min(outside)}: the background must be "
            "what was measured, the hits included"
        )
    if not chosen:
        raise AnalysisError("no hits: nothing to test")
    rows = []
    for set_id, members in sets.items():
        measured = all_measured.intersection(members)
        if min_size <= len(measured) <= max_size:
            rows.append((set_id, sorted(chosen & measured), len(measured)))
    if not rows:
        return ()
    found = np.array([len(m) for _, m, _ in rows])
    sizes = np.array([n for _, _, n in rows])
    p = hypergeom.sf(found - 1, len(all_measured), sizes, len(chosen))
    p = np.clip(p, 0.0, 1.0)
    adjusted = benjamini_hochberg(p)
    results = [
        SetResult(
            set_id=set_id,
            hits_in_set=len(members),
            set_size=size,
            hits=len(chosen),
            background=len(all_measured),
            fold=len(members) * len(all_measured) / (size * len(chosen)),
            p_value=float(p[i]),
            adjusted_p=float(adjusted[i]),
            members=tuple(members),
        )
        for i, (set_id, members, size) in enumerate(rows)
    ]
    return tuple(sorted(results, key=lambda r: (r.p_value, r.set_id)))
