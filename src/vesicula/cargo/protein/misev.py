"""MISEV's protein categories, per sample: which are there, what share of the signal, and a verdict on purity.

A table of proteins can show that vesicles' proteins are there and how much of the signal is of known companions.
It cannot show that nothing else is there, and no share has a published limit.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np

from vesicula.cargo.protein.table import ProteinGroup, ProteinTable, remove_unwanted
from vesicula.core.finding import Citation, Verdict

CATEGORIES = ("1", "2", "3", "4", "5")
CATEGORY_WORDS = {
    "1": "transmembrane or GPI-anchored proteins of plasma membrane or endosomes",
    "2": "cytosolic proteins recovered in vesicles",
    "3": "major companions that are no vesicles (lipoproteins, albumin, immunoglobulins, ribosomes)",
    "4": "proteins of other compartments (nucleus, mitochondria, endoplasmic reticulum, Golgi)",
    "5": "secreted proteins recovered with vesicles (corona, matrix, growth factors)",
}
MARKER_RULE = Citation(
    text="MISEV2018 as put in Table 1 of PMC8581208: at least three positive protein markers, one transmembrane and "
    "one cytosolic, and a purity control",
    note="read in a stored copy of that table, not in the guideline itself",
)
NO_LIMIT = "No publication known to us sets a limit on this share; compare preparations of one source and assay."

# Accessions that HGNC's table has no symbol for, since it pairs human genes alone with one entry each: albumin of
# bovine, mouse and rat serum [accessions from memory], and whole immunoglobulin chains, which UniProt names after a
# protein and not after a gene (IGG1_HUMAN and so on: entry names as the milk tables checked write them).
_NO_SYMBOL = {
    "P02769": "ALB", "P07724": "ALB", "P02770": "ALB",
    "P0DOX2": "IGHA2", "P0DOX5": "IGHG1", "P0DOX6": "IGHM", "P0DOX7": "IGKC", "P0DOX8": "IGLC1",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Marker:
    """One gene or family of a category, with its source.

    Parameters
    ----------
    category, subcategory : str
        ``"1"`` to ``"5"``, and what it is.
    pattern : str
        Regular expression that a whole gene symbol must match.
    note, source, doi, url_or_page, checked, quote_hint : str
        As in the packaged table; `checked` is ``"yes"`` or ``"memory"``.
    """

    category: str
    subcategory: str
    pattern: str
    note: str
    source: str
    doi: str
    url_or_page: str
    checked: str
    quote_hint: str


@cache
def misev_markers() -> tuple[Marker, ...]:
    """Return the packaged table, in its order."""
    text = (files("vesicula.data") / "protein" / "misev_categories.tsv").read_text(encoding="utf-8")
    names = text.splitlines()[0].split("\t")
    return tuple(Marker(**dict(zip(names, line.split("\t"), strict=True))) for line in text.splitlines()[1:])


@cache
def _compiled() -> tuple[tuple[re.Pattern[str], Marker], ...]:
    return tuple((re.compile(m.pattern), m) for m in misev_markers())


@cache
def category_of_gene(symbol: str) -> Marker | None:
    """Return the row that a gene symbol falls under, whatever its case; None for a gene in no category."""
    name = symbol.upper()
    return next((marker for pattern, marker in _compiled() if pattern.fullmatch(name)), None)


def markers_of_group(group: ProteinGroup) -> dict[str, Marker]:
    """Return the marker row of each symbol of a group that has one."""
    symbols = [*group.genes, *(_NO_SYMBOL[a] for a in group.accessions if a in _NO_SYMBOL)]
    found = ((s.upper(), category_of_gene(s)) for s in symbols)
    return {symbol: marker for symbol, marker in found if marker is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplePurity:
    """What the proteins of one sample say.

    Parameters
    ----------
    sample : str
        Its name.
    proteins : int
        Protein groups found in it.
    found : dict of str to tuple of str
        Symbols found, by category.
    shares : dict of str to float
        Share of the summed signal, by category; empty where values are ratios, which have no sum.
    apob_share, albumin_share : float or None
        Share of the signal in groups with APOB and with ALB.
    other_species_share : float or None
        Share of the signal in groups of a species other than that of most groups; None if none is named.
    verdict : Verdict
        MET where the rule on positive markers is fulfilled and co-isolates can be judged (were looked for),
        NOT_MET where it is not fulfilled.
    statement : str
        The verdict in words.
    """

    sample: str
    proteins: int
    found: dict[str, tuple[str, ...]]
    shares: dict[str, float]
    apob_share: float | None
    albumin_share: float | None
    other_species_share: float | None
    verdict: Verdict
    statement: str


def purity(table: ProteinTable) -> tuple[SamplePurity, ...]:
    """Judge each sample by MISEV's categories.

    Parameters
    ----------
    table : ProteinTable
        As read: contaminants still in, since lists of contaminants hold albumin. Digestion enzymes and
        decoys are left out here.

    Returns
    -------
    tuple of SamplePurity
        In the order of the samples.
    """
    clean, _ = remove_unwanted(table, contaminants=False)
    marked = [markers_of_group(g) for g in clean.groups]
    real = np.array([bool(m) or not g.contaminant for m, g in zip(marked, clean.groups, strict=True)], dtype=bool)
    clean = clean.keep(np.flatnonzero(real).tolist())
    marked = [m for m, r in zip(marked, real, strict=True) if r]
    foreign = _foreign(clean.groups)
    linear = np.nan_to_num(clean.linear_values(), nan=0.0)
    return tuple(
        _sample(name, linear[:, j], clean, marked, foreign) for j, name in enumerate(clean.samples)
    )  # fmt: skip


def _foreign(groups: Sequence[ProteinGroup]) -> list[bool] | None:
    """Return which groups are of another species than most; None where no species is named."""
    named = [g.species for g in groups if g.species]
    if not named:
        return None
    counts: dict[str, int] = {}
    for species in named:
        counts[species[0]] = counts.get(species[0], 0) + 1
    main = max(counts, key=lambda s: counts[s])
    return [bool(g.species) and main not in g.species for g in groups]


def _sample(
    name: str,
    signal: np.ndarray[tuple[int], np.dtype[np.float64]],
    table: ProteinTable,
    marked: Sequence[dict[str, Marker]],
    foreign: list[bool] | None,
) -> SamplePurity:
    seen = signal > 0
    found: dict[str, dict[str, None]] = {c: {} for c in CATEGORIES}
    for present, markers in zip(seen, marked, strict=True):
        for symbol, marker in markers.items() if present else ():
            found[marker.category][symbol] = None
    total = float(signal.sum())
    summed = table.kind != "log-ratio" and total > 0

    def share(flags: Sequence[bool]) -> float | None:
        return float(signal[np.asarray(flags, dtype=bool)].sum()) / total if summed else None

    # A group that could be of two categories counts under the first of its symbols that has one.
    first = [next(iter(m.values())).category if m else "" for m in marked]
    shares = {c: share([f == c for f in first]) for c in CATEGORIES}
    symbols = {c: tuple(sorted(s)) for c, s in found.items()}
    apob, albumin = share(["APOB" in m for m in marked]), share(["ALB" in m for m in marked])
    verdict, statement = _verdict(symbols, shares["3"], apob, albumin)
    return SamplePurity(
        sample=name,
        proteins=int(seen.sum()),
        found=symbols,
        shares={c: s for c, s in shares.items() if s is not None},
        apob_share=apob,
        albumin_share=albumin,
        other_species_share=None if foreign is None else share(foreign),
        verdict=verdict,
        statement=statement,
    )


def _verdict(
    found: dict[str, tuple[str, ...]], share_3: float | None, apob: float | None, albumin: float | None
) -> tuple[Verdict, str]:
    one, two = len(found["1"]), len(found["2"])
    enough = one >= 1 and two >= 1 and one + two >= 3
    counts = f"{one} proteins of category 1 and {two} of category 2"
    positive = (
        f"Vesicle proteins are there: {counts}."
        if enough
        else f"Too few vesicle proteins: {counts}; three are asked for, one at least of each."
    )
    if share_3 is None or apob is None or albumin is None:
        co = f"Co-isolates found: {', '.join(found['3'][:6]) or 'none'}; ratios do not tell how much."
    else:
        co = (
            f"Co-isolates (category 3) make up {100 * share_3:.2g} % of the signal, ApoB {100 * apob:.2g} % and "
            f"albumin {100 * albumin:.2g} %. {NO_LIMIT}"
        )
    return (Verdict.MET if enough else Verdict.NOT_MET), f"{positive} {co}"
