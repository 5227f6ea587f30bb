"""Figures: the data they are given, in both drawings."""

from __future__ import annotations

import dataclasses
import json
import math
import xml.etree.ElementTree as ET
from itertools import pairwise

import pytest

from vesicula.core.assessment import Assessment
from vesicula.core.estimate import Distribution
from vesicula.figures import Figure, Span, common_scale, fraction_scale, size_distribution, strip, strip_axis
from vesicula.figures.style import colour, dash
from vesicula.figures.svg import Scale, nice_ticks, number


@pytest.fixture
def curves(assessment: Assessment) -> tuple[Distribution, ...]:
    return assessment.batches[0].distributions


@pytest.fixture
def figure(curves: tuple[Distribution, ...]) -> Figure:
    made = size_distribution(curves)
    assert made is not None
    return made


def x_of(trace: dict[str, object]) -> list[float]:
    if "x" in trace:
        return list(trace["x"])  # type: ignore[call-overload]
    return [trace["x0"] + k * trace["dx"] for k in range(len(trace["y"]))]  # type: ignore[operator, arg-type]


def test_curves_are_the_data_to_four_digits(figure: Figure, curves: tuple[Distribution, ...]) -> None:
    by_kind: dict[str, list[dict[str, object]]] = {}
    for trace in figure.spec["data"]:
        by_kind.setdefault(trace["meta"], []).append(trace)
    assert {k: len(v) for k, v in by_kind.items()} == {"pooled": 1, "load": 2, "capture": 10, "bins": 1}
    pooled = by_kind["pooled"][0]
    lookup = dict(zip(curves[0].smoothed_diameter_nm, curves[0].smoothed_per_ml_per_nm, strict=True))
    points = list(zip(x_of(pooled), pooled["y"], strict=True))  # type: ignore[call-overload]
    assert 100 < len(points) <= 240
    assert all(math.isclose(lookup[round(x, 2)], y, rel_tol=1e-3) for x, y in points)


def test_bins_are_steps_of_the_right_area(curves: tuple[Distribution, ...]) -> None:
    gapped = dataclasses.replace(
        curves[0],
        bin_low_nm=(10.0, 20.0, 40.0),
        bin_high_nm=(20.0, 30.0, 50.0),
        concentration_per_ml_per_nm=(2.0, 3.0, 1.0),
    )
    made = size_distribution([gapped])
    assert made is not None
    bins = next(t for t in made.spec["data"] if t["meta"] == "bins")
    assert bins["x"] == [10, 20, 30, 40, 50]
    assert bins["y"] == [2, 3, 0, 1, 0]
    assert sum(y * (b - a) for y, (a, b) in zip(bins["y"], pairwise(bins["x"]), strict=False)) == 60.0


def test_series_differ_by_more_than_colour() -> None:
    looks = [(colour(i), dash(i)) for i in range(36)]
    assert len(set(looks)) == 36
    assert len({dash(i) for i in range(6)}) == 6


def test_the_figure_is_plain_json_and_its_drawing_is_xml(figure: Figure) -> None:
    assert json.loads(json.dumps(figure.spec, allow_nan=False)) == figure.spec
    root = ET.fromstring(figure.svg)  # noqa: S314 - our own drawing
    assert root.attrib["role"] == "img"
    assert root.attrib["aria-label"] == figure.alt
    texts = [e.text for e in root.iter() if e.tag.endswith("text")]
    assert {"88 nm", "hydrodynamic diameter (nm)", "pooled over loads", "load 1", "load 2"} <= set(texts)
    assert "88 nm" in figure.alt


def test_jupyter_gets_both_drawings(figure: Figure) -> None:
    bundle = figure._repr_mimebundle_()
    assert bundle["application/vnd.plotly.v1+json"] is figure.spec
    assert figure.svg in bundle["text/html"]
    assert set(figure._repr_mimebundle_(include=["text/plain"])) == {"text/plain"}
    assert "text/html" not in figure._repr_mimebundle_(exclude=["text/html"])


def test_names_from_files_are_escaped(curves: tuple[Distribution, ...]) -> None:
    attack = "<script>\"&'"
    made = size_distribution([dataclasses.replace(d, sample=attack, label=attack, replicate=attack) for d in curves])
    assert made is not None
    assert "<script" not in made.svg
    ET.fromstring(made.svg)  # noqa: S314 - our own drawing


def test_a_single_load_is_the_main_curve(assessment: Assessment) -> None:
    loads = [d for d in assessment.batches[1].distributions if d.level != "sample"]
    made = size_distribution(loads)
    assert made is not None
    assert [t["meta"] for t in made.spec["data"]].count("pooled") == 1
    assert "load" not in {t["meta"] for t in made.spec["data"]}


def test_large_studies_get_the_pooled_curve_alone(curves: tuple[Distribution, ...]) -> None:
    made = size_distribution(curves, pooled_only=True, max_points=100)
    assert made is not None
    assert [t["meta"] for t in made.spec["data"]] == ["pooled"]
    assert len(made.spec["data"][0]["y"]) <= 100


def test_no_curve_no_figure(curves: tuple[Distribution, ...]) -> None:
    assert size_distribution([]) is None
    bare = dataclasses.replace(curves[0], smoothed_diameter_nm=(), smoothed_per_ml_per_nm=())
    assert size_distribution([bare]) is None


def test_the_axis_shows_nearly_all_particles(figure: Figure, curves: tuple[Distribution, ...]) -> None:
    end = figure.spec["layout"]["xaxis"]["range"][1]
    total = sum(curves[0].smoothed_per_ml_per_nm)
    shown = sum(
        y for x, y in zip(curves[0].smoothed_diameter_nm, curves[0].smoothed_per_ml_per_nm, strict=True) if x <= end
    )
    assert 0.995 <= shown / total < 1.0


@pytest.mark.parametrize(
    ("low", "high", "count"), [(0, 1, 4), (0, 5.4e9, 4), (88, 104, 3), (-3, 7, 5), (0.001, 0.0021, 4)]
)
def test_ticks_are_round_and_inside(low: float, high: float, count: int) -> None:
    ticks = nice_ticks(low, high, count)
    assert 2 <= len(ticks) <= 2 * count + 1
    assert all(low - 1e-9 * high <= t <= high * (1 + 1e-9) for t in ticks)
    step = ticks[1] - ticks[0]
    assert f"{step:.0e}"[0] in "125"


def test_scales() -> None:
    linear = Scale(low=0, high=10, start=100, end=200)
    assert [linear(v) for v in (0, 5, 10, 99, -1)] == [100, 150, 200, 200, 100]
    log = Scale(low=1, high=100, start=0, end=2, log=True)
    assert log(10) == pytest.approx(1)
    assert log(0) == 0
    assert number(-0.04) == "0"
    assert number(12.34) == "12.3"


def test_strips_share_a_scale() -> None:
    spans = [Span(value=10, low=8, high=12), Span(value=20), Span(value=15, allowed_low=5, allowed_high=25)]
    scale = common_scale(spans)
    assert scale is not None
    assert not scale.log
    assert (scale.low, scale.high) == pytest.approx((5 - 1.6, 25 + 1.6))
    wide = common_scale([Span(value=1e9), Span(value=1e11)])
    assert wide is not None
    assert wide.log
    assert common_scale([Span(value=float("nan"))]) is None
    for art in (*(strip(s, scale) for s in spans), strip_axis(scale), strip_axis(wide), strip_axis(fraction_scale())):
        assert ET.fromstring(art).attrib["aria-hidden"] == "true"  # noqa: S314 - our own drawing
    circle = ET.fromstring(strip(spans[1], scale)).find("circle")  # noqa: S314 - our own drawing
    assert circle is not None
    assert float(circle.attrib["cx"]) == pytest.approx(scale(20), abs=0.06)


def test_labels_of_an_axis_do_not_overlap() -> None:
    scale = common_scale([Span(value=2.0e10), Span(value=4.4e10)], width=120)
    assert scale is not None
    root = ET.fromstring(strip_axis(scale))  # noqa: S314 - our own drawing
    texts = [(float(e.attrib["x"]), e.text or "") for e in root.iter("text")]
    assert len(texts) >= 1
    assert all(b[0] >= a[0] + 6.0 * len(a[1]) for a, b in pairwise(texts))
