"""A realistic assessment made by hand, and as many synthetic batches as wanted."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
from collections.abc import Callable, Iterator, Sequence
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from vesicula.core.assessment import Assessment, BatchAssessment, FileRecord
from vesicula.core.estimate import Distribution, Estimate, Peak
from vesicula.core.finding import Citation, Criterion, Finding, InputRef, MethodRef, Verdict, judge
from vesicula.core.format import format_estimate
from vesicula.core.measurement import ReadWarning

VERSION = "0.1.0"
SETTINGS = {"bandwidth_nm": 4.0, "level": 0.95, "resamples": 2000, "seed": 20261121}
WEBBER = Citation(
    text="Webber & Clayton 2013, J Extracell Vesicles 2:19861",
    doi="10.3402/jev.v2i0.19861",
    note="quoted from memory, not checked against the source",
)
MANUAL = Citation(
    text="Malvern NanoSight NS300 operating manual", note="quoted from memory, not checked against the source"
)
REVIEWS = {"A": Citation(text="Review A, Table 2"), "B": Citation(text="Review B, section on biogenesis")}
TITLES = {
    "mean_diameter_nm": "Mean diameter",
    "mode_diameter_nm": "Mode diameter",
    "median_diameter_nm": "Median diameter (D50)",
    "d10_diameter_nm": "D10",
    "d90_diameter_nm": "D90",
    "sd_diameter_nm": "Standard deviation of diameter",
    "span": "Span (D90 - D10) / D50",
}


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


class Maker:
    """Makes findings of one batch: numbers from a log-normal mixture, judged by the real rules."""

    def __init__(self, batch: str, sample: str, *, seed: int) -> None:
        self.batch, self.sample = batch, sample
        self.rng = np.random.default_rng(seed)
        self.findings: list[Finding] = []
        self.curves: list[Distribution] = []

    def add(self, topic: str, key: str, title: str, **fields: object) -> None:
        scope = {k: str(fields.get(k, "")) for k in ("replicate", "capture")}
        path = "/".join(p for p in (self.batch, self.sample, *scope.values(), topic, key) if p)
        fields.setdefault("verdict", Verdict.NOT_JUDGED)
        fields.setdefault("statement", f"{title}: stated.")
        self.findings.append(
            Finding(id=path, batch=self.batch, sample=self.sample, topic=topic, title=title, **fields)  # type: ignore[arg-type]
        )

    def curve(
        self, level: str, label: str, replicate: str, shape: Sequence[tuple[float, float, float]]
    ) -> dict[str, float]:
        x = np.arange(1.0, 1000.5, 1.0)
        y = sum(
            n * np.exp(-0.5 * (np.log(x / m) / s) ** 2) / (x * s * np.sqrt(2 * np.pi)) for m, s, n in shape
        ) * np.ones_like(x)
        edges = np.arange(0.0, 1001.0, 5.0)
        binned = np.histogram(x, edges, weights=y)[0] / 5.0
        used = np.nonzero(binned > binned.max() * 1e-5)[0]
        top = int(np.argmax(y))
        weights = y / y.sum()
        cumulative = np.cumsum(weights)
        d10, d50, d90 = (float(np.interp(p, cumulative, x)) for p in (0.1, 0.5, 0.9))
        mean = float(np.sum(weights * x))
        self.curves.append(
            Distribution(
                label=label,
                level=level,
                sample=self.sample,
                replicate=replicate,
                basis="sample",
                bin_low_nm=tuple(edges[used].tolist()),
                bin_high_nm=tuple(edges[used + 1].tolist()),
                concentration_per_ml_per_nm=tuple(binned[used].tolist()),
                smoothed_diameter_nm=tuple(x[:700].tolist()),
                smoothed_per_ml_per_nm=tuple(y[:700].tolist()),
                bandwidth_nm=4.0,
                peaks=(
                    Peak(
                        diameter_nm=float(x[top]),
                        fraction=0.8,
                        prominence=1.0,
                        low_nm=30.0,
                        high_nm=220.0,
                        significant=level == "sample",
                    ),
                ),
            )
        )
        return {
            "mean_diameter_nm": mean,
            "mode_diameter_nm": float(x[top]),
            "median_diameter_nm": d50,
            "d10_diameter_nm": d10,
            "d90_diameter_nm": d90,
            "sd_diameter_nm": float(np.sqrt(np.sum(weights * (x - mean) ** 2))),
            "span": (d90 - d10) / d50,
            "concentration_per_ml": float(y.sum()),
        }

    def quantities(
        self,
        values: dict[str, float],
        *,
        n: int,
        unit: str,
        vendor: float = 0.0,
        headline: bool = False,
        **scope: object,
    ) -> None:
        for quantity, value in values.items():
            concentration = quantity == "concentration_per_ml"
            half = value * (0.09 if concentration else 0.025) / n**0.5 * 1.7
            has = n > 1
            estimate = Estimate(
                quantity=quantity,
                value=value,
                unit="/mL" if concentration else "" if quantity == "span" else "nm",
                low=value - half if has else None,
                high=value + half if has else None,
                n=n,
                unit_of_replication=unit,
                carries=("counting", "between-capture", "between-replicate")[: 3 if unit == "replicate" else 2]
                if has
                else (),
            )
            title = "Concentration of the sample" if concentration else TITLES[quantity]
            self.add(
                "concentration" if concentration else "size",
                quantity,
                title,
                estimate=estimate,
                statement=f"{title} {format_estimate(estimate)}.",
                headline=headline and quantity in ("mode_diameter_nm", "median_diameter_nm", "concentration_per_ml"),
                vendor_value=value * (1 + vendor) if vendor and quantity != "span" else None,
                method=MethodRef(name=f"nta.{quantity}", version=VERSION, parameters=dict(SETTINGS)),
                **scope,
            )


def make_batch(
    name: str,
    *,
    median: float = 95.0,
    per_ml: float = 4.2e11,
    protein: float = 11.0,
    loads: int = 2,
    captures: int = 5,
    seed: int = 1,
    tissue: str = "umbilical cord",
) -> BatchAssessment:
    maker = Maker(name, "F1", seed=seed)
    records, refs = [], []
    for k in range(loads):
        path = f"raw/{name}_F1_load{k + 1}.csv"
        records.append(
            FileRecord(
                path=path,
                sha256=digest(path),
                size_bytes=51_200 + 17 * k,
                status="read",
                reader="nanosight_summary",
                summary=f"NanoSight (NTA 3.4 Build 3.4.003): {captures} captures",
                warnings=(
                    ReadWarning(
                        code="dilution-from-manifest",
                        message="The file records no dilution; that of study.yaml is used.",
                    ),
                )
                if k
                else (),
            )
        )
        refs.append(InputRef(path=path, sha256=digest(path)))
    shape = [(median, 0.28, per_ml * 0.82), (median * 1.75, 0.22, per_ml * 0.18)]
    pooled = maker.curve("sample", "pooled over loads", "", shape)
    all_inputs = tuple(refs)
    maker.quantities(pooled, n=loads, unit="replicate", headline=True, inputs=all_inputs)
    release(maker, pooled, all_inputs)
    purity(maker, pooled["concentration_per_ml"], protein, all_inputs)
    classes(maker, shape, all_inputs)
    for k in range(loads):
        load(maker, k, captures, shape, refs[k])
    return BatchAssessment(
        batch=name,
        key=digest(f"key of {name}"),
        description=description(name, tissue, protein),
        files=tuple(records),
        findings=tuple(maker.findings),
        distributions=tuple(maker.curves),
    )


def load(maker: Maker, k: int, captures: int, shape: Sequence[tuple[float, float, float]], ref: InputRef) -> None:
    name = f"load {k + 1}"
    wobble = maker.rng.normal(1.0, [0.01, 0.05], size=(captures + 1, 2))

    def moved(i: int) -> list[tuple[float, float, float]]:
        return [(m * wobble[i, 0], s, n * wobble[i, 1]) for m, s, n in shape]

    values = maker.curve("replicate", name, name, moved(captures))
    maker.quantities(values, n=captures, unit="capture", vendor=0.004, replicate=name, inputs=(ref,))
    for i in range(captures):
        label = f"2024-03-06 14-5{i}-12"
        values = maker.curve("capture", label, name, moved(i))
        maker.quantities(values, n=1, unit="track", vendor=-0.003 * i, replicate=name, capture=label, inputs=(ref,))
    for rule, quantity, verdict, text in (
        (
            "nanosight-particles-per-frame-20-100",
            "Particles per frame",
            Verdict.WARNING,
            "112.4 to 131.0; outside the limit (20.0 to 100 particles) in 5 of 5 captures. Dilute more.",
        ),
        (
            "nanosight-completed-tracks-1000",
            "Tracks completed",
            Verdict.MET,
            "2210 to 3104 tracks, within the limit: at least 1000 tracks.",
        ),
        (
            "any-temperature-range-0.5",
            "Temperature range",
            Verdict.MET,
            "0.1 degC, within the limit: at most 0.5 degC.",
        ),
        ("nanosight-video-25-60-s", "Video length", Verdict.NOT_MEASURED, "The file does not say: video length."),
    ):
        maker.add(
            "validity",
            rule,
            quantity,
            verdict=verdict,
            statement=text,
            replicate=name,
            inputs=(ref,),
            criterion=Criterion(text="see the statement", low=None, high=None, source=MANUAL),
            method=MethodRef(name="nta.validity", version=VERSION, parameters={"rule": rule}),
        )
    for quantity in ("mean_diameter_nm", "mode_diameter_nm"):
        maker.add(
            "vendor-agreement",
            quantity,
            f"{TITLES[quantity]}, ours and the vendor's",
            verdict=Verdict.MET,
            statement="Ours 103.1, vendor's 103.4 nm in the capture where they differ most.",
            replicate=name,
            inputs=(ref,),
            method=MethodRef(name="nta.vendor_agreement", version=VERSION, parameters={"captures": captures}),
        )


def release(maker: Maker, pooled: dict[str, float], inputs: tuple[InputRef, ...]) -> None:
    value = pooled["mode_diameter_nm"]
    estimate = Estimate(
        quantity="mode_diameter_nm",
        value=value,
        unit="nm",
        low=value - 3.1,
        high=value + 3.4,
        n=2,
        unit_of_replication="replicate",
        carries=("counting", "between-replicate"),
    )
    criterion = Criterion(
        text="60.0 to 120.0 nm", low=60.0, high=120.0, source=Citation(text="SOP-017 v3", note="set in study.yaml")
    )
    maker.add(
        "release",
        "mode",
        "Release limit: Mode diameter",
        estimate=estimate,
        criterion=criterion,
        headline=True,
        verdict=judge(estimate, criterion),
        statement=f"Mode diameter {format_estimate(estimate)}; limit: 60.0 to 120.0 nm.",
        inputs=inputs,
        method=MethodRef(name="assess.release", version=VERSION),
    )


def purity(maker: Maker, per_ml: float, protein: float, inputs: tuple[InputRef, ...]) -> None:
    value = per_ml / protein
    estimate = Estimate(
        quantity="particles_per_ug_protein",
        value=value,
        unit="/µg",
        low=value * 0.83,
        high=value * 1.2,
        n=2,
        unit_of_replication="replicate",
        carries=("counting", "between-replicate"),
    )
    criterion = Criterion(text="band 'high purity': at least 3.00 × 10¹⁰ /µg", low=3e10, high=None, source=WEBBER)
    maker.add(
        "purity",
        "particles_per_ug_protein",
        "Particles per microgram of protein",
        estimate=estimate,
        criterion=criterion,
        verdict=judge(estimate, criterion),
        headline=True,
        inputs=inputs,
        statement=f"{format_estimate(estimate)}. No single ratio proves purity (MISEV2023).",
        citations=(
            Citation(text="Welsh et al. 2024 (MISEV2023), J Extracell Vesicles 13:e12404", doi="10.1002/jev2.12404"),
        ),
        method=MethodRef(
            name="identity.particles_per_ug_protein", version=VERSION, parameters={"protein_ug_per_ml": protein}
        ),
    )


def classes(maker: Maker, shape: Sequence[tuple[float, float, float]], inputs: tuple[InputRef, ...]) -> None:
    x = np.arange(1.0, 3000.0, 1.0)
    y = sum(n * np.exp(-0.5 * (np.log(x / m) / s) ** 2) / (x * s) for m, s, n in shape) * np.ones_like(x)
    table = csv.DictReader((files("vesicula.data") / "ev_classes.csv").read_text(encoding="utf-8").splitlines())
    for row in table:
        low, high = float(row["size_min_nm"]), float(row["size_max_nm"])
        share = 100 * float(y[(x >= low) & (x <= high)].sum() / y.sum())
        source = REVIEWS[row["review"]]
        text = f"{low:g} to {high:g} nm"
        maker.add(
            "vesicle-class",
            f"{row['review']}/{row['class']}",
            f"{row['class']} ({text}; {source.text.split(',')[0]})",
            estimate=Estimate(
                quantity="class_fraction_percent",
                value=share,
                unit="%",
                low=max(0.0, share - 2.2),
                high=min(100.0, share + 2.0),
                n=2,
                unit_of_replication="replicate",
                carries=("counting",),
            ),
            criterion=Criterion(text=text, low=low, high=high, source=source),
            inputs=inputs,
            statement=f"{share:.1f} % of the particles have the size of the {row['class']}: {text}.",
            method=MethodRef(name="nta.class_fraction", version=VERSION, parameters={**SETTINGS, "low_nm": low}),
        )
    maker.add(
        "vesicle-class",
        "disagreement/apoptotic body",
        "Definitions of the apoptotic body disagree",
        verdict=Verdict.WARNING,
        statement="The same particles: 0.0 % by Review A (500 to 3000 nm); 97.1 % by Review B (50.0 to 5000 nm).",
        citations=tuple(REVIEWS.values()),
        inputs=inputs,
    )


def description(name: str, tissue: str, protein: float) -> dict[str, object]:
    return {
        "id": name,
        "name": f"UC-MSC lot {name}",
        "produced_on": "2024-03-04",
        "cell_source": {
            "tissue": tissue,
            "species": "Homo sapiens",
            "donor": "D07",
            "passage": 4,
            "oxygen_percent": 5.0,
            "medium": "serum-free DMEM/F12",
            "conditioning_h": 48.0,
        },
        "isolation": [
            {
                "method": "centrifugation",
                "relative_centrifugal_force_g": 300.0,
                "duration_min": 10.0,
                "temperature_c": 4.0,
            },
            {"method": "tangential flow filtration", "pore_size_nm": 200.0, "details": "hollow fibre, 500 kDa"},
            {"method": "size exclusion chromatography", "details": "fractions 7 to 9 pooled"},
        ],
        "storage": "-80 °C in PBS with trehalose",
        "samples": [
            {
                "id": "F1",
                "name": "Pool of fractions 7 to 9",
                "volume_ml": 1.5,
                "protein": {"method": "BCA", "concentration_ug_per_ml": protein, "sd_ug_per_ml": 0.6},
                "measurements": [{"files": [f"raw/{name}_F1_load1.csv"]}],
            }
        ],
    }


def failed_batch() -> BatchAssessment:
    """A batch of which nothing could be measured: one file unreadable, one run without a particle."""
    bad, empty = "raw/B3_F1_load1.csv", "raw/B3_F1_load2.txt"
    error = "line 87: expected a number, found 12;4. Export the file again with a decimal point."
    findings = (
        Finding(
            id=f"B3/F1/load 1/file/{bad}",
            batch="B3",
            sample="F1",
            replicate="load 1",
            topic="file",
            title=f"File {bad}",
            statement=f"Could not be read: {error}",
            verdict=Verdict.NOT_MEASURED,
            headline=True,
            inputs=(InputRef(path=bad, sha256=digest(bad)),),
        ),
        Finding(
            id="B3/F1/size/none",
            batch="B3",
            sample="F1",
            topic="size",
            title="Size distribution",
            headline=True,
            statement="No size distribution: no file of this sample could be used.",
            verdict=Verdict.NOT_MEASURED,
        ),
        Finding(
            id="B3/F1/load 2/file/empty",
            batch="B3",
            sample="F1",
            replicate="load 2",
            topic="file",
            title="Failed run",
            statement="Without a single tracked particle, and left out of every result: 488 nm, run 1.",
            verdict=Verdict.WARNING,
            headline=True,
            inputs=(InputRef(path=empty, sha256=digest(empty)),),
        ),
    )
    return BatchAssessment(
        batch="B3",
        key=digest("key of B3"),
        description=description("B3", "iPSC-derived", 9.0),
        files=(
            FileRecord(path=bad, sha256=digest(bad), size_bytes=4096, status="unreadable", error=error),
            FileRecord(
                path=empty,
                sha256=digest(empty),
                size_bytes=2048,
                status="empty",
                reader="zetaview_size",
                summary="ZetaView (8.05.14): 1 capture, 1 without a particle",
            ),
        ),
        findings=findings,
    )


def make_assessment(batches: Sequence[BatchAssessment]) -> Assessment:
    return Assessment(
        title="Umbilical cord MSC vesicles, process validation 2024",
        study={
            "title": "Umbilical cord MSC vesicles, process validation 2024",
            "description": "Three lots made by one process, measured by NTA.",
            "contact": "M. Keller",
            "institution": "Institute of Cell Therapy",
            "licence": "CC-BY-4.0",
        },
        software=f"vesicula {VERSION}",
        environment={"python": "3.11.7", "platform": "Linux x86_64", "numpy": "2.4.6", "scipy": "1.17.1"},
        parameters={"nta": dict(SETTINGS)},
        manifest_sha256=digest("manifest\n"),
        batches=batches,
    )


@pytest.fixture(scope="session")
def assessment() -> Assessment:
    """Three batches: one sound, one at the limits, one failed."""
    return make_assessment(
        (
            make_batch("B1"),
            make_batch("B2", median=112.0, per_ml=2.9e11, seed=2, loads=1, captures=3, tissue="bone marrow"),
            failed_batch(),
        )
    )


class LazyBatches(Sequence[BatchAssessment]):
    """Makes each batch when it is asked for, and counts how often."""

    def __init__(self, n: int, template: BatchAssessment) -> None:
        self.n, self.template, self.made = n, template, 0

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, index: int) -> BatchAssessment:  # type: ignore[override]
        if not 0 <= index < self.n:
            raise IndexError(index)
        self.made += 1
        name = f"L{index + 1:04d}"
        findings = tuple(
            dataclasses.replace(
                f,
                batch=name,
                id=f.id.replace("B1", name, 1),
                estimate=dataclasses.replace(f.estimate, value=f.estimate.value * (1 + 0.001 * (index % 50)))
                if f.estimate and f.estimate.low is None
                else f.estimate,
            )
            for f in self.template.findings
        )
        records = tuple(dataclasses.replace(r, path=r.path.replace("B1", name)) for r in self.template.files)
        return dataclasses.replace(self.template, batch=name, key=digest(name), findings=findings, files=records)

    def __iter__(self) -> Iterator[BatchAssessment]:
        return (self[i] for i in range(self.n))


@pytest.fixture(scope="session")
def synthetic() -> Callable[[int], Assessment]:
    """Return a maker of studies of n batches, made lazily."""
    template = make_batch("B1")
    return lambda n: make_assessment(LazyBatches(n, template))


@pytest.fixture
def study_folder(tmp_path: Path, assessment: Assessment) -> Path:
    """Return a study folder whose files have the hashes of the assessment."""
    folder = tmp_path / "study"
    (folder / "raw").mkdir(parents=True)
    (folder / "study.yaml").write_text("manifest\n", encoding="utf-8")
    for record in (r for b in assessment.batches for r in b.files):
        (folder / record.path).write_text(record.path, encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def hostile() -> Assessment:
    """Return an assessment in which every text from outside attacks the page."""
    attack = (
        "<script>window.pwned=1</script></script><img src=x onerror=window.pwned=1><a href='https://evil.example'>x</a>"
        "\" onmouseover=window.pwned=1 x=' {{7*7}} {% raw %} \u2028]]>"
    )
    good = make_batch("B1", loads=1, captures=2)
    bad_source = Citation(text=attack, doi="javascript:window.pwned=1", note=attack)
    findings = tuple(
        dataclasses.replace(
            f,
            title=f.title + attack,
            statement=attack,
            replicate=f.replicate and f.replicate + attack,
            sample="F1" + attack,
            capture=f.capture and f.capture + attack,
            citations=(bad_source,),
            inputs=(InputRef(path=attack, sha256=attack),),
            criterion=f.criterion and dataclasses.replace(f.criterion, text=attack, source=bad_source),
            method=f.method
            and dataclasses.replace(f.method, name=attack, parameters={attack: attack}, citation=bad_source),
        )
        for f in good.findings
    )
    batch = dataclasses.replace(
        good,
        batch="B1" + attack,
        description={
            "id": attack,
            "name": attack,
            "cell_source": {"tissue": attack, attack: attack},
            "isolation": [{"method": attack, "details": attack}, attack],
            "samples": [{"id": "F1" + attack, "notes": attack}],
        },
        findings=findings,
        distributions=tuple(
            dataclasses.replace(d, sample="F1" + attack, label=attack, replicate=d.replicate and attack)
            for d in good.distributions
        ),
        files=tuple(
            dataclasses.replace(
                r,
                path=attack,
                summary=attack,
                error=attack,
                warnings=(ReadWarning(code="x", message=attack, where=attack),),
            )
            for r in good.files
        ),
    )
    return dataclasses.replace(
        make_assessment((batch,)),
        title=attack,
        study={"title": attack, "description": attack, attack: attack, "licence": "javascript:window.pwned=1"},
    )
