"""Make the numbers and the figure of docs/validation/cargo-statistics.md.

Usage: python docs/make_cargo_statistics.py [counts] [moderated] [motifs] [adjust] [figure]

Without words, all is made (about half an hour on two cores; counts take nearly all of it). Each part writes its rows
anew into docs/validation/cargo-statistics.tsv; the figure is drawn from that file.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from vesicula.cargo.enrichment import Design, SampleInfo, build_design, moderated_test
from vesicula.cargo.enrichment.adjust import DEBRIS, MEDIUM, Source, adjust_profile
from vesicula.cargo.enrichment.counts import count_test
from vesicula.cargo.enrichment.motifs import MOTIFS, motif_test
from vesicula.cargo.smallrna.reference import packaged_mirnas
from vesicula.core.measurement import FloatArray
from vesicula.figures.style import BLUE, VERMILLION
from vesicula.figures.svg import Scale, document, line, nice_ticks, text

HERE = Path(__file__).parent
TABLE = HERE / "validation" / "cargo-statistics.tsv"
FIGURE = HERE / "validation" / "figures" / "cargo-false-discoveries.svg"
HEAD = ("part", "setting", "quantity", "value", "monte_carlo_error", "tables")
LEVEL = 0.05
Row = tuple[str, str, str, float, float, int]
Outcome = tuple[FloatArray, FloatArray, FloatArray, FloatArray]


def design_of(n: int) -> tuple[Design, list[str]]:
    info = [SampleInfo(sample=f"{c}{i}", condition=c) for c in ("cell", "EV") for i in range(n)]
    return build_design(info, test="EV", reference="cell"), [s.sample for s in info]


def draw_counts(rng: np.random.Generator, rows: int, n: int, effect: FloatArray) -> FloatArray:
    """Negative binomial: log-normal means, dispersion about 0.05 + 2 / mean, library sizes over a factor of six."""
    mean = np.exp(rng.normal(5.5, 1.5, (rows, 1))) * np.exp(rng.uniform(-0.9, 0.9, 2 * n))[None, :]
    dispersion = (0.05 + 2 / mean.mean(axis=1, keepdims=True)) * np.exp(rng.normal(0, 0.5, (rows, 1)))
    mean[:, n:] *= 2 ** effect[:, None]
    size = 1 / dispersion
    return rng.negative_binomial(size, size / (size + mean)).astype(float)


def draw_values(rng: np.random.Generator, rows: int, n: int, effect: FloatArray) -> FloatArray:
    """Log2 intensities: each protein's variance from a scaled inverse chi square with 4 degrees of freedom."""
    sd = np.sqrt(0.1 * 4 / rng.chisquare(4, (rows, 1)))
    values = rng.normal(25, 2.5, (rows, 1)) + sd * rng.normal(size=(rows, 2 * n))
    values[:, n:] += effect[:, None]
    return values


def share(hits: ArrayLike) -> tuple[float, float]:
    """Return the mean of shares and its Monte-Carlo error."""
    hits = np.asarray(hits, dtype=float)
    return float(hits.mean()), float(hits.std(ddof=1) / np.sqrt(len(hits)))


def judge(part: str, setting: str, outcomes: list[Outcome]) -> list[Row]:
    """Turn (called, true effect, p, covered) of each table into rows."""
    null = not any(np.any(true) for _, true, _, _ in outcomes)
    rows = []
    found = [(c & (t == 0)).sum() / max(1, c.sum()) for c, t, _, _ in outcomes]
    rows.append((part, setting, "false discovery rate", *share(found), len(outcomes)))
    if null:
        rows += [
            (part, setting, f"p below {cut}", *share([(p[np.isfinite(p)] < cut).mean() for _, _, p, _ in outcomes]),
             len(outcomes)) for cut in (0.01, 0.05)
        ]  # fmt: skip
    else:
        power = [(c & (t != 0)).sum() / (t != 0).sum() for c, t, _, _ in outcomes]
        rows.append((part, setting, "power", *share(power), len(outcomes)))
    rows.append((part, setting, "interval covers", *share([np.nanmean(k) for *_, k in outcomes]), len(outcomes)))
    for row in rows:
        print(*row, sep="\t", flush=True)
    return rows


def spikes(rng: np.random.Generator, rows: int, kind: str) -> FloatArray:
    effect = np.zeros(rows)
    if kind == "spiked":
        effect[: rows // 5] = 1.5 * rng.choice([-1, 1], rows // 5)
    if kind == "40 % up":
        effect[: 2 * rows // 5] = 3.0
    return effect


def counts(tables: tuple[int, int] = (80, 60), sizes: tuple[int, ...] = (2, 3, 5, 8), rows: int = 120) -> list[Row]:
    out = []
    for n in sizes:
        for kind, repeats in zip(("null", "spiked", "40 % up"), (*tables, tables[1] if n == 5 else 0), strict=True):
            rng = np.random.default_rng([n, len(kind)])
            design, samples = design_of(n)
            outcomes = []
            for _ in range(repeats):
                effect = spikes(rng, rows, kind)
                data = draw_counts(rng, rows, n, effect)
                r = count_test(data, [f"m{i}" for i in range(rows)], samples, design, shrink=False)
                tested = np.isfinite(r.effect)
                covered = np.where(tested, (r.low <= effect) & (effect <= r.high), np.nan)
                outcomes.append((np.nan_to_num(r.adjusted_p, nan=1.0) < LEVEL, effect, r.p_value, covered))
            if outcomes:
                out += judge("counts", f"{kind}, {n} + {n}", outcomes)
    return out


def moderated(tables: int = 1000, sizes: tuple[int, ...] = (2, 3, 5, 8), rows: int = 200) -> list[Row]:
    out = []
    for n in sizes:
        for kind in ("null", "spiked"):
            rng = np.random.default_rng([n, len(kind)])
            design, _ = design_of(n)
            outcomes = []
            for _ in range(tables):
                effect = spikes(rng, rows, kind)
                r = moderated_test(draw_values(rng, rows, n, effect), design)
                outcomes.append((r.adjusted_p < LEVEL, effect, r.p_value, (r.low <= effect) & (effect <= r.high)))
            out += judge("moderated", f"{kind}, {n} + {n}", outcomes)
    return out


def motifs(tables: int = 1000, take: int = 400) -> list[Row]:
    """Whole families are sorted together, the more so the richer in G and C; no motif does anything."""
    reference = packaged_mirnas("hsa")
    matures = {n: reference.matures[n] for n in sorted(reference.matures)[:take]}
    names = list(matures)
    seeds, member = np.unique([matures[n][1:8] for n in names], return_inverse=True)
    gc = np.array([(matures[n].count("G") + matures[n].count("C")) / len(matures[n]) for n in names])
    chance = 1 / (1 + np.exp(-(-1.5 + 6 * (np.bincount(member, gc) / np.bincount(member) - 0.5))))
    rng, found = np.random.default_rng(3), []
    for k in range(tables):
        hit = (rng.random(len(seeds)) < chance)[member] ^ (rng.random(len(names)) < 0.05)
        up = [n for n, h in zip(names, hit, strict=True) if h]
        found.append(motif_test(up, [], names, matures, permutations=999, seed=k))
    out = []
    tie = rng.random(tables)
    for j, motif in enumerate(MOTIFS):
        for cut in (0.01, 0.05, 0.25, 0.5):
            even = [t[j].p_beyond + u * (t[j].p_value - t[j].p_beyond) for t, u in zip(found, tie, strict=True)]
            kinds = (("p", [t[j].p_value for t in found]), ("p, ties broken at random", even),
                     ("Fisher's p", [t[j].fisher_p for t in found]))  # fmt: skip
            for quantity, p in kinds:
                setting = f"{motif.sequence}, {found[0][j].families_with} of {found[0][j].families} families"
                out.append(("motifs", setting, f"{quantity} at most {cut}", *share(np.array(p) <= cut), tables))
                print(*out[-1], sep="\t", flush=True)
    return out


def mixture(
    rng: np.random.Generator,
    *,
    markers: int = 20,
    scatter: float = 0.1,
    parts: tuple[float, float] = (0.15, 0.10),
    depth: int = 200_000,
    molecules: int = 300,
) -> tuple[FloatArray, list[str], list[Source], FloatArray, list[float]]:
    """Draw a preparation of vesicles, medium and debris; return it, the controls, and the truth."""
    vesicle, medium, debris = np.exp(rng.normal(0, 2, (3, molecules)))
    vesicle[: 2 * markers] = 0
    medium[:markers], medium[markers : 2 * markers] = np.exp(rng.normal(0, 1, markers)), 0
    debris[:markers], debris[markers : 2 * markers] = 0, np.exp(rng.normal(0, 1, markers))
    vesicle, medium, debris = (p / p.sum() for p in (vesicle, medium, debris))
    own = vesicle * depth * (1 - sum(parts))
    foreign = [p * depth * s for p, s in zip((medium, debris), parts, strict=True)]
    scattered = [f * rng.gamma(1 / scatter, scatter, molecules) for f in foreign]
    names = [f"m{i}" for i in range(molecules)]
    sources = [
        Source(name=MEDIUM, counts=rng.poisson(medium * depth / 4).astype(float), markers=tuple(names[:markers])),
        Source(name=DEBRIS, counts=rng.poisson(debris * depth).astype(float),
               markers=tuple(names[markers : 2 * markers])),
    ]  # fmt: skip
    return rng.poisson(own + sum(scattered)).astype(float), names, sources, own, [s * depth for s in parts]


def adjust(tables: int = 200) -> list[Row]:
    settings = {
        "20 markers each, scatter 0.1": {}, "20 markers, scatter 0.3": {"scatter": 0.3},
        "4 markers, scatter 0.1": {"markers": 4}, "10 markers, scatter 0.1": {"markers": 10},
        "parts of 1 % and 2 %": {"parts": (0.01, 0.02)}, "parts of 50 % and 30 %": {"parts": (0.5, 0.3)},
        "50,000 reads": {"depth": 50_000},
    }  # fmt: skip
    out = []
    for setting, given in settings.items():
        rng = np.random.default_rng(5)
        covered, ratio, features = [], [], []
        for k in range(tables):
            counts_, names, sources, own, truth = mixture(rng, **given)
            r = adjust_profile(counts_, names, sources, draws=200, seed=k)
            total = counts_.sum()
            covered.append([p.share_low <= t / total <= p.share_high for p, t in zip(r.parts, truth, strict=True)])
            ratio.append([p.share * total / t for p, t in zip(r.parts, truth, strict=True)])
            features.append(((r.low <= own) & (own <= r.high))[own > 20].mean())
        for j, part in enumerate((MEDIUM, DEBRIS)):
            out.append(("adjust", setting, f"interval of {part} covers", *share([c[j] for c in covered]), tables))
            out.append(("adjust", setting, f"{part}, estimate over truth", *share([r[j] for r in ratio]), tables))
        out.append(("adjust", setting, "intervals of molecules cover", *share(features), tables))
        for row in out[-5:]:
            print(*row, sep="\t", flush=True)
    return out


def write(rows: list[Row], parts: set[str]) -> None:
    kept = []
    if TABLE.exists():
        lines = [x.split("\t") for x in TABLE.read_text(encoding="utf-8").splitlines()[1:]]
        kept = [x for x in lines if x[0] not in parts]
    new = [[*r[:3], f"{r[3]:.4f}", f"{r[4]:.4f}", str(r[5])] for r in rows]
    lines = ["\t".join(HEAD), *("\t".join(r) for r in [*kept, *new])]
    TABLE.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")


def figure() -> None:
    """Draw the observed false discovery rate of each setting with two Monte-Carlo errors."""
    rows = [x.split("\t") for x in TABLE.read_text(encoding="utf-8").splitlines()[1:]]
    rows = [r for r in rows if r[2] == "false discovery rate" and "up" not in r[1]]
    high = max(0.12, *(float(r[3]) + 2 * float(r[4]) for r in rows))
    place = Scale(low=0, high=high, start=190, end=620)
    parts = [text(190, 18, "Observed false discovery rate, with two Monte-Carlo errors", anchor="start")]
    bottom = 40 + 22 * len(rows)
    for tick in nice_ticks(0, high):
        parts.append(line(place(tick), 30, place(tick), bottom, ' stroke="currentColor" opacity="0.15"'))
        parts.append(text(place(tick), bottom + 16, f"{100 * tick:.0f} %"))
    parts.append(line(place(LEVEL), 30, place(LEVEL), bottom, ' stroke="currentColor" stroke-dasharray="5 4"'))
    parts.append(text(place(LEVEL) + 4, bottom - 3, "nominal", anchor="start", extra=' font-size="11"'))
    for k, (part, setting, _, value, error, _) in enumerate(rows):
        y, ink = 46 + 22 * k, BLUE if part == "counts" else VERMILLION
        low, high_ = place(max(0.0, float(value) - 2 * float(error))), place(float(value) + 2 * float(error))
        parts.append(text(182, y + 4, f"{part}: {setting}", anchor="end"))
        parts.append(line(low, y, high_, y, f' stroke="{ink}" stroke-width="2"'))
        x = place(float(value))
        shape = f'<circle cx="{x:.1f}" cy="{y}" r="4.5" fill="{ink}"/>'
        box = f'<rect x="{x - 4:.1f}" y="{y - 4}" width="8" height="8" fill="{ink}"/>'
        parts.append(shape if part == "counts" else box)
    drawing = document(parts, width=640, height=bottom + 26, label="Observed false discovery rates against 5 % nominal")
    FIGURE.parent.mkdir(exist_ok=True)
    FIGURE.write_text(drawing.replace("<svg ", '<svg color="#1b1f24" ', 1) + "\n", encoding="utf-8")


MAKERS = {"counts": counts, "moderated": moderated, "motifs": motifs, "adjust": adjust}

if __name__ == "__main__":
    wanted = sys.argv[1:] or [*MAKERS, "figure"]
    for name in wanted:
        if name in MAKERS:
            write(MAKERS[name](), {name})
    if "figure" in wanted:
        figure()
