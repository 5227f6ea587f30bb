"""Protocols in YAML: the chain, its numbers, its errors; the command line; the figures."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from vesicula.cli.isolate import isolate
from vesicula.core.errors import AnalysisError, UnreadableFile, VesiculaError
from vesicula.figures.isolation import fraction_profile, isolation_chain
from vesicula.isolation.plain_yaml import parse_yaml
from vesicula.isolation.protocol import HEADINGS, ProtocolResult, number_text
from vesicula.isolation.protocol_text import METHODS, Equipment, parse_protocol
from vesicula.isolation.rotors import parse_rotors

BASE = """\
vesicula_protocol: 1
name: test
feed:
  volume_ml: 20
  particles: {exosome: 1e9, LDL: 1e12, protein: 1e15}
target: [exosome]
steps:
  - centrifuge: {rotor: Type 45 Ti, rcf_g: 10000, at: r_av, minutes: 30, keep: supernatant}
  - tff: {cutoff_kda: 300, concentrate_to_ml: 1.5, diavolumes: 4}
  - sec: {column: Sepharose CL-2B 10 mL, keep: [9, 10, 11, 12]}
"""
EXAMPLES = sorted(p.name for p in files("vesicula.data").joinpath("protocols").iterdir())


@pytest.fixture(scope="module")
def result() -> ProtocolResult:
    return parse_protocol(BASE, name="p.yaml").run()


def test_the_chain_conserves_every_class(result: ProtocolResult) -> None:
    start, end = result.reports[0].product, result.product
    gone = np.zeros(3)
    for report in result.reports[1:]:
        assert report.outcome is not None
        gone += sum(f.totals().sum(axis=(1, 2)) for f in report.outcome.fractions if f.role != "product")
    assert end.totals().sum(axis=(1, 2)) + gone == pytest.approx(start.totals().sum(axis=(1, 2)), rel=1e-9)


def test_the_numbers_of_a_report_are_those_of_its_product(result: ProtocolResult) -> None:
    last = result.reports[-1]
    counts = {n: v * last.product.volume_ml for n, v in last.product.population.by_class().items()}
    assert last.target_yield == pytest.approx(counts["exosome"] / (1e9 * 20))
    assert last.target_per_contaminant["LDL"] == pytest.approx(counts["exosome"] / counts["LDL"])
    assert last.target_share == pytest.approx(counts["exosome"] / sum(counts.values()))
    protein = sum(last.product.population.protein_ug_per_ml().values()) * last.product.volume_ml
    assert last.target_per_ug == pytest.approx(counts["exosome"] / protein)
    assert last.apob_share == pytest.approx(counts["LDL"] * 512e3 / 6.02214076e23 * 1e6 / protein)
    assert last.hours == pytest.approx(sum(r.outcome.hours for r in result.reports if r.outcome))
    assert last.max_g == pytest.approx(10_000 * 103.8 / 69.85, rel=1e-6)  # stated at r_av, met at r_max
    assert 0.1 < last.target_yield < 0.4


def test_purity_rises_and_yield_falls(result: ProtocolResult) -> None:
    yields = [r.target_yield for r in result.reports]
    assert yields == sorted(yields, reverse=True)
    assert result.reports[-1].target_share > 100 * result.reports[0].target_share


@pytest.mark.parametrize("name", EXAMPLES)
def test_packaged_protocols_run(name: str) -> None:
    text = files("vesicula.data").joinpath("protocols", name).read_text(encoding="utf-8")
    found = parse_protocol(text, name=name).run()
    assert 0.02 < found.reports[-1].target_yield < 0.8
    assert all(r.outcome is None or r.outcome.balance_error() < 1e-9 for r in found.reports)
    assert json.loads(json.dumps(found.to_json(), allow_nan=False))["name"] == found.name


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("volume_ml: 20", "volume_ml: -20", "line 4, feed.volume_ml: expected"),
        ("volume_ml: 20", "volume_ml: -20", "expected a number greater than 0 and at most 1e+07, found -20.0"),
        ("volume_ml: 20", "volume_ml: twenty", "line 4, feed.volume_ml: expected a number greater than 0"),
        ("volume_ml: 20", "volume_ml: .nan", "line 4, feed.volume_ml"),
        ("{exosome: 1e9", "{exozome: 1e9", "line 5, feed.particles.exozome: expected one of the keys"),
        ("exosome: 1e9, LDL: 1e12, protein: 1e15", "exosome: 0", "expected particles of some class, or a preset"),
        ("target: [exosome]", "target: [HDL]", "line 6, target[1]: expected one of exosome, LDL, protein"),
        ("target: [exosome]", "target: []", "line 6, target: expected at least one class"),
        ("rcf_g: 10000", "rcf_g: 200000", "8, step 1 (centrifuge): rotor Type 45 Ti: 50602 rpm is above its limit"),
        (", at: r_av", "", "rcf_g needs 'at'"),
        ("rcf_g: 10000", "rcf_g: 10000, rpm: 5000", "give either rpm, or rcf_g"),
        ("Type 45 Ti", "Type 46 Ti", "unknown rotor 'Type 46 Ti'"),
        ("keep: supernatant", "keep: both", "line 8, steps[1].centrifuge.keep: expected one of pellet, supernatant"),
        ("minutes: 30, ", "", "expected the key 'minutes'"),
        ("- tff:", "- tffx:", "line 9, steps[2].tffx: expected one of the keys"),
        ("keep: [9, 10, 11, 12]", "keep: [9.5]", "line 10, steps[3].sec.keep[1]: expected a whole number"),
        ("keep: [9, 10, 11, 12]", "keep: [99]", "line 10, step 3 (sec): fractions [99] cannot be kept"),
        ("concentrate_to_ml: 1.5", "concentrate_to_ml: 150", "step 2 (tff): 19.9 mL cannot be concentrated to 150 mL"),
        ("vesicula_protocol: 1", "vesicula_protocol: 2", "line 1, vesicula_protocol: expected a number"),
        ("name: test", "name: test\nname: again", "line 3: expected each key once"),
        ("name: test", "name: &a test", "line 2: expected plain YAML, found an anchor"),
        ("name: test", "name: [test", "expected YAML"),
        ("steps:", "steps: []\nrest:", "expected one of the keys"),
        ("minutes: 30", "minutes: 30, washes: 1e12", "steps[1].centrifuge.washes: expected a number at least 0"),
        ("minutes: 30", "minutes: 30, washes: 1.5", "washes: expected a whole number from 0 to 20, found 1.5"),
        ("keep: [9, 10, 11, 12]", "keep: [9], fractions: 12.5", "expected a whole number from 1 to 500, found 12.5"),
        ("volume_ml: 20", "volume_ml: 1e300", "line 4, feed.volume_ml: expected a number greater than 0 and at most"),
        ("exosome: 1e9", "exosome: 1e308", "line 5, feed.particles.exosome: expected a number at least 0 and at most"),
        ("exosome: 1e9", "exosome: -1", "line 5, feed.particles.exosome: expected a number at least 0"),
        ("concentrate_to_ml: 1.5", "concentrate_to_ml: 1e-300", "line 9, steps[2].tff.concentrate_to_ml: expected"),
        ("exosome: 1e9", "exosome: 1e-3", "the feed holds no target particle"),
    ],
)
def test_a_mistake_is_one_clear_error(old: str, new: str, message: str) -> None:
    assert old in BASE
    with pytest.raises(VesiculaError) as caught:
        parse_protocol(BASE.replace(old, new, 1), name="p.yaml").run()
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_product_without_target_is_refused() -> None:
    # 2e4 exosomes, of which the share that elutes before the void volume is below 1e-5.
    text = BASE.replace("keep: [9, 10, 11, 12]", "keep: [1]").replace("exosome: 1e9", "exosome: 1e3")
    with pytest.raises(AnalysisError, match=r"p\.yaml: line 10, step 3 \(sec\): no target particle is left"):
        parse_protocol(text, name="p.yaml").run()


@pytest.mark.parametrize(
    "hostile",
    [
        "[" * 100_000,
        "{a: " * 50_000,
        "a: &x [1]\nb: [*x, *x]",
        "!!python/object/apply:os.system [ls]",
        "- 1\n" * 60_000,
        "? [1, 2]\n: 3",
        "a: 1\n---\nb: 2",
        "\x00",
        "vesicula_protocol: 0x1\n",
        "steps: " + "9" * 5000,
    ],
)
def test_hostile_yaml_is_refused_at_once(hostile: str) -> None:
    with pytest.raises(UnreadableFile, match=r"x\.yaml: line \d+") as caught:
        parse_protocol(hostile, name="x.yaml")
    assert len(str(caught.value)) < 600


_NUMBERS_OF = [(m, key) for m, method in METHODS.items() for key in method.numbers]


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(_NUMBERS_OF), st.sampled_from(["1e-300", "1e-6", "0", "0.5", "3", "1e5", "1e9", "1e300", "-1"]))
def test_no_number_however_odd_gets_past_as_anything_but_an_answer_or_our_error(
    which: tuple[str, str], value: str
) -> None:
    steps = {
        "centrifuge": "rotor: MLS-50, rpm: 20000, minutes: 30, keep: pellet",
        "gradient": "rotor: MLS-50, rpm: 20000, hours: 1, keep: [1, 2], solute: sucrose, "
        "layers: [{percent: 30, volume_ml: 2}]",
        "tff": "cutoff_kda: 300, concentrate_to_ml: 0.5",
        "uf": "cutoff_kda: 100, concentrate_to_ml: 0.5",
        "filter": "pore_nm: 220",
        "sec": "column: Sepharose CL-2B 10 mL, keep: [9, 10]",
        "immunoaffinity": "marker: CD9",
        "precipitation": "percent: 10",
        "dld": "gap_nm: 300",
        "acoustic": "frequency_mhz: 20",
        "af4": "keep_from_min: 10, keep_to_min: 60",
        "dilute": "to_ml: 2",
    }
    method, key = which
    kept = [x for x in steps[method].split(", ") if not x.startswith(f"{key}:")]
    if key == "rcf_g":
        kept = [*(x for x in kept if not x.startswith("rpm")), "at: r_max"]
    text = BASE.split("steps:", maxsplit=1)[0].replace("volume_ml: 20", "volume_ml: 1") + (
        f"steps:\n  - {method}: {{{', '.join([*kept, f'{key}: {value}'])}}}\n"
    )
    try:
        found = parse_protocol(text, name="x.yaml").run()
    except VesiculaError:
        return
    last = found.reports[-1]
    assert 0 <= last.target_yield <= 1 + 1e-9
    assert np.isfinite(last.hours)


def test_capturing_twice_by_one_marker_is_refused() -> None:
    steps = "steps:\n  - immunoaffinity: {marker: CD9}\n  - immunoaffinity: {marker: CD9}\n"
    with pytest.raises(AnalysisError, match="twice by one marker"):
        parse_protocol(BASE.split("steps:", maxsplit=1)[0] + steps, name="p.yaml").run()


def test_a_rotor_of_one_s_own_is_one_entry() -> None:
    mine = parse_rotors(
        '"Mine": {kind: swing-out, r_min_mm: 60, r_max_mm: 150, bore_mm: 20, max_rpm: 30000, tube_ml: 20, tubes: 4}',
        name="mine.yaml",
    )
    text = BASE.replace("Type 45 Ti", "Mine")
    found = parse_protocol(text, name="p.yaml", equipment=Equipment(rotors=mine)).run()
    assert found.reports[1].max_g == pytest.approx(10_000 * 150 / 105, rel=1e-9)
    assert "geometry of rotor Mine: given by the user" in found.notes[0]
    with pytest.raises(UnreadableFile, match=r"mine\.yaml: line 1, M\.angle_deg|expected the key 'angle_deg'"):
        parse_rotors(
            '"M": {kind: fixed-angle, r_min_mm: 6, r_max_mm: 15, bore_mm: 2, max_rpm: 3, tube_ml: 2, tubes: 4}',
            name="mine.yaml",
        )
    with pytest.raises(UnreadableFile, match="more than r_min_mm"):
        parse_rotors(
            '"M": {kind: swing-out, r_min_mm: 60, r_max_mm: 15, bore_mm: 2, max_rpm: 3, tube_ml: 2, tubes: 4}',
            name="mine.yaml",
        )


@given(st.text(max_size=200))
def test_no_text_gets_past_the_reader_as_anything_but_its_own_error(text: str) -> None:
    try:
        parse_protocol(text, name="x.yaml")
    except VesiculaError:
        return
    raise AssertionError("a random text is no protocol")


@settings(max_examples=60)
@given(st.integers(0, len(BASE)), st.integers(0, 12), st.text(max_size=4))
def test_a_damaged_protocol_raises_only_our_errors(at: int, cut: int, put: str) -> None:
    damaged = BASE[:at] + put + BASE[at + cut :]
    try:
        parse_protocol(damaged, name="x.yaml")
    except VesiculaError:
        return


def test_the_values_of_yaml_keep_their_lines() -> None:
    root = parse_yaml("a:\n  - 1\n  - 'no'\nb: true\n", name="x")
    assert [e.line for e in root.mapping()["a"].items()] == [2, 3]
    assert root.mapping()["a"].items()[1].text() == "no"
    assert root.mapping()["b"].boolean() is True


def test_every_method_is_in_the_docs() -> None:
    page = (Path(__file__).parents[2] / "docs" / "reference" / "isolation.md").read_text(encoding="utf-8")
    for name, method in METHODS.items():
        assert f"`{name}`" in page, name
        for key in (*method.numbers, *method.other):
            assert f"`{key}`" in page, f"{name}: {key}"


def test_figures_hold_every_class(result: ProtocolResult) -> None:
    chain = isolation_chain(result)
    assert [t["name"] for t in chain.spec["data"]] == ["exosome", "LDL", "protein"]
    assert len(chain.spec["data"][0]["x"]) == 4
    assert chain.svg.startswith("<svg")
    assert chain.svg.count("<path") > 3
    sec = result.reports[-1].outcome
    assert sec is not None
    profile = fraction_profile(sec)
    assert "Kept: 9, 10, 11, 12" in profile.caption
    shares = {t["name"]: np.array(t["y"]) for t in profile.spec["data"]}
    assert int(shares["exosome"].argmax()) < int(shares["LDL"].argmax()) < int(shares["protein"].argmax())
    tff = result.reports[2].outcome
    assert tff is not None
    with pytest.raises(AnalysisError, match="no numbered fractions"):
        fraction_profile(tff)


def test_the_command_prints_and_writes(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(BASE, encoding="utf-8")
    out = {k: tmp_path / f"{k}.out" for k in ("json", "figure", "profile")}
    done = CliRunner().invoke(isolate, [str(path), *(x for k, v in out.items() for x in (f"--{k}", str(v)))])
    assert done.exit_code == 0, done.output
    assert all(heading in done.output for heading in HEADINGS)
    assert "Target particles per particle of" in done.output
    data = json.loads(out["json"].read_text(encoding="utf-8"))
    assert data["steps"][-1]["fractions"][8]["name"] == "fraction 9"
    assert out["figure"].read_text(encoding="utf-8").startswith("<svg")
    assert out["profile"].read_text(encoding="utf-8").startswith("<svg")
    shown = CliRunner().invoke(isolate, [str(path), "--json", "-"])
    assert json.loads(shown.output) == data


def test_the_command_s_examples_and_mistakes(tmp_path: Path) -> None:
    listed = CliRunner().invoke(isolate, ["--example", "list"])
    assert listed.output.split() == [name.removesuffix(".yaml") for name in EXAMPLES]
    shown = CliRunner().invoke(isolate, ["--example", "tff-sec", "--show"])
    assert parse_protocol(shown.output, name="x").name == "TFF and SEC"
    assert CliRunner().invoke(isolate, []).exit_code == 2
    assert CliRunner().invoke(isolate, ["--example", "none"]).exit_code == 2
    bad = tmp_path / "bad.yaml"
    bad.write_bytes(b"\xff\xfe\x00 not text")
    failed = CliRunner().invoke(isolate, [str(bad)])
    assert isinstance(failed.exception, UnreadableFile)
    path = tmp_path / "p.yaml"
    path.write_text(BASE.split("  - sec", maxsplit=1)[0], encoding="utf-8")
    no_profile = CliRunner().invoke(isolate, [str(path), "--profile", str(tmp_path / "x.svg")])
    assert isinstance(no_profile.exception, AnalysisError)
    nowhere = CliRunner().invoke(isolate, [str(path), "--figure", str(tmp_path / "no" / "x.svg")])
    assert "cannot be written" in str(nowhere.exception)


@pytest.mark.parametrize(
    ("value", "digits", "shown"),
    [(0.0, 3, "0"), (139_234.0, 3, "139000"), (2.5e6, 3, "2.5e+06"), (999_999.0, 3, "1e+06"), (0.00123456, 2, "0.0012"),
     (0.00033, 2, "0.00033"), (3.3e-6, 2, "3.3e-06"), (97.46, 3, "97.5")],
)  # fmt: skip
def test_numbers_are_plain_where_they_can_be(value: float, digits: int, shown: str) -> None:
    assert number_text(value, digits) == shown


def test_a_long_label_stands_in_two_rows() -> None:
    text = BASE.replace("steps:", "steps:\n  - {label: SEC CL-2B and fractions 9-12, dilute: {to_ml: 500}}", 1)
    svg = isolation_chain(parse_protocol(text, name="p.yaml").run()).svg
    assert ">SEC CL-2B and<" in svg
    assert ">fractions 9-12<" in svg
