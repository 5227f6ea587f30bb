"""Whether miRNAs that went into vesicles carry a sorting motif more often than those that could have.

Three things make a plain count misleading, and each is met. The background is what was tested, not all of miRBase.
miRNAs of one seed family are copies of one another and travel together: the family is the unit, and counts once. GC
content and length alone differ between what is sorted, sequenced or lost: hits are permuted only among families alike
in them.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from vesicula.cargo.enrichment.multiple import benjamini_hochberg
from vesicula.core.errors import AnalysisError
from vesicula.core.measurement import FloatArray

# Seed of a family: nucleotides 2 to 8 (TargetScan's families; Lewis, Burge & Bartel 2005, Cell 120:15 [from memory,
# unchecked]).
_SEED = slice(1, 8)
_IUPAC = {
    "A": "A", "C": "C", "G": "G", "T": "T", "U": "T", "R": "[AG]", "Y": "[CT]", "S": "[CG]", "W": "[AT]", "K": "[GT]",
    "M": "[AC]", "B": "[CGT]", "D": "[AGT]", "H": "[ACT]", "V": "[ACG]", "N": "[ACGT]",
}  # fmt: skip
EXO, CELL = "EXO", "CELL"


@dataclass(frozen=True, slots=True, kw_only=True)
class Motif:
    """A short sequence said to sort miRNAs.

    Parameters
    ----------
    sequence : str
        RNA or DNA letters, IUPAC codes allowed.
    kind : str
        ``"EXO"`` sends into vesicles, ``"CELL"`` keeps in the cell.
    source : str
        Who found it and in which cells; "[from memory, unchecked]" where the sequence was not seen in the source.
    """

    sequence: str
    kind: str
    source: str

    def found_in(self, sequence: str) -> bool:
        """Return whether a mature miRNA (DNA or RNA letters) holds the motif anywhere."""
        pattern = "".join(_IUPAC[letter] for letter in self.sequence.upper())
        return re.search(pattern, sequence.upper().replace("U", "T")) is not None


MOTIFS = (
    Motif(
        sequence="GGAG", kind=EXO,
        source="Villarroya-Beltri et al. 2013, Nat Commun 4:2980; human T cells, hnRNPA2B1 [from memory, unchecked]",
    ),
    Motif(
        sequence="CCCU", kind=EXO,
        source="Villarroya-Beltri et al. 2013, Nat Commun 4:2980; human T cells, hnRNPA2B1 [from memory, unchecked]",
    ),
    Motif(
        sequence="CGGGAG", kind=EXO,
        source="Garcia-Martin et al. 2022, Nature 601:446, doi 10.1038/s41586-021-04234-3, abstract; mouse cell lines, "
        "Alyref and Fus",
    ),
    Motif(
        sequence="GUUG", kind=EXO,
        source="Gao et al. 2018, BMC Genomics 19, doi 10.1186/s12864-018-4528-x, abstract; human colon cancer SW620",
    ),
)  # fmt: skip
"""Motifs whose sequence is known here. The other EXO motifs and all CELL motifs of Garcia-Martin 2022 stand in a figure
and tables that could not be looked up: they are not listed, rather than guessed. Give them as `Motif` of your own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MotifResult:
    """One motif among the miRNAs of its side.

    Parameters
    ----------
    motif : Motif
        What was looked for.
    hits_with, hits : int
        miRNAs that changed in the motif's direction, and how many of them hold it.
    background_with, background : int
        The same of all miRNAs tested.
    families_with, families : int
        Seed families of the background, and how many have a member that holds it.
    fold : float
        Share of families among hits that hold it, over that among all; families count once.
    p_value, adjusted_p : float
        One-sided, by permutation of families within classes alike in GC content, length and size; adjusted by
        Benjamini and Hochberg over the motifs. 1 where no hit or no family holds it.
    p_beyond : float
        Share of permutations that went beyond what was seen; between it and `p_value` lie the ties, many where few
        families hold the motif. A number drawn evenly between the two is uniform under the null hypothesis.
    fisher_p : float
        Fisher's exact test that takes every miRNA for independent: for comparison only, too small as a rule.
    carriers : tuple of str
        The hits that hold it.
    """

    motif: Motif
    hits_with: int
    hits: int
    background_with: int
    background: int
    families_with: int
    families: int
    fold: float
    p_value: float
    adjusted_p: float
    p_beyond: float
    fisher_p: float
    carriers: tuple[str, ...]


def check_motif(sequence: str, kind: str, source: str = "given by the user") -> Motif:
    """Return a motif of the user's own.

    Parameters
    ----------
    sequence, kind, source : str
        See :class:`Motif`.

    Raises
    ------
    AnalysisError
        When a letter is no IUPAC code, the motif is not 3 to 12 long, or the kind is neither EXO nor CELL.
    """
    if not 3 <= len(sequence) <= 12 or set(sequence.upper()) - set(_IUPAC):
        raise AnalysisError(f"motif {sequence!r}: expected 3 to 12 letters of {''.join(_IUPAC)}")
    if kind.upper() not in {EXO, CELL}:
        raise AnalysisError(f"motif {sequence!r}: expected EXO (into vesicles) or CELL (kept in cells), not {kind!r}")
    return Motif(sequence=sequence.upper(), kind=kind.upper(), source=source)


def motif_test(
    up: Collection[str],
    down: Collection[str],
    background: Collection[str],
    sequences: Mapping[str, str],
    *,
    motifs: Sequence[Motif] = MOTIFS,
    permutations: int = 9999,
    seed: int = 1,
) -> tuple[MotifResult, ...]:
    """Test EXO motifs among what vesicles hold more of, and CELL motifs among what cells hold more of.

    Parameters
    ----------
    up, down : collection of str
        miRNAs enriched in vesicles and in cells; all of them in `background`.
    background : collection of str
        miRNAs that were tested.
    sequences : mapping of str to str
        Mature sequences; miRNAs without one are left out of everything.
    motifs : sequence of Motif
        What to look for.
    permutations, seed : int
        Of the test; the smallest p value is 1 / (permutations + 1).

    Returns
    -------
    tuple of MotifResult
        In the order of `motifs`. The statistic is the sum over families of (share of members that are hits) times
        (share of members that hold the motif); under the null hypothesis the first is exchangeable between families of
        one class: sixths of GC content, shorter than 22 nt or not, one member or more.

    Raises
    ------
    AnalysisError
        When hits are not in the background, or fewer than 10 families have a sequence.
    """
    measured = sorted(m for m in set(background) if m in sequences)
    outside = (set(up) | set(down)) - set(background)
    if outside:
        raise AnalysisError(
            f"{len(outside)} changed miRNAs are not in the background, such as {min(outside)}: the background must "
            "be what was tested, the changed included"
        )
    families = _Families(measured, sequences)
    if families.count < 10:
        raise AnalysisError(f"only {families.count} miRNA families with a known sequence: too few to test motifs")
    holds = np.array([[m.found_in(sequences[name]) for m in motifs] for name in measured], dtype=float)
    hit = {kind: np.array([n in set(side) for n in measured], dtype=float) for kind, side in ((EXO, up), (CELL, down))}
    shares = families.mean(holds)
    p = {k: families.permuted_p(families.mean(h[:, None])[:, 0], shares, permutations, seed) for k, h in hit.items()}
    p_values = np.array([p[m.kind][0, j] for j, m in enumerate(motifs)])
    beyond = np.array([p[m.kind][1, j] for j, m in enumerate(motifs)])
    told = np.column_stack([p_values, benjamini_hochberg(p_values), beyond]).tolist()
    return tuple(
        _result(m, hit[m.kind], holds[:, j], families, tuple(numbers), measured)
        for j, (m, numbers) in enumerate(zip(motifs, told, strict=True))
    )


class _Families:
    """Which miRNA is of which seed family, and which families are alike."""

    def __init__(self, names: Sequence[str], sequences: Mapping[str, str]) -> None:
        plain = [sequences[n].upper().replace("U", "T") for n in names]
        seeds, member = np.unique([s[_SEED] for s in plain], return_inverse=True)
        self.count = len(seeds)
        self._member = member
        self._size = np.bincount(member, minlength=self.count).astype(float)
        if self.count:
            gc = self.mean(np.array([[(s.count("G") + s.count("C")) / len(s)] for s in plain]))[:, 0]
            length = self.mean(np.array([[float(len(s))] for s in plain]))[:, 0]
            # Sixths of GC content: with thirds, null p values were too large by a tenth (docs/validation, same null).
            sixth = np.searchsorted(np.quantile(gc, np.arange(1, 6) / 6), gc, side="right")
            # 22 nt is the usual length of a mature miRNA.
            _, self._class = np.unique(4 * sixth + 2 * (length < 22) + (self._size > 1), return_inverse=True)

    def mean(self, values: FloatArray) -> FloatArray:
        """Return means over the members of each family, shape (families, columns)."""
        sums = np.zeros((self.count, values.shape[1]))
        np.add.at(sums, self._member, values)
        means: FloatArray = sums / self._size[:, None]
        return means

    def permuted_p(self, hit: FloatArray, holds: FloatArray, permutations: int, seed: int) -> FloatArray:
        """Return, for each column of `holds`, the one-sided p value and the share beyond what was seen."""
        rng = np.random.default_rng(seed)
        drawn = np.tile(hit, (permutations, 1))
        for alike in range(int(self._class.max()) + 1):
            columns = np.flatnonzero(self._class == alike)
            drawn[:, columns] = rng.permuted(drawn[:, columns], axis=1)
        # Shares such as 1/3 add up in any order: what differs by rounding is equal.
        seen, sums = hit @ holds, drawn @ holds
        reached = np.asarray(np.count_nonzero(sums >= seen - 1e-9, axis=0), dtype=float)
        beyond = np.asarray(np.count_nonzero(sums > seen + 1e-9, axis=0), dtype=float)
        return np.array([(1 + reached) / (1 + permutations), beyond / (1 + permutations)])


def _result(
    motif: Motif,
    hit: FloatArray,
    holds: FloatArray,
    families: _Families,
    p: tuple[float, ...],
    names: Sequence[str],
) -> MotifResult:
    from scipy.stats import hypergeom  # slow to import

    both = hit * holds
    hit_share, held = families.mean(hit[:, None])[:, 0], families.mean(holds[:, None])[:, 0]
    among_hits = float(hit_share @ held / hit_share.sum()) if hit_share.sum() else 0.0
    total, n_hits, n_with = len(names), int(hit.sum()), int(holds.sum())
    return MotifResult(
        motif=motif,
        hits_with=int(both.sum()),
        hits=n_hits,
        background_with=n_with,
        background=total,
        families_with=int((held > 0).sum()),
        families=families.count,
        fold=among_hits / float(held.mean()) if held.mean() > 0 else 0.0,
        p_value=p[0],
        adjusted_p=p[1],
        p_beyond=p[2],
        fisher_p=min(1.0, float(hypergeom.sf(both.sum() - 1, total, n_with, n_hits))),
        carriers=tuple(n for n, b in zip(names, both, strict=True) if b),
    )
