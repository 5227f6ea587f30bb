"""dossier.html as text: complete without JavaScript, nothing from outside, every text inert."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import re
from html.parser import HTMLParser
from importlib.resources import files
from itertools import pairwise
from pathlib import Path

import pytest

from vesicula.core.assessment import Assessment
from vesicula.core.estimate import Estimate
from vesicula.core.finding import Verdict
from vesicula.core.format import format_number
from vesicula.dossier.context import OUTCOMES, batch_outcome, embed_json
from vesicula.dossier.overview import lay_out, overview_rows
from vesicula.dossier.render import asset
from vesicula.dossier.wording import difference_text, doi_url, field_text, isolation_text, replication_text
from vesicula.dossier.writer import write

VOID = {"meta", "link", "br", "img", "input", "use", "path", "rect", "circle"}
OPTIONAL_END = {"td", "th", "tr", "tbody", "thead", "p", "li", "dt", "dd"}
ADDRESSES = {"href", "src", "action", "formaction", "xlink:href", "data", "poster", "srcset", "ping", "background"}


class Page(HTMLParser):
    """Collects tags, attributes and text; fails on a tag that does not close."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.scripts: list[str] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {k: v or "" for k, v in attrs}))
        if tag == "script":
            self.scripts.append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {k: v or "" for k, v in attrs}))

    def handle_endtag(self, tag: str) -> None:
        while self.open and self.open[-1] != tag and self.open[-1] in OPTIONAL_END:
            self.open.pop()
        assert self.open, f"</{tag}> closes nothing"
        assert self.open[-1] == tag, f"</{tag}> closes <{self.open[-1]}>"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script":
            self.scripts[-1] += data
        elif not self.open or self.open[-1] != "style":
            self.texts.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.texts))

    def ids(self) -> list[str]:
        return [a["id"] for _, a in self.tags if "id" in a]


@pytest.fixture(scope="module")
def page(assessment: Assessment, tmp_path_factory: pytest.TempPathFactory) -> Page:
    return Page(write(assessment, tmp_path_factory.mktemp("page") / "d").html.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def attacked(hostile: Assessment, tmp_path_factory: pytest.TempPathFactory) -> Page:
    return Page(write(hostile, tmp_path_factory.mktemp("hostile") / "d").html.read_text(encoding="utf-8"))


def test_every_number_stands_in_the_tables(page: Page, assessment: Assessment) -> None:
    for finding in (f for b in assessment.batches for f in b.findings):
        title = finding.title.split(" (")[0] if finding.topic == "vesicle-class" else finding.title
        assert title in page.text
        if finding.estimate:
            assert format_number(finding.estimate.value, finding.estimate.unit) in page.text
        if finding.vendor_value is not None and finding.estimate:
            assert format_number(finding.vendor_value, finding.estimate.unit) in page.text
        if finding.criterion:
            assert finding.criterion.text in page.text
            assert finding.criterion.source.text in page.text
        if not finding.estimate or finding.estimate.quantity not in page.text:
            assert finding.statement in page.text or finding.capture or finding.replicate


def test_every_finding_of_a_sample_tells_how_it_was_made(page: Page, assessment: Assessment) -> None:
    findings = [f for b in assessment.batches for f in b.findings if not (f.replicate and f.estimate)]
    assert len(findings) > 50
    for finding in findings:
        assert finding.id in page.text
        if finding.method:
            assert f"{finding.method.name} , version" in page.text or f"{finding.method.name}, version" in page.text
    for record in (r for b in assessment.batches for r in b.files):
        assert page.text.count(record.sha256) >= 2, "in the table of files and under a number"
    assert sum(t == "details" and a.get("class") == "how" for t, a in page.tags) >= len(findings)


def test_one_number_judged_twice_has_one_cell_with_the_verdict_that_needs_attention(assessment: Assessment) -> None:
    batch = assessment.batches[0]
    release = next(f for f in batch.findings if f.topic == "release")
    other = dataclasses.replace(release, id="x", title="Another limit", verdict=Verdict.NOT_MET)
    rows = overview_rows(dataclasses.replace(batch, findings=(*batch.findings, other)), "b1")
    assert [r.sample for r in rows] == ["F1"]
    assert list(rows[0].cells) == [
        "Mode diameter",
        "Median diameter (D50)",
        "Concentration of the sample",
        "Particles per microgram of protein",
    ]
    assert rows[0].cells["Mode diameter"].verdict == "not met"
    assert rows[0].cells["Median diameter (D50)"].verdict == "not judged"
    columns, drawn = lay_out(rows)
    assert [c.unit for c in columns] == ["nm", "nm", "/mL", "/µg"]
    assert all(c.strip.startswith("<svg") for c in drawn[0].cells.values())


@pytest.mark.parametrize(
    ("verdicts", "outcome"),
    [
        ("met met", 4),
        ("met not-judged", 4),
        ("met undecided not-measured", 1),
        ("undecided not-met", 0),
        ("met not-measured", 3),
        ("not-measured not-judged", 2),
        ("not-judged", 5),
        ("", 5),
    ],
)
def test_a_batch_stands_where_its_headlines_put_it(assessment: Assessment, verdicts: str, outcome: int) -> None:
    batch = assessment.batches[0]
    findings = tuple(
        dataclasses.replace(batch.findings[0], headline=True, verdict=Verdict(v.replace("-", " ")))
        for v in verdicts.split()
    )
    unseen = dataclasses.replace(batch.findings[0], headline=False, verdict=Verdict.NOT_MET)
    assert batch_outcome(dataclasses.replace(batch, findings=(*findings, unseen))) == OUTCOMES[outcome]


def test_verdicts_are_words_with_icons(page: Page, assessment: Assessment) -> None:
    judged = [f for b in assessment.batches for f in b.findings if f.headline and f.verdict is not Verdict.NOT_JUDGED]
    chips = [i for i, (t, a) in enumerate(page.tags) if t == "span" and a.get("class", "").startswith("verdict ")]
    assert len(chips) > len(judged)
    for i in chips:
        assert page.tags[i + 1][0] == "svg"
        assert page.tags[i + 2][0] == "use"
        assert page.tags[i + 2][1]["href"].removeprefix("#") in page.ids()
    assert "2 of 2 criteria met." in page.text
    assert "1 of 2 criteria met, 1 undecided." in page.text
    assert "2 not measured, 1 warning." in page.text
    assert page.text.index("Verdicts") < page.text.index("2 of 2 criteria met.") < page.text.index("Size distribution")


def test_the_page_asks_nothing_of_the_network(page: Page) -> None:
    for tag, attributes in page.tags:
        assert tag not in {"iframe", "object", "embed", "base", "form", "audio", "video"}
        for name in ADDRESSES & set(attributes):
            allowed = ("#", "https://doi.org/10.") if tag in {"a", "use"} else ("data:,",)
            assert attributes[name].startswith(allowed), (tag, name, attributes[name])
    assert "@import" not in asset("dossier.css")
    assert "url(" not in asset("dossier.css")


def test_only_our_scripts_may_run(page: Page) -> None:
    policy = next(a["content"] for t, a in page.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "'unsafe-inline'" not in policy.split("script-src")[1].split(";")[0]
    kinds = [a.get("type", "") for t, a in page.tags if t == "script"]
    running = [s for s, kind in zip(page.scripts, kinds, strict=True) if kind != "application/json"]
    hashes = [base64.b64encode(hashlib.sha256(s.encode()).digest()).decode() for s in running]
    assert len(hashes) == 2
    assert all(f"'sha256-{h}'" in policy for h in hashes)


def test_structure_for_screen_readers(page: Page) -> None:
    assert ("html", {"lang": "en"}) in page.tags
    assert len(page.ids()) == len(set(page.ids()))
    levels = [int(t[1]) for t, _ in page.tags if re.fullmatch(r"h[1-6]", t)]
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(b - a <= 1 for a, b in pairwise(levels)), "a heading level is skipped"
    targets = {a["href"][1:] for t, a in page.tags if t == "a" and a.get("href", "").startswith("#")}
    assert targets <= set(page.ids())
    for tag, a in page.tags:
        assert not (tag == "svg" and "aria-hidden" not in a and not a.get("aria-label")), a
    scrolling = [a for t, a in page.tags if a.get("class") == "scroll"]
    assert scrolling
    assert all(a.get("tabindex") == "0" and a.get("aria-label") for a in scrolling)


def test_hostile_texts_stay_texts(attacked: Page, page: Page) -> None:
    assert {t for t, _ in attacked.tags} <= {t for t, _ in page.tags}, "a text became a tag"
    assert not any(name.startswith("on") for _, a in attacked.tags for name in a)
    known = {name for _, a in page.tags for name in a}
    assert {name for _, a in attacked.tags for name in a} <= known, "a text became an attribute"
    for _, a in attacked.tags:
        assert not any(a[n].lower().lstrip().startswith(("javascript:", "data:text")) for n in ADDRESSES & set(a))
    assert "{{7*7}}" in attacked.text
    assert "<script>window.pwned=1</script>" in attacked.text
    assert sum(t == "script" for t, _ in attacked.tags) == 2 + sum("data-plot" in a for _, a in attacked.tags)


def test_embedded_json_cannot_leave_its_element() -> None:
    value = {"a": "</script><!--<script>& \u2028\u2029", "b": [1.5, None]}
    text = str(embed_json(value))
    assert not set(text) & set("<>&\u2028\u2029")
    assert json.loads(text) == value


@pytest.mark.parametrize(
    ("doi", "url"),
    [
        ("10.3402/jev.v2i0.19861", "https://doi.org/10.3402/jev.v2i0.19861"),
        ("10.1002/(SICI)1097-0258(19980815)17:15", "https://doi.org/10.1002/(SICI)1097-0258(19980815)17:15"),
        ("javascript:alert(1)", ""),
        ('10.1000/a" onclick="x', ""),
        ("10.1000/<b>", ""),
        ("https://evil.example", ""),
        ("", ""),
    ],
)
def test_only_a_doi_becomes_an_address(doi: str, url: str) -> None:
    assert doi_url(doi) == url


def test_the_plotting_library_is_the_one_named() -> None:
    folder = files("vesicula.dossier") / "assets"
    digest = hashlib.sha256((folder / "plotly-basic.min.js").read_bytes()).hexdigest()
    told = (folder / "THIRD_PARTY.txt").read_text(encoding="utf-8")
    assert digest in told
    assert "MIT License" in told
    assert "</script" not in asset("plotly-basic.min.js").lower()


def _themes() -> dict[str, dict[str, str]]:
    css = asset("dossier.css")
    light = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{3,6})", css.split("@media (prefers-color-scheme: dark)")[0]))
    dark = dict(
        re.findall(
            r"--([a-z-]+): (#[0-9a-f]{3,6})", css.split("@media (prefers-color-scheme: dark)")[1].split("* {")[0]
        )
    )
    return {"light": light, "dark": {**light, **dark}}


def _luminance(colour: str) -> float:
    # WCAG 2.2, definition of relative luminance, https://www.w3.org/TR/WCAG22/#dfn-relative-luminance
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_contrast_is_enough_for_small_text(theme: str) -> None:
    colours = _themes()[theme]
    pairs = [(text, ground) for text in ("ink", "soft", "link") for ground in ("paper", "panel")]
    pairs += [(k, f"{k}-bg") for k in ("met", "not-met", "undecided", "warning", "quiet")]
    for text, ground in pairs:
        a, b = sorted((_luminance(colours[text]), _luminance(colours[ground])))
        assert (b + 0.05) / (a + 0.05) >= 4.5, f"{text} on {ground} in {theme}"  # WCAG 2.2, 1.4.3 (AA)


@pytest.mark.parametrize(
    ("ours", "vendor", "unit", "expected"),
    [
        (118.4, 118.0, "nm", "+0.4 nm (+0.3 %)"),
        (118.0, 118.4, "nm", "−0.4 nm (−0.3 %)"),
        (100.0, 100.0, "nm", "0.0 nm (0.0 %)"),
        (1.01e11, 1e11, "/mL", "+1.0 %"),
        (5.0, 0.0, "nm", "+5.0 nm"),
        (float("nan"), 1.0, "nm", ""),
    ],
)
def test_differences_are_printed_with_their_sign(ours: float, vendor: float, unit: str, expected: str) -> None:
    assert difference_text(ours, vendor, unit) == expected


def test_fields_of_the_manifest_are_read_out_with_units() -> None:
    assert field_text("relative_centrifugal_force_g", 100000.0) == "100000 × g"
    assert field_text("volume_ml", 1.5) == "volume 1.5 mL"
    assert field_text("oxygen_percent", 5) == "oxygen 5 %"
    assert field_text("medium", "DMEM") == "medium DMEM"
    step = {
        "method": "ultracentrifugation",
        "relative_centrifugal_force_g": 1e5,
        "duration_min": 70,
        "temperature_c": 4,
    }
    assert isolation_text(step) == "ultracentrifugation, 100000 × g, 70 min, 4 °C"
    assert isolation_text("by hand") == "by hand"


def test_a_load_is_called_a_load() -> None:
    e = Estimate(quantity="span", value=1.0, unit="", n=3, unit_of_replication="replicate")
    assert replication_text(e) == "3 loads"
    assert replication_text(dataclasses.replace(e, n=1, unit_of_replication="capture")) == "1 capture"


def test_a_description_of_any_shape_is_shown(assessment: Assessment, tmp_path: Path) -> None:
    odd = dataclasses.replace(
        assessment.batches[0], description={"samples": "none", "isolation": "by hand", "cell_source": 7}
    )
    text = Page(
        write(dataclasses.replace(assessment, batches=(odd,)), tmp_path / "d").html.read_text(encoding="utf-8")
    ).text
    assert "Mode diameter" in text


def test_an_unknown_topic_has_a_section_of_its_own(assessment: Assessment, tmp_path: Path) -> None:
    batch = assessment.batches[0]
    new = dataclasses.replace(batch.findings[0], topic="surface-markers", id="B1/F1/surface-markers/CD63", title="CD63")
    changed = dataclasses.replace(assessment, batches=(dataclasses.replace(batch, findings=(new,)),))
    assert "Surface markers" in Page(write(changed, tmp_path / "d").html.read_text(encoding="utf-8")).text
