"""Cargo less what is not the vesicles': the parts of a profile that the medium and cell debris brought.

Model, for the reads y_i of molecule i in a vesicle preparation::

    y_i ~ NB(mean = v_i + b m_i + c d_i, dispersion)

with m the reads of a control of medium that saw no cells, d those of the parent cells, v what the vesicles carry, and
b, c >= 0. With v free this has no unique answer: any vesicle might carry what cells carry. b and c are therefore taken
from markers alone, molecules of which the user says that vesicles hold none (v_i = 0): bovine miRNAs for a bovine
medium; for debris, RNA of the nucleus or not yet processed (snRNA, snoRNA, precursor loops). The answer is as good as
that statement; RNA of debris that decays faster or slower than the markers goes wrong with it.
Without markers only upper limits exist (`largest_share`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vesicula.core.errors import AnalysisError
from vesicula.core.measurement import FloatArray

NORMAL_95 = 1.959963984540054  # 97.5 % quantile of the normal distribution
MEDIUM, DEBRIS = "medium", "cell debris"
_LEAST_MARKERS = 3
_LEAST_READS = 20  # with fewer the share is known to worse than a factor of about 1.5; our choice


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Source:
    """Where reads may come from besides vesicles.

    Parameters
    ----------
    name : str
        ``"medium"`` or ``"cell debris"``.
    counts : numpy.ndarray
        Shape (molecules,). Reads of the control, its runs added up.
    markers : tuple of str
        Molecules that vesicles do not carry and this source does.
    """

    name: str
    counts: FloatArray
    markers: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What one source brought.

    Parameters
    ----------
    name : str
        The source.
    scale, scale_low, scale_high : float
        Reads in the preparation per read in the control; interval at 95 %.
    share, share_low, share_high : float
        Of the preparation's reads; interval at 95 %. At most 1.
    markers : int
        How many were used.
    marker_reads : float
        Reads of its markers in the preparation.
    """

    name: str
    scale: float
    scale_low: float
    scale_high: float
    share: float
    share_low: float
    share_high: float
    markers: int
    marker_reads: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AdjustedProfile:
    """A preparation's profile without what is foreign.

    Parameters
    ----------
    molecules : tuple of str
        As given.
    vesicle, low, high : numpy.ndarray
        Shape (molecules,). Reads left for vesicles, not below 0, with intervals at 95 %; 0 for markers.
    parts : tuple of Part
        What was taken away.
    dispersion : float
        Of the markers about the model: squared coefficient of variation beyond chance.
    assumed : tuple of str
        What the answer rests on.
    """

    molecules: tuple[str, ...]
    vesicle: FloatArray
    low: FloatArray
    high: FloatArray
    parts: tuple[Part, ...]
    dispersion: float
    assumed: tuple[str, ...]


def adjust_profile(
    counts: FloatArray,
    molecules: Sequence[str],
    sources: Sequence[Source],
    *,
    draws: int = 400,
    seed: int = 1,
) -> AdjustedProfile:
    """Take the foreign parts away from one preparation's reads.

    Parameters
    ----------
    counts : numpy.ndarray
        Shape (molecules,). Reads of the preparation.
    molecules : sequence of str
        Their names.
    sources : sequence of Source
        One or two, with markers of their own.
    draws, seed : int
        Of the parametric bootstrap behind the intervals: reads of preparation and controls are drawn anew, those of
        the preparation with the scatter that the markers show, and everything is estimated again.

    Returns
    -------
    AdjustedProfile
        Scales by weighted least squares on the markers, non-negative, weights from the negative-binomial variance,
        iterated (quasi-likelihood; McCullagh & Nelder 1989, Generalized Linear Models, ch. 9 [from memory, unchecked]).

    Raises
    ------
    AnalysisError
        When there are too few markers or reads of them to tell, or the numbers are no counts.
    """
    places = _checked(counts, molecules, sources)
    control = np.column_stack([s.counts for s in sources])
    marked = np.unique(np.concatenate(places))
    scales, dispersions = _fit(counts[None, marked], control[None, marked])
    scale, dispersion = scales[0], float(dispersions[0])
    foreign = control @ scale
    own = np.maximum(counts - foreign, 0.0)
    own[marked] = 0.0
    rng = np.random.default_rng(seed)
    again = rng.poisson(control, (draws, *control.shape)).astype(float)
    reads = _negative_binomial(rng, np.tile(foreign, (draws, 1)), dispersion) + rng.poisson(own, (draws, len(own)))
    mirrored = _mirrored(scale, _fit(reads[:, marked], again[:, marked])[0], _widening(sources))
    bounds = np.quantile(mirrored, [0.025, 0.975], axis=0)
    # What the vesicles' own reads may be, given the reads seen: take away another draw of what is foreign.
    taken = _negative_binomial(rng, np.einsum("dij,dj->di", again, mirrored), dispersion)
    left = rng.poisson(counts, (draws, len(counts))) - taken
    low, high = np.maximum(np.quantile(left, [0.025, 0.975], axis=0), 0.0)
    low[marked] = high[marked] = 0.0
    total = counts.sum()
    parts = []
    for j, source in enumerate(sources):
        shares = np.minimum(np.array([scale[j], *bounds[:, j]]) * control[:, j].sum() / total, 1.0)
        parts.append(
            Part(
                name=source.name,
                scale=float(scale[j]), scale_low=float(bounds[0, j]), scale_high=float(bounds[1, j]),
                share=float(shares[0]), share_low=float(shares[1]), share_high=float(shares[2]),
                markers=len(source.markers), marker_reads=float(counts[places[j]].sum()),
            )
        )  # fmt: skip
    return AdjustedProfile(
        molecules=tuple(molecules), vesicle=own, low=np.minimum(low, own), high=np.maximum(high, own),
        parts=tuple(parts), dispersion=dispersion, assumed=_assumed(sources),
    )  # fmt: skip


def largest_share(counts: FloatArray, control: FloatArray, *, level: float = 0.95) -> float:
    """Return the largest share of a preparation's reads that a source without markers could have brought.

    Parameters
    ----------
    counts, control : numpy.ndarray
        Shape (molecules,). Reads of the preparation and of the control.
    level : float
        Of the bound, over all molecules together (Bonferroni).

    Returns
    -------
    float
        No molecule may have more foreign reads than reads: the scarcest one, relative to the control, sets the limit.
        Exact Poisson limits (Garwood 1936, Biometrika 28:437 [from memory, unchecked]), without scatter beyond chance.
        At most 1. It says nothing of how much there is.

    Raises
    ------
    AnalysisError
        When the control has no reads.
    """
    from scipy.special import gammaincinv

    used = control > 0
    if not used.any() or counts.sum() <= 0:
        raise AnalysisError("a control or a preparation without reads says nothing of foreign cargo")
    tail = (1 - level) / (2 * used.sum())
    most = gammaincinv(counts[used] + 1, 1 - tail)
    least = gammaincinv(control[used], tail)
    scale = float(np.min(most / np.maximum(least, 1e-12)))
    return min(1.0, scale * float(control.sum() / counts.sum()))


def _checked(
    counts: FloatArray, molecules: Sequence[str], sources: Sequence[Source]
) -> list[np.ndarray[tuple[int], np.dtype[np.intp]]]:
    """Check names and numbers; return the places of each source's markers."""
    index = {m: i for i, m in enumerate(molecules)}
    if not 1 <= len(sources) <= 2:
        raise AnalysisError(f"one or two sources can be told apart from vesicles, not {len(sources)}")
    places = []
    for what, values in (("preparation", counts), *((s.name, s.counts) for s in sources)):
        if values.shape != (len(molecules),) or not np.all(np.isfinite(values)) or np.any(values < 0):
            raise AnalysisError(f"{what}: {len(molecules)} counts, each 0 or more, are needed")
    for source in sources:
        absent = [m for m in source.markers if m not in index]
        place = np.array([index[m] for m in source.markers if m in index], dtype=np.intp)
        if absent:
            raise AnalysisError(f"{source.name}: marker {absent[0]!r} is not among the molecules")
        if len(place) < _LEAST_MARKERS or source.counts[place].sum() < _LEAST_READS:
            raise AnalysisError(
                f"{source.name}: {len(place)} markers with {source.counts[place].sum():g} reads in the control; at "
                f"least {_LEAST_MARKERS} with {_LEAST_READS} are needed to know its part"
            )
        places.append(place)
    if len(sources) == 2 and set(sources[0].markers) & set(sources[1].markers):
        raise AnalysisError("a molecule cannot be a marker of both the medium and debris")
    return places


def _fit(y: FloatArray, x: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return non-negative scales and the dispersion of markers about them, for many draws at once.

    `y` is of shape (draws, markers), `x` (draws, markers, sources); the results (draws, sources) and (draws,).
    """
    mean, dispersion = np.maximum(y, 1.0), np.zeros((len(y), 1))
    scale = np.zeros((len(y), x.shape[2]))
    freedom = max(1, y.shape[1] - x.shape[2])
    for _ in range(12):
        weight = 1 / (mean + dispersion * mean**2)
        weighted = x * weight[:, :, None]
        scale = _nonnegative(np.einsum("dki,dkj->dij", weighted, x), np.einsum("dki,dk->di", weighted, y))
        fitted = np.einsum("dki,di->dk", x, scale)
        mean = np.maximum(fitted, 0.5)
        excess = ((y - fitted) ** 2 - mean) / mean**2
        # Weights as of the variance, so that a marker of few reads does not rule the dispersion.
        w = (mean / (1 + dispersion * mean)) ** 2
        estimate = (w * excess).sum(axis=1) / w.sum(axis=1) * y.shape[1] / freedom
        dispersion = np.clip(estimate, 0.0, 10.0)[:, None]
    return scale, dispersion[:, 0]


def _nonnegative(gram: FloatArray, moment: FloatArray) -> FloatArray:
    """Return non-negative least-squares solutions of one or two columns, from x'x and x'y of each draw."""
    diagonal = np.maximum(np.einsum("dii->di", gram), 1e-300)
    alone: FloatArray = np.maximum(moment / diagonal, 0.0)
    if moment.shape[1] == 1:
        return alone
    # One column alone: the one that takes more of the sum of squares.
    gain = alone * moment
    best = np.where(gain == gain.max(axis=1, keepdims=True), alone, 0.0)
    determinant = diagonal[:, 0] * diagonal[:, 1] - gram[:, 0, 1] ** 2
    apart = determinant > 1e-12 * diagonal[:, 0] * diagonal[:, 1]
    both = moment * diagonal[:, ::-1] - moment[:, ::-1] * gram[:, :1, 1]
    both = both / np.where(apart, determinant, 1.0)[:, None]
    found: FloatArray = np.where((apart & (both >= 0).all(axis=1))[:, None], both, best)
    return found


def _negative_binomial(rng: np.random.Generator, mean: FloatArray, dispersion: float) -> FloatArray:
    if dispersion > 1e-6:
        mean = mean * rng.gamma(1 / dispersion, dispersion, mean.shape)
    return rng.poisson(mean).astype(float)


def _widening(sources: Sequence[Source]) -> FloatArray:
    """Return by how much intervals grow because few markers know the scatter badly: Student's t over the normal."""
    from scipy.special import stdtrit

    return np.array([float(stdtrit(len(s.markers) - 1, 0.975)) / NORMAL_95 for s in sources])


def _mirrored(estimate: FloatArray, drawn: FloatArray, widening: FloatArray) -> FloatArray:
    """Reflect a bootstrap draw about the estimate, on the scale of ratios (basic bootstrap; 0 stays 0)."""
    ratio = np.where(drawn > 0, estimate / np.maximum(drawn, 1e-300), 1.0)
    mirrored: FloatArray = np.where((estimate > 0) & (drawn > 0), estimate * ratio**widening, drawn)
    return mirrored


def _assumed(sources: Sequence[Source]) -> tuple[str, ...]:
    said = []
    for s in sources:
        shown = ", ".join(s.markers[:3]) + (f" and {len(s.markers) - 3} more" if len(s.markers) > 3 else "")
        said.append(f"Vesicles carry none of the markers of {s.name} ({shown}).")
        said.append(f"The {s.name} in the preparation has the composition of its control.")
    if any(s.name == DEBRIS for s in sources):
        said.append(
            "Debris cannot be told from cargo by the cells' profile alone: all of its part follows from the markers, "
            "and RNA that decays faster or slower than they do is taken away in the wrong amount."
        )
    return tuple(said)
