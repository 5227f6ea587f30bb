"""Many draws: the same answer as one run at the defaults, priors that stay in range, seeds that repeat."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from vesicula.cli.isolate import isolate
from vesicula.core.errors import AnalysisError, UnreadableFile
from vesicula.core.population import mixed_population
from vesicula.figures.isolation_page import isolation_page
from vesicula.isolation.balance import Fraction
from vesicula.isolation.ensemble import USED_BY, Ensemble, ensemble, lamm_table
from vesicula.isolation.priors import method_priors, parse_priors
from vesicula.isolation.protocol_text import METHODS, Protocol, parse_protocol

FEED = """\
vesicula_protocol: 1
feed: {volume_ml: %s, preset: conditioned medium with 10 %% FBS}
target: [exosome]
steps:
"""


def _protocol(*steps: str, volume: float = 10) -> Protocol:
    return parse_protocol(FEED % volume + "".join(f"  - {s}\n" for s in steps), name="p.yaml")


def _packaged(name: str) -> Protocol:
    text = files("vesicula.data").joinpath("protocols", f"{name}.yaml").read_text(encoding="utf-8")
    return parse_protocol(text, name=name)


STEPS = {
    "fixed angle": (
        "centrifuge: {rotor: Type 70 Ti, rcf_g: 100000, at: r_max, minutes: 70, keep: pellet, washes: 2}",
        3e-3,
    ),
    "swing-out": ("centrifuge: {rotor: SW 32 Ti, rcf_g: 10000, at: r_av, minutes: 30, keep: supernatant}", 3e-3),
    "swing-out pellet": ("centrifuge: {rotor: SW 32 Ti, rcf_g: 100000, at: r_av, minutes: 90, keep: pellet}", 5e-3),
    "tff": ("tff: {cutoff_kda: 300, concentrate_to_ml: 2, diavolumes: 5}", 1e-9),
    "uf": ("uf: {cutoff_kda: 100, concentrate_to_ml: 0.5}", 1e-9),
    "filter": ("filter: {pore_nm: 220}", 1e-9),
    "sec": ("sec: {column: Sepharose CL-2B 10 mL, keep: [8, 9, 12]}", 1e-6),
    "precipitation": ("precipitation: {percent: 8, resuspend_ml: 1}", 1e-9),
    "immunoaffinity": ("immunoaffinity: {marker: CD9}", 1e-9),
    "few beads": ("immunoaffinity: {marker: CD9, beads_per_ml: 3e4, hours: 5000, at_least: 1}", 1e-9),
    "dilute": ("dilute: {to_ml: 30}", 1e-12),
    "af4": ("af4: {keep_from_min: 10, keep_to_min: 60}", 1e-6),
    "dld": ("dld: {gap_nm: 300}", 1e-6),
    "acoustic": ("acoustic: {residence_s: 5}", 2e-3),
}


@pytest.mark.parametrize("name", STEPS)
def test_at_the_defaults_it_is_the_plain_run(name: str) -> None:
    text, tolerance = STEPS[name]
    protocol = _protocol(text)
    one, plain = ensemble(protocol, draws=1, fixed=["*"]), protocol.run()
    for k, report in enumerate(plain.reports):
        shares = one.particles[0, k] / one.particles[0, 0]
        expected = np.array([report.yield_by_class[c] for c in one.classes])
        assert shares == pytest.approx(expected, rel=tolerance, abs=1e-9), name
        assert one.volume_ml[0, k] == pytest.approx(report.product.volume_ml)
        assert one.protein_ug[0, k] == pytest.approx(report.protein_ug, rel=max(tolerance, 1e-5))
        assert one.measures()["apob_share"][0, k] == pytest.approx(report.apob_share, rel=max(2 * tolerance, 1e-5))


def test_a_whole_chain_at_the_defaults() -> None:
    protocol = _packaged("tff-sec")
    one, last = ensemble(protocol, draws=1, fixed=["*"]), protocol.run().reports[-1]
    found = {k: v[0, -1] for k, v in one.measures().items()}
    assert found["target_yield"] == pytest.approx(last.target_yield, rel=1e-4)
    assert found["particles_per_ug"] == pytest.approx(last.particles_per_ug, rel=1e-3)
    assert found["target per LDL"] == pytest.approx(last.target_per_contaminant["LDL"], rel=1e-3)


GRADIENTS = {
    "sucrose, 6 h": ("hours: 6, solute: sucrose", "[4, 5, 6, 7]"),
    "sucrose, its edge": ("hours: 6, solute: sucrose", "[2, 3]"),
    "iodixanol at rest, a border through the band": ("hours: 16, solute: iodixanol", "[2, 3]"),
    "iodixanol on its way, with the pellet": ("hours: 1, solute: iodixanol", "[3, 4, pellet]"),
}


@pytest.mark.parametrize("name", GRADIENTS)
def test_a_gradient_at_the_defaults_is_the_plain_run(name: str) -> None:
    text = "vesicula_protocol: 1\nfeed: {volume_ml: 1, particles: {exosome: 1e9, microvesicle: 1e8}}\n"
    run, keep = GRADIENTS[name]
    layers = "layers: [{percent: 20, volume_ml: 5}, {percent: 50, volume_ml: 5}]"
    step = f"gradient: {{rotor: SW 41 Ti, rcf_g: 100000, at: r_av, {run}, {layers}, keep: {keep}}}"
    protocol = parse_protocol(f"{text}target: [exosome]\nsteps:\n  - {step}\n", name="p.yaml")
    one, plain = ensemble(protocol, draws=1, fixed=["*"]), protocol.run().reports[-1]
    # Where little is kept, both runs' own steps in density show: 0.02 % of the feed. The docs name both bounds.
    assert one.measures()["target_yield"][0, -1] == pytest.approx(plain.target_yield, rel=5e-3, abs=2e-4)
    shares = one.particles[0, -1] / one.particles[0, 0]
    assert shares == pytest.approx(np.array([plain.yield_by_class[c] for c in one.classes]), abs=1e-3)
    assert one.volume_ml[0, -1] == pytest.approx(plain.product.volume_ml)
    assert "the step's own settings are not drawn" in one.notes[0]


def test_a_draw_moves_the_band_as_a_changed_class_does() -> None:
    # One draw of the vesicles' densities, against a plain run of classes that have these densities.
    text = "vesicula_protocol: 1\nfeed: {volume_ml: 1, particles: {protein aggregate: 1e9}}\n"
    layers = "layers: [{percent: 20, volume_ml: 5}, {percent: 50, volume_ml: 5}]"
    run = "rotor: SW 41 Ti, rcf_g: 100000, at: r_av, hours: 16, solute: iodixanol"
    step = f"gradient: {{{run}, {layers}, keep: [4, 5]}}"
    protocol = parse_protocol(f"{text}target: [protein aggregate]\nsteps:\n  - {step}\n", name="p.yaml")
    drawn = ensemble(protocol, draws=3, seed=5, fixed=["protein aggregate.median_nm"])
    where = {p.name.split(".")[-1]: k for k, p in enumerate(drawn.priors)}
    keys = ("shell_density_g_per_ml", "core_density_g_per_ml")
    for row, found in zip(drawn.parameters, drawn.measures()["target_yield"][:, -1], strict=True):
        changed = replace(protocol.feed.population.classes[0], **{k: float(row[where[k]]) for k in keys})
        feed = Fraction(name="feed", volume_ml=1.0, population=mixed_population({changed: 1e9}))
        kept = protocol.steps[0].act(feed, protocol.medium).product.totals().sum() / 1e9
        assert found == pytest.approx(kept, abs=2e-3)


@pytest.fixture(scope="module")
def drawn() -> Ensemble:
    return ensemble(_packaged("peg"), draws=400, seed=3)


def test_draws_stay_within_their_priors_and_centre_on_them(drawn: Ensemble) -> None:
    for k, prior in enumerate(drawn.priors):
        x = drawn.parameters[:, k]
        assert prior.low <= x.min() <= x.max() <= prior.high, prior.name
        assert abs((x < prior.quantile(np.array([0.5]))[0]).mean() - 0.5) < 0.1, prior.name


def test_a_triangle_s_quantiles_are_its_own() -> None:
    p = method_priors()["pellet_loss"]
    assert p.quantile(np.array([0.0, 1.0])) == pytest.approx([0.1, 0.4])
    at_mode = (0.2 - 0.1) / (0.4 - 0.1)
    assert p.quantile(np.array([at_mode]))[0] == pytest.approx(0.2)


def test_the_same_seed_gives_the_same_draws_whatever_the_threads(drawn: Ensemble) -> None:
    again = ensemble(_packaged("peg"), draws=400, seed=3, threads=1)
    assert np.array_equal(again.particles, drawn.particles)
    assert not np.array_equal(ensemble(_packaged("peg"), draws=400, seed=4).particles, drawn.particles)


def test_no_step_makes_particles(drawn: Ensemble) -> None:
    assert np.all(np.diff(drawn.particles, axis=1) <= 1e-9 * drawn.particles[:, :-1])
    low, mid, high = drawn.interval("target_yield")
    assert np.all((low <= mid) & (mid <= high))
    assert high[-1] - low[-1] > 0.1


def test_what_the_protocol_states_is_not_drawn() -> None:
    spin = "centrifuge: {rotor: MLS-50, rcf_g: 100000, at: r_max, minutes: 600, keep: pellet%s}"
    free = ensemble(_protocol(spin % ""), draws=200)
    held = ensemble(_protocol(spin % ", pellet_loss: 0.3, residual: 0.01"), draws=200)
    assert np.ptp(free.measures()["target_yield"][:, -1]) > 5 * np.ptp(held.measures()["target_yield"][:, -1])
    assert held.measures()["target_yield"][:, -1] == pytest.approx(0.7, abs=0.02)


def test_the_loss_of_the_pellet_matters_most_where_nothing_else_is_lost() -> None:
    spin = "centrifuge: {rotor: MLS-50, rcf_g: 100000, at: r_max, minutes: 600, keep: pellet}"
    assert ensemble(_protocol(spin), draws=200).matters()[0][0] == "pellet_loss"


def test_every_method_and_every_prior_is_used() -> None:
    assert set(USED_BY) == set(METHODS)
    named = {n for names in USED_BY.values() for n in names}
    assert named | {n for n in method_priors() if n.startswith("feed_")} == set(method_priors())


def test_the_table_at_rest_is_the_layer() -> None:
    table = lamm_table(1.0)
    assert -np.expm1(-np.exp(table[:, 0, 0])) == pytest.approx(np.full(2, 0.01), rel=0.01)


def test_bad_asks() -> None:
    protocol = _protocol("dilute: {to_ml: 30}")
    with pytest.raises(AnalysisError, match="1 to 200000 draws"):
        ensemble(protocol, draws=0)
    with pytest.raises(AnalysisError, match="no prior 'luck' here"):
        ensemble(protocol, fixed=["luck"])
    with pytest.raises(AnalysisError, match="no measure 'beauty'"):
        ensemble(protocol, draws=2).interval("beauty")
    text = files("vesicula.data").joinpath("isolation_priors.tsv").read_text(encoding="utf-8")
    with pytest.raises(UnreadableFile, match=r"line 2: expected low <= value <= high"):
        parse_priors(text.replace("\t0.2\t0.1\t0.4", "\t0.5\t0.1\t0.4", 1))


def test_the_command_shows_intervals_and_writes_a_page(tmp_path: Path) -> None:
    out = {k: tmp_path / k for k in ("json", "html")}
    args = ["--example", "tff-sec", "--draws", "40", "--json", str(out["json"]), "--html", str(out["html"])]
    done = CliRunner().invoke(isolate, args)
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines()[0].startswith("9.66 % (90 % interval")
    data = json.loads(out["json"].read_text(encoding="utf-8"))["ensemble"]
    assert data["draws"] == 40
    assert len(data["intervals"]["target_yield"][0]) == 6
    page = out["html"].read_text(encoding="utf-8")
    assert page.count("<svg") == 2
    assert page.index('class="verdict"') < page.index("<table>")
    assert "src=" not in page
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "")


def test_the_page_escapes_what_comes_from_a_file() -> None:
    protocol = _protocol('{label: "<script>x</script>", dilute: {to_ml: 30}}')
    page = isolation_page(protocol.run())
    assert "<script" not in page
    assert "&lt;script&gt;" in page


def test_a_file_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "big.yaml"
    path.write_text("#" * 1_100_000, encoding="utf-8")
    failed = CliRunner().invoke(isolate, [str(path)])
    assert isinstance(failed.exception, UnreadableFile)
    assert "at most 1000000 bytes" in str(failed.exception)
