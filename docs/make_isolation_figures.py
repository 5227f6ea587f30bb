# ruff: noqa: E501, ANN001, ANN202 - Markdown tables have long rows; a script's small helpers
"""Write the pages of the isolation whose numbers are computed: tutorial, validation, and their figures.

Run as: python docs/make_isolation_figures.py. The validation needs the shared data (VESICULA_SHARED, by default ../shared);
without them that page is not rewritten.
"""

from __future__ import annotations

import csv
import os
import re
import sys
from importlib.resources import files
from pathlib import Path

import numpy as np

from vesicula.core.population import mixed_population
from vesicula.figures.isolation import fraction_profile, isolation_chain
from vesicula.isolation.balance import Fraction, Outcome
from vesicula.isolation.centrifuge import centrifuge, cutoff_diameter_nm, k_factor, pelleted_share, run_at
from vesicula.isolation.ensemble import ensemble
from vesicula.isolation.fluids import Medium, medium, sedimentation_s
from vesicula.isolation.immunoaffinity import immunocapture
from vesicula.isolation.precipitation import precipitate
from vesicula.isolation.protocol_text import parse_protocol
from vesicula.isolation.rotors import rotor
from vesicula.isolation.sec import column, size_exclusion

DOCS = Path(__file__).parent
FIGURES = DOCS / "validation" / "figures"
SHARED = Path(os.environ.get("VESICULA_SHARED", DOCS.parents[1] / "shared")) / "data" / "simulation"
FBS, FREE = "conditioned medium with 10 % FBS", "serum-free conditioned medium"
PROTOCOLS = (("ultracentrifugation", "UC"), ("sec", "SEC"), ("tff-sec", "TFF + SEC"), ("peg", "PEG"))
DRAWS = 2000


def _read(name: str, feed: str):
    text = files("vesicula.data").joinpath("protocols", f"{name}.yaml").read_text(encoding="utf-8")
    swapped = re.sub(r"preset: [^}]*", f"preset: {feed}", text)
    return parse_protocol(swapped, name=f"{name}.yaml")


def _svg(name: str, svg: str) -> None:
    (FIGURES / f"isolation-{name}.svg").write_text(svg.replace("<svg ", '<svg color="#1b1f24" ', 1) + "\n", encoding="utf-8")


def _range(drawn, measure: str, factor: float = 1.0) -> str:
    low, mid, high = (x[-1] * factor for x in drawn.interval(measure))
    return f"{mid:.2g} ({low:.2g} to {high:.2g})"


def tutorial() -> None:
    sections, best = [], {}
    for feed in (FBS, FREE):
        rows = []
        for name, short in PROTOCOLS:
            protocol = _read(name, feed)
            result, drawn = protocol.run(), ensemble(protocol, draws=DRAWS, seed=1)
            last = result.reports[-1]
            best[short, feed] = {k: float(drawn.interval(k)[1][-1]) for k in ("target_yield", "target_per_ug", "target_share")}
            rows.append(
                f"| {short} | {_range(drawn, 'target_yield', 100)} | {_range(drawn, 'target_share', 100)} | {_range(drawn, 'particles_per_ug')} | {_range(drawn, 'target_per_ug')} "
                f"| {_range(drawn, 'apob_share', 100) if feed == FBS else 'none in the feed'} | {last.product.volume_ml:.2g} | {last.hours:.3g} | {last.max_g:.3g} | {last.shear_per_s:.2g} |"
            )
            if feed == FBS:
                _svg(f"chain-{name}", isolation_chain(result).svg)
                if name == "tff-sec":
                    _svg("elution", fraction_profile(result.reports[-1].outcome).svg)
        sections.append(
            f"### {feed[0].upper()}{feed[1:]}\n\n| method | yield, % | target share by number, % | particles per ug | target per ug | ApoB in protein, % | mL | h | max g | shear, 1/s |\n|---|---|---|---|---|---|---|---|---|---|\n" + "\n".join(rows)
        )
    page = TUTORIAL.format(tables="\n\n".join(sections), conclusion=_conclusion(best), draws=DRAWS)
    (DOCS / "tutorial-isolation.md").write_text(page, encoding="utf-8")


def _conclusion(best) -> str:
    lines = []
    for feed in (FBS, FREE):
        ranked = {k: sorted((s for _, s in PROTOCOLS), key=lambda s, k=k, feed=feed: -best[s, feed][k]) for k in ("target_yield", "target_per_ug")}
        top = ranked["target_per_ug"][0]
        lines.append(
            f"- **{feed[0].upper()}{feed[1:]}.** Yield falls in the order {', '.join(ranked['target_yield'])}; target particles per microgram of protein in the order "
            f"{', '.join(ranked['target_per_ug'])} ({best[top, feed]['target_per_ug']:.1g} for {top})."
        )
    gain = {s: best[s, FREE]["target_share"] / best[s, FBS]["target_share"] for _, s in PROTOCOLS}
    text = ", ".join(f"{s} {g:.2g}" for s, g in gain.items())
    lines.append(f"- **Leaving the serum out** raises the target's share of the particles by factors of: {text}. Compare that with what changing the method does, in the same column of the tables.")
    return "\n".join(lines)


TUTORIAL = """\
# Tutorial: which isolation for which medium

Written by `docs/make_isolation_figures.py`; no number on this page is typed by hand.

You have 200 mL of conditioned medium of mesenchymal stromal cells, once with 10 % fetal bovine serum and once without. Four
protocols come with vesicula: differential ultracentrifugation (UC), size exclusion after a concentration (SEC), tangential
flow filtration and then size exclusion (TFF + SEC), and precipitation with PEG. What does each give, and how pure?

## 1. Run one

```
vesicula isolate --example list
vesicula isolate --example tff-sec --draws 1000 --html tff-sec.html
```

The first lines are the verdict: the yield with its interval, what else is in the product, and which uncertain parameters the
yield hangs on. The page holds the same with figures. `--draws` takes each uncertain parameter from its range; without it,
numbers are those of the defaults and look surer than they are.

![What each step leaves of each class, TFF + SEC](validation/figures/isolation-chain-tff-sec.svg)

![Elution from the column, the kept fractions shaded](validation/figures/isolation-elution.svg)

## 2. Change the medium

```
vesicula isolate --example tff-sec --show > mine.yaml
```

In `mine.yaml`, replace `preset: conditioned medium with 10 % FBS` by `preset: serum-free conditioned medium`, and run
`vesicula isolate mine.yaml --draws 1000`.

## 3. Compare

Median and 90 % interval of {draws} draws. Target: exosomes and microvesicles. "Particles per ug" is what NTA (particles of
50 nm or more, of whatever class) and a protein assay would read: bovine vesicles and VLDL of serum count in it, so that with serum
it says little of purity. "Target per ug" counts the target alone, which no single instrument does.

{tables}

![What each step leaves of each class, UC](validation/figures/isolation-chain-ultracentrifugation.svg)

![What each step leaves of each class, PEG](validation/figures/isolation-chain-peg.svg)

## 4. What follows

{conclusion}
- **Bovine vesicles** are in every serum product at the feed's ratio or close to it: no method here tells them from the
  cells' own by size or density. Only serum-free (or vesicle-depleted) medium, or a marker that bovine vesicles lack, does.
- **The intervals are wide.** Where those of two methods overlap, the model does not say which is better in your hands.
- **SEC's yield is that of one column.** The packaged one keeps what Boeing 2014 measured (43 +/- 23 % of vesicles in fractions 9 to 12), after a filter
  and a concentrator that lose as their sources say. Ter-Ovanesyan 2023 recovered more than half from another resin. If you have measured your own column's
  recovery, put it into a columns file (`--columns`); the order of UC and SEC in yield can turn with it.
- **ApoB is the weakest column.** Where UC and SEC were measured side by side (human milk, not one of these feeds), UC carried far more ApoB than SEC;
  the tables above say the reverse. Do not choose between the two by it: see [Validation](validation/isolation.md).
"""


def _livshits() -> str:
    liquid = Medium(name="Livshits", temperature_c=20, density_g_per_ml=1.0, viscosity_mpa_s=1.55)
    sizes = np.array([150.0, 120.0, 100.0, 70.0])
    names = {"SW 40Ti": "SW 40 Ti", "SW28": "SW 28", "TLA 110": "TLA-110"}
    path = SHARED / "joadwe__ev-centrifugation-model"
    rows = list(csv.reader((path / "data" / "table2.csv").read_text(encoding="utf-8-sig").replace("\N{EN DASH}", "-").splitlines()))[1:]
    lines, worst = [], [0.0, 0.0]
    for _, name, cutoff, *shares in rows:
        run = run_at(rotor(names.get(name, name)), 10_000, 30, at="r_av")
        d = cutoff_diameter_nm(run, density_g_per_ml=1.15, liquid=liquid)
        ours = 100 * pelleted_share(run, sedimentation_s(sizes, np.full(4, 1.15), liquid))
        theirs = [float(s.removesuffix("%")) for s in shares]
        printed = float(re.sub(r"\D", "", cutoff))
        worst = [max(worst[0], abs(d - printed)), max(worst[1], float(np.abs(ours - theirs).max()))]
        pairs = " | ".join(f"{a:.1f} / {b:g}" for a, b in zip(ours, theirs, strict=True))
        lines.append(f"| {name} | {d:.1f} / {printed:g} | {pairs} |")
    text = (path / "README.md").read_text(encoding="utf-8").replace("\N{EN DASH}", "-").split("### Table 3", 1)[1].split("###", 1)[0]
    table3 = [[c.strip() for c in x.strip().strip("|").split("|")] for x in text.splitlines() if "|" in x][2:]
    k = []
    for row in table3:
        r = rotor(names.get(row[0], row[0]))
        ours_k, theirs_k = k_factor(r, r.rpm_for(10_000, at="r_av")), float(re.sub(r"[^0-9.]", "", row[2]))
        k.append(f"| {row[0]} | {ours_k:.1f} | {theirs_k:g} | {100 * (ours_k / theirs_k - 1):+.2f} % |")
    head = "| rotor | cut-off, nm | 150 nm, % | 120 nm, % | 100 nm, % | 70 nm, % |\n|---|---|---|---|---|---|\n"
    return (
        f"Largest difference: {worst[0]:.2f} nm and {worst[1]:.2f} percentage points. Ours / printed:\n\n{head}" + "\n".join(lines)
        + "\n\nK factors of Table 3. The row F-45-24-15 is at odds with the paper's own geometry (Table 1):\n\n"
        "| rotor | K from the geometry | K printed | difference |\n|---|---|---|---|\n" + "\n".join(k)
    )


def _boeing() -> str:
    feed = mixed_population({"microvesicle": 1e9, "exosome": 1e10, "HDL": 1e15, "protein": 1e17}, n_densities=1)
    o = size_exclusion(Fraction(name="feed", population=feed, volume_ml=1.5), column("Sepharose CL-2B 10 mL"), keep=[9, 10, 11, 12])

    def share(names, first, last, power=0, above=0.0):
        at = [feed.names.index(n) for n in names]
        weight = feed.diameter_nm**power * (feed.diameter_nm > above)
        amount = {f.name: float((f.totals()[at].sum(axis=(0, 1)) * weight).sum()) for f in o.fractions}
        eluted = sum(v for n, v in amount.items() if n != "kept by the column")
        return 100 * sum(amount[f"fraction {n}"] for n in range(first, last + 1)) / eluted

    recovered = 100 * o.product.totals()[0].sum() / o.feed.totals()[0].sum()
    ours = {
        "SEC share platelet EV in fractions 9-12": share(["microvesicle"], 9, 12),
        "SEC share particles >70 nm in fractions 9-12": share(["microvesicle", "exosome"], 9, 12, above=70),
        "SEC share protein in fractions 9-12": share(["protein"], 9, 12, 3),
        "SEC share HDL in fractions 18-20": share(["HDL"], 18, 20),
        "SEC share protein in fractions 19-21": share(["protein"], 19, 21, 3),
        "SEC recovery platelet EV": recovered,
        "SEC share HDL in fractions 9-12": share(["HDL"], 9, 12),
    }
    text = (SHARED / "_transcribed" / "published_points.tsv").read_text(encoding="utf-8")
    points = {r["quantity"]: r for r in csv.DictReader(text.splitlines(), delimiter="\t")}
    lines = []
    for name, value in ours.items():
        mean, sd = float(points[name]["value"]), float(points[name]["sd_or_range"])
        lines.append(f"| {name} | {value:.2f} | {mean:g} +/- {sd:g} | {'yes' if abs(value - mean) <= sd else '**no**'} |")
    cl6b = size_exclusion(Fraction(name="feed", population=mixed_population({"exosome": 1e9}), volume_ml=0.5), column("Sepharose CL-6B 10 mL"), keep=[7, 8, 9, 10])
    got = 100 * cl6b.product.totals().sum() / cl6b.feed.totals().sum()
    return (
        "| quantity, % | ours | published | within its SD |\n|---|---|---|---|\n" + "\n".join(lines)
        + f"\n\n**Two sources that one set of defaults does not meet.** Ter-Ovanesyan 2023 (eLife 86394) recovers more than 50 % in fractions 7 to 10 of a 10 mL CL-6B column; with Boeing's recovery "
        f"(70 % not adsorbed) and widths we get {got:.1f} %, without adsorption {got / 0.7:.1f} %. The default keeps Boeing's; the prior of `sec_recovery` covers both."
    )


def _milk(mark: str) -> list[list[str]]:
    """Return the accessions of the matches, one list per pool."""
    folder = next(SHARED.glob("pedrofortesgonzalez__*")) / "mass_spectrometry_data"
    paths = sorted(folder.glob(f"*{mark}*POOL_?.csv"))
    return [[r["Accession"] for r in csv.DictReader(p.read_text(encoding="utf-8-sig").splitlines())] for p in paths]


def _percent(tables: list[list[str]], protein: str) -> list[float]:
    return [100 * sum(f"|{protein}_HUMAN" in a for a in t) / len(t) for t in tables]


def _apob() -> str:
    marks = {"PEG-like": "ExoGAG", "UC": "psm_UC", "SEC": "SEC", "immunoaffinity": "IP_CD9"}
    tables = {name: _milk(mark) for name, mark in marks.items()}
    measured = {name: float(np.mean(_percent(t, "APOB"))) for name, t in tables.items()}

    def predicted(preset: str, washes: int) -> tuple[dict[str, float], dict[str, float]]:
        read = parse_protocol(f"vesicula_protocol: 1\nfeed: {{volume_ml: 1, preset: {preset}}}\ntarget: [exosome]\nsteps: [{{dilute: {{to_ml: 1}}}}]\n", name="feed")
        cold, run = medium(read.medium, 4.0), run_at(rotor("TLA-110"), 100_000, 70, at="r_max")
        outcomes: dict[str, Outcome] = {
            "PEG-like": precipitate(read.feed),
            "UC": centrifuge(read.feed, run, liquid=cold, keep="pellet", washes=washes),
            "SEC": size_exclusion(read.feed, column("Sepharose CL-2B 10 mL"), keep=[9, 10, 11, 12]),
            "immunoaffinity": immunocapture(read.feed, marker="CD9", liquid=cold),
        }
        products = {name: o.product.population for name, o in outcomes.items()}
        share = {n: 100 * p.apob_ug_per_ml() / sum(p.protein_ug_per_ml().values()) for n, p in products.items()}
        vesicles = {n: p.by_class()["exosome"] + p.by_class()["microvesicle"] for n, p in products.items()}
        return share, {n: p.apob_ug_per_ml() / vesicles[n] * 1e9 for n, p in products.items()}

    cases = {"10 % FBS": (FBS, 0), "10 % FBS, one wash": (FBS, 1), "plasma": ("plasma", 0)}
    found = {label: predicted(*case) for label, case in cases.items()}
    parts = [_orders("ApoB in all protein, %", {"milk, % of PSMs (measured)": measured} | {k: v[0] for k, v in found.items()})]
    parts.append(_orders("ApoB per 1e9 vesicles, ug", {k: v[1] for k, v in found.items()}))
    both = tables["UC"] + tables["PEG-like"]
    together = np.corrcoef(_percent(both, "APOB"), _percent(both, "XDH"))[0, 1]
    facts = {
        "raw": sum(len(t) for t in _milk("Raw_milk")), "raw_apob": sum("|APOB_HUMAN" in a for t in _milk("Raw_milk") for a in t),
        "sec_apob": " + ".join(str(sum("|APOB_HUMAN" in a for a in t)) for t in tables["SEC"]), "sec": sum(len(t) for t in tables["SEC"]),
        "a1_sec": np.mean(_percent(tables["SEC"], "APOA1")), "a1_uc": np.mean(_percent(tables["UC"], "APOA1")), "together": together,
    }  # fmt: skip
    return APOB.format(tables="\n\n".join(parts), **facts)


def _orders(what: str, columns: dict[str, dict[str, float]]) -> str:
    methods = list(next(iter(columns.values())))
    head = f"{what}:\n\n| method | " + " | ".join(columns) + " |\n|---|" + "---|" * len(columns) + "\n"
    body = "\n".join(f"| {m} | " + " | ".join(f"{c[m]:.2g}" for c in columns.values()) + " |" for m in methods)
    order = " | ".join(" > ".join(sorted(c, key=lambda k, c=c: -c[k])) for c in columns.values())
    return f"{head}{body}\n| *order* | {order} |"


APOB = """\
**This is no validation.** The tables are of three pools of *human milk* (a public repository, MIT). The model has no milk: none of its
feeds is the same kind of sample, and no numbers were found to state one (in the same tables raw milk shows {raw_apob} matches of
ApoB among {raw}, so that even the amount that goes in is not known). The comparison shows what the model says where something
was measured, and where the two part. Nothing was fitted.

{tables}

What agrees:

- Precipitation carries more ApoB than UC and immunoaffinity do, in every case and by either measure.
- Per vesicle, and for *unwashed* UC of medium with serum, the order is the measured one.

What does not:

- **UC against SEC.** As a share of the protein, which is what a share of the spectra (PSMs) is nearest to, the model puts SEC above UC in all three
  cases; per vesicle a wash, or plasma, does so too. Measured, UC is far above SEC. Here LDL (22 nm) enters the vesicle fractions of CL-2B by its size,
  and pellets hardly; a wash takes nearly all that is left of it.
- In plasma, as a share of the protein, the model puts immunoaffinity above UC, and SEC above precipitation.

What was looked for to explain it, and why nothing was added to the model:

- *Liquid trapped in the pellet* is in the model (`residual`, drawn from 0.1 to 2 % of the tube). The voids of the packed pellet itself add
  about half its particles' volume, which is much less.
- *Lipoproteins bound to vesicles* exist (Lozano-Andres 2023, J Extracell Vesicles, abstract), but no binding constant was found, and what is bound goes
  wherever the vesicles go: it would raise SEC and immunoaffinity as it raises UC, and these two show next to none.
- *The tables themselves* hint at something else: over the six products of UC and of precipitation, ApoB rises and falls with xanthine
  dehydrogenase, a protein of the membrane of milk fat globules (correlation {together:.2f}), so that milk's ApoB may sit on large particles that
  blood and medium do not have. And SEC's ApoB is {sec_apob} matches of {sec} in the three pools, so that its ratio to UC is uncertain, while
  SEC's products hold more ApoA1 than UC's ({a1_sec:.2f} against {a1_uc:.2f} %): SEC was not free of lipoproteins. Which column was used is not stated there.

**Do not choose between UC and SEC for lipoproteins by this model.** Measure ApoB in your product.
"""


VALIDATION = """\
# Isolation: our numbers beside published ones

Written by `docs/make_isolation_figures.py`; nothing here is typed by hand. The same comparisons are tests (`tests/isolation`).

## Centrifugation: Livshits 2015

Sci Rep 5:17319, Tables 2 and 3: particles of 1.15 g/mL in a liquid of 1.0 g/mL and 1.55 cP, 10,000 g at the mean radius, 30 min.

{livshits}

## Size exclusion: Boeing 2014 and Ter-Ovanesyan 2023

J Extracell Vesicles 3:23430 (abstract): Sepharose CL-2B, 10 mL, fractions of 0.5 mL. The packaged column is *calibrated* on the first
five rows and the recovery; they show that one physical column can meet them together, not that it was predicted.

{boeing}

HDL in the vesicle fractions is not met: a column that separates by size alone cannot carry 4.8 % of HDL and 0.65 % of a protein
that is hardly smaller. Bound HDL, or the assay, may be the reason; the model knows neither.

## Lipoproteins: ApoB by four methods

{apob}
## Other published numbers

| number | source | here |
|---|---|---|
| viscosity of water, 4 to 37 C | IAPWS 2008 | within 0.03 % (`test_fluids`) |
| density of water | Kell 1975 | within 5e-6 g/mL |
| viscosity of sucrose, 20 to 60 % at 20 C | handbook values, from memory | within 0.8 % |
| vesicles in sucrose at 1.13 to 1.19 g/mL | Biology 2022, 11, 804 | simulated band lies in the range (`test_gradient`) |
| width of a band at equilibrium | Meselson and Stahl 1958 | within 1 % |
| barometric equilibrium in a tube | exact | within 1e-6 |
"""


MEANING = {
    "rotor": "name of a rotor; `vesicula isolate --rotors FILE` adds yours", "at": "radius of `rcf_g`: r_min, r_av or r_max",
    "keep": "centrifuge: pellet or supernatant; sec and gradient: list of fractions, from 1 (gradient: from the top; also pellet)",
    "medium": "liquid, if not that of the step before", "rpm": "speed; give this or `rcf_g`", "rcf_g": "force in g at the radius `at`",
    "temperature_c": "of the step (spinning and beads 4, devices 20 by default)", "minutes": "at speed", "hours": "at speed, of contact, of incubation",
    "resuspend_ml": "volume of the kept pellet", "washes": "rounds of resuspending and pelleting", "pellet_loss": "share of a pellet not resuspended",
    "residual": "share of the liquid left on the pellet", "fractions": "how many are collected", "solute": "sucrose or iodixanol",
    "layers": "list of {percent, volume_ml} from the top; sucrose % w/w, iodixanol % w/v", "load": "feed on top (default) or at the bottom",
    "cutoff_kda": "nominal cut-off", "concentrate_to_ml": "volume of the retentate", "diavolumes": "volumes exchanged", "area_cm2": "of the membrane (hours only)",
    "flux_l_per_m2_h": "flux (hours only)", "adsorbed": "share that stays on the membrane", "shear_per_s": "shear rate at the wall (reported only)",
    "pore_nm": "rated pore", "fraction_ml": "volume of a fraction", "column": "name of a column; `--columns FILE` adds yours",
    "marker": "CD9, CD63 or CD81", "beads_per_ml": "beads per mL of feed", "bead_um": "diameter of a bead", "antibody_nm": "antibody, nmol/L of feed",
    "at_least": "copies that hold a particle through the washes", "elute_ml": "volume of the eluate", "non_specific": "share of everything left on washed beads",
    "eluted": "share of the captured that elutes", "percent": "PEG, % w/v, below 50", "peg_kda": "mass of the polymer", "carry_over": "share of the dissolved caught in the pellet",
    "collected": "share of the precipitate collected", "gap_nm": "between pillars", "row_shift": "shift of a row over the period, to 0.5", "length_mm": "of the array",
    "speed_mm_per_s": "mean speed", "flow_ul_per_min": "throughput of one device", "parallel": "devices side by side", "energy_j_per_m3": "acoustic energy density",
    "frequency_mhz": "of the sound", "residence_s": "time in the field", "centre": "share of the width that is kept", "keep_from_min": "start of the kept window",
    "keep_to_min": "end of the window", "end_min": "end of the run", "width_um": "thickness of the channel", "void_ml": "volume of the channel",
    "cross_ml_per_min": "cross flow", "out_ml_per_min": "outlet flow", "load_ml": "volume of an injection", "to_ml": "volume after diluting",
}  # fmt: skip


def reference() -> None:
    from vesicula.core.particle_class import particle_classes
    from vesicula.isolation.fluids import MEDIA
    from vesicula.isolation.priors import method_priors
    from vesicula.isolation.protocol_text import METHODS
    from vesicula.isolation.rotors import rotors
    from vesicula.isolation.sec import columns

    def bounds(b) -> str:
        low = f"> {b.above:g}" if b.above is not None else f">= {b.low:g}" if b.low is not None else ""
        return f"{low} {f'<= {b.high:g}' if b.high is not None else ''}".strip()

    sections = []
    for name, m in METHODS.items():
        rows = [f"| `{k}` | {MEANING[k]} | {bounds(m.numbers[k]) if k in m.numbers else ''} | {'yes' if k in m.required else ''} |" for k in (*m.other, *m.numbers)]
        sections.append(f"### `{name}`\n\n| key | meaning | bounds | required |\n|---|---|---|---|\n" + "\n".join(rows))
    priors = [f"| `{p.name}` | {p.meaning} | {p.value:g} | {p.low:g} to {p.high:g} | {'log' if p.log else 'linear'} | {p.source} | {p.sureness} |" for p in method_priors().values()]
    rotor_rows = [f"| {r.name} | {r.kind} | {r.r_min_mm:g} | {r.r_max_mm:g} | {r.bore_mm:g} | {r.angle_deg:g} | {r.max_rpm:g} | {r.tube_ml:g} x {r.tubes} | {r.source} |" for r in rotors().values()]
    page = REFERENCE.format(
        classes=", ".join(particle_classes()), media=", ".join(MEDIA), methods="\n\n".join(sections), priors="\n".join(priors),
        rotors="\n".join(rotor_rows), columns="\n".join(f"| {c.name} | {c.bed_ml:g} | {c.load_ml:g} | {c.pore_median_nm:g} | {c.source} | {c.sureness} |" for c in columns().values()),
    )
    (DOCS / "reference" / "isolation.md").write_text(page, encoding="utf-8")


REFERENCE = """\
# Isolation protocols in YAML

Written by `docs/make_isolation_figures.py` from the code. Start from `vesicula isolate --example NAME --show`.

```yaml
vesicula_protocol: 1
name: my protocol
feed:
  volume_ml: 200
  preset: conditioned medium with 10 % FBS # or serum-free conditioned medium, plasma
  particles: {{exosome: 5e8}} # per mL; each replaces the preset's number, and is then not drawn
target: [exosome, microvesicle]
steps:
  - label: debris off
    centrifuge: {{rotor: Type 45 Ti, rcf_g: 2000, at: r_max, minutes: 20, keep: supernatant}}
```

Plain YAML only: no anchors, tags or repeated keys, at most 200,000 characters, 12 levels, 50 steps. Every mistake is one message
with file, line, what was expected and what was found. A force needs the radius that it is meant at. Classes of particle: {classes}.
Media: {media}. A number that the protocol states is taken as known by `--draws`.

## Steps

{methods}

## Priors

Triangular between the ends with the mode at the value, over the logarithm where the scale is log. Sureness H, M, L. Those of the
classes (diameter, densities, protein, markers) stand in `particle_classes.tsv` as the rows with a low and a high end.

| prior | meaning | value | range | scale | source | sureness |
|---|---|---|---|---|---|---|
{priors}

## Rotors

Geometry in mm and degrees. Speed limits, volumes and numbers of tubes are from memory: check them against your rotor's manual.

| rotor | kind | r_min | r_max | bore | angle | max rpm | mL x tubes | geometry from |
|---|---|---|---|---|---|---|---|---|
{rotors}

## Columns

| column | bed, mL | load, mL | median pore, nm | source | sureness |
|---|---|---|---|---|---|
{columns}
"""


def main() -> int:
    FIGURES.mkdir(parents=True, exist_ok=True)
    reference()
    tutorial()
    if not SHARED.is_dir():
        print(f"{SHARED} is absent: docs/validation/isolation.md is not rewritten", file=sys.stderr)
        return 1
    page = VALIDATION.format(livshits=_livshits(), boeing=_boeing(), apob=_apob())
    (DOCS / "validation" / "isolation.md").write_text(page, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
