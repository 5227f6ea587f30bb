"""The pages of the evidence store: whole, safe, and both sides in sight."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from vesicula.cli.evidence_pages import pages as pages_command
from vesicula.core.errors import DossierError
from vesicula.dossier.evidence_pages import write_pages
from vesicula.dossier.evidence_pages.names import entities, slug
from vesicula.dossier.evidence_pages.parts import citation_html, doi_link, reference_view
from vesicula.evidence.importer import add_file
from vesicula.evidence.model import CLAIM_COLUMNS, Mention, Question, Reference
from vesicula.evidence.store import Store, open_store
from vesicula.mechanism.graph import node_id
from vesicula.mechanism.overview_model import Overview, Statement

if TYPE_CHECKING:
    from playwright.sync_api import Browser

HOSTILE = "</style><script>window.hacked=1</script><img src=x onerror=window.hacked=1>"
NAMES = ("a/b\\c: lab's \"condition\"", "Lab Disease", "lab-disease", "疾患", "../../etc/passwd", HOSTILE, "con",
         "x" * 3000)  # fmt: skip


class _Page(HTMLParser):
    """A page's ids, links, tags and words."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.tags: list[str] = []
        self.sources: list[str] = []
        self.words: list[str] = []
        self._quiet = 0
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self._quiet += tag in {"script", "style"}
        for name, value in attrs:
            assert not name.startswith("on"), (tag, name)
            if name == "id":
                self.ids.append(value or "")
            elif name == "href" and tag == "a":
                self.links.append(value or "")
            elif name in {"src", "srcset", "action"} or (name == "href" and tag not in {"a", "use"}):
                self.sources.append(value or "")

    def handle_endtag(self, tag: str) -> None:
        self._quiet -= tag in {"script", "style"}

    def handle_data(self, data: str) -> None:
        if not self._quiet:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.words).split())


def _read(path: Path) -> _Page:
    return _Page(path.read_text(encoding="utf-8"))


def _one(site: Path, pattern: str) -> Path:
    found = [p for p in site.glob(pattern) if re.fullmatch(r".*-[0-9a-f]{10}\.html", p.name)]
    assert len(found) == 1, found
    return found[0]


def _page(site: Path, folder: str, stem: str) -> str:
    return (_one(site, f"{folder}/{stem}-??????????.html")).read_text(encoding="utf-8")


def _column(html: str, side: str) -> str:
    """The text of one column of the two sides."""
    after = html.split(f'<div class="side {side}">', 1)[1]
    end = '<div class="side inhibiting">' if side == "promoting" else "</section>"
    return _Page(after.split(end, 1)[0]).text


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with open_store(tmp_path_factory.mktemp("store") / "evidence.sqlite") as opened:
        yield opened


@pytest.fixture(scope="module")
def site(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pages of the packaged store."""
    return write_pages(store, tmp_path_factory.mktemp("site") / "pages").folder


def _fake(store: Store, subject: str, name: str, *, as_of: Any = None, graph: Any = None) -> Overview:
    """An overview without anything but its claims: for tests of writing."""
    question = Question(text="lab") if subject == "molecule" else Question(**{subject: name})
    claims = store.query(question, as_of=as_of).claims
    said = Statement(topic="verdict", text=f"{name}: {len(claims)} claims.", records=())
    return Overview(subject=subject, name=name, version=graph.version, statements=(said,), claims=claims, tallies=(),
                    paths=(), balance=None, trials=(), doses=(), doubts=(), unmatched=())  # fmt: skip


def _empty(store: Store, subject: str, name: str, *, as_of: Any = None, graph: Any = None) -> Overview:
    """An overview of nothing: for tests of the folder."""
    return Overview(subject=subject, name=name, version=graph.version, statements=(), claims=(), tallies=(), paths=(),
                    balance=None, trials=(), doses=(), doubts=(), unmatched=())  # fmt: skip


def test_every_name_of_the_claims_has_a_page_and_the_index_leads_to_all(store: Store, site: Path) -> None:
    claims = store.query(Question()).claims
    roles = {"condition": "condition", "cell_source": "cell_source", "tumour": "tumour"}
    roles |= dict.fromkeys(("cargo", "target", "pathway"), "molecule")
    named = {(roles[m.role], node_id(roles[m.role], m)) for c in claims for m in c.mentions if m.role in roles}
    things = entities(claims)
    assert {(e.subject, e.key) for e in things} == named
    written = {
        p.relative_to(site).as_posix()
        for folder in ("conditions", "sources", "molecules", "tumours")
        for p in (site / folder).iterdir()
    }
    assert written == {e.path for e in things}
    assert written <= set(_read(site / "index.html").links)
    of_kidney = next(e for e in things if e.subject == "condition" and "acute kidney injury" in e.names)
    assert "acute renal injury" in of_kidney.names  # one identifier, one page


def test_every_link_leads_somewhere_and_nothing_is_loaded(site: Path) -> None:
    seen = {p.resolve(): _read(p) for p in site.rglob("*.html")}
    assert len(seen) > 200
    outside = re.compile(r"https://(doi\.org/10\.|pubmed\.ncbi\.nlm\.nih\.gov/\d+/|clinicaltrials\.gov/study/NCT\d{8}$)")
    checked = 0
    for path, page in seen.items():
        assert len(page.ids) == len(set(page.ids)), path
        assert set(page.sources) <= {"data:,"}, path
        for link in page.links:
            if outside.match(link):
                continue
            file, _, fragment = link.partition("#")
            target = (path.parent / file).resolve() if file else path
            assert target in seen, (path, link)
            assert not fragment or fragment in seen[target].ids, (path, link)
            checked += 1
    assert checked > 5000


def test_each_claim_shows_its_references_study_type_and_doubts_wherever_it_stands(store: Store, site: Path) -> None:
    claims = {c.record_id: c for c in store.query(Question()).claims}
    stands: dict[str, int] = dict.fromkeys(claims, 0)
    for path in site.rglob("*.html"):
        for block in path.read_text(encoding="utf-8").split('<article class="claim" id="claim-')[1:]:
            record = block.split('"', 1)[0]
            text = _Page(block.split("</article>", 1)[0].split(">", 1)[1]).text
            claim = claims[record]
            stands[record] += 1
            assert (claim.study_type or "study type not reported") in text
            for reference in claim.references:
                assert f"[{reference.source} {reference.number}]" in text, (path, record)
            for doubt in claim.doubts:
                assert " ".join(doubt.text.split()) in text, (path, record)
    assert min(stands.values()) >= 2  # in its table and on its condition's page


@pytest.mark.parametrize(("tumour", "side"), [("breast cancer", "promoting"), ("gastric cancer", "promoting"),
                                              ("acute myeloid leukaemia", "inhibiting")])  # fmt: skip
def test_mir_222_stands_on_both_sides(site: Path, tumour: str, side: str) -> None:
    html = _page(site, "molecules", "mir-222")
    assert f"miR-222 in {tumour}" in _column(html, side)
    text = _Page(html).text
    assert "They conflict from one tumour to another" in text
    assert "carried: its inhibitor; points to: promoting" in text


def test_mir_21_shows_the_doubted_kidney_row_and_the_other_three(site: Path) -> None:
    html = _page(site, "molecules", "mir-21")
    text = _Page(html).text
    for condition in ("breast cancer", "Sjogren's syndrome", "lung ischaemia-reperfusion injury",
                      "renal ischaemia-reperfusion injury"):  # fmt: skip
        assert condition in text
    kidney = _Page(html.split('id="claim-B-T1-20"', 1)[1].split("</article>", 1)[0]).text
    assert "Doubt (cargo)" in kidney
    assert "named in a note or doubt only" in kidney


def test_glioblastoma_shows_at_msc_against_uc_msc_and_says_that_they_conflict(site: Path) -> None:
    html = _page(site, "tumours", "glioblastoma")
    promoting, inhibiting = _column(html, "promoting"), _column(html, "inhibiting")
    assert "AT-MSC" in promoting
    assert "UC-MSC" not in promoting.split("Doubt")[0]
    assert "UC-MSC" in inhibiting
    assert "Del Fattore" in promoting
    assert "Del Fattore" in inhibiting
    assert "They conflict from one cell source to another" in _Page(html).text


def test_trials_of_all_sources_stand_on_one_page_with_doses_and_doubts(store: Store, site: Path) -> None:
    page = _read(site / "trials.html")
    trials = store.trials()
    assert {t.source for t in trials} == {"review-a", "review-b", "ev-atlas"}
    for trial in trials:
        assert trial.nct_id in page.ids
        assert " ".join(trial.dose.split()) in page.text
        for doubt in trial.doubts:
            assert " ".join(doubt.text.split()) in page.text
    assert sum(len(t.doubts) for t in trials) >= 5
    assert "10, highest 50 µg/mL GD-iEXo-001; number of doses 28; days between doses 0.5" in page.text


def test_every_doubt_is_on_its_page_and_each_table_is_given_back(store: Store, site: Path) -> None:
    text = _read(site / "doubts.html").text
    for doubt in store.doubts():
        assert " ".join(doubt.text.split()) in text
        assert doubt.row in text
    for entry in store.tables():
        view = store.table(entry.table)
        html = _one(site, f"tables/{slug(entry.table, entry.table)}.html").read_text(encoding="utf-8")
        count = html.count('<article class="claim"') + html.count('<tr id="')
        assert count == view.row_count, entry.table
    names = _read(site / "names.html").text
    for mention in store.unidentified():
        assert " ".join(mention.text.split()) in names
        assert " ".join(mention.note.split()) in names


def test_the_same_version_gives_the_same_bytes(store: Store, site: Path, tmp_path: Path) -> None:
    made = [site, write_pages(store, tmp_path / "again").folder]
    first, second = ({p.relative_to(f): p.read_bytes() for p in f.rglob("*") if p.is_file()} for f in made)
    assert first == second


def _hostile_csv(path: Path) -> Path:
    rows = []
    for number, name in enumerate(NAMES):
        row = dict.fromkeys(CLAIM_COLUMNS, "")
        row |= {
            "record_id": f"LAB-{number}", "review": "lab", "location": "here", "condition": name.replace(";", ","),
            "condition_class": "kidney", "cell_source": "BM-MSC", "product": "EV", "cargo": name.replace(";", ","),
            "isolation_method": "ultracentrifugation", "study_type": "in vitro", "effect": f"lab {HOSTILE}",
            "effect_class": "beneficial", "notes": HOSTILE, "reference_numbers": "doi:10.1000/lab",
        }  # fmt: skip
        rows.append(row)
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, CLAIM_COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    return path


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hostile")
    with open_store(folder / "evidence.sqlite") as opened:
        add_file(opened, _hostile_csv(folder / "lab.csv"), author="tester")
        return write_pages(opened, folder / "pages", gather=_fake).folder


def test_a_labs_hostile_text_stays_text(hostile: Path) -> None:
    files = list(hostile.rglob("*.html"))
    assert any(HOSTILE in _read(p).text for p in files)
    for path in files:
        text = path.read_text(encoding="utf-8")
        assert "<script>window.hacked" not in text
        page = _Page(text)  # refuses handlers
        assert page.tags.count("script") <= 1
        assert page.tags.count("style") == 1
        assert "img" not in page.tags


def test_file_names_are_safe_unique_and_do_not_depend_on_what_else_is_there(hostile: Path, site: Path) -> None:
    paths = [p.relative_to(hostile).as_posix() for p in hostile.rglob("*.html")]
    assert all(re.fullmatch(r"(?:[a-z]+/)?[a-z0-9-]{1,70}\.html", p) for p in paths)
    assert len({p.casefold() for p in paths}) == len(paths)
    before = {p.name for p in (site / "conditions").iterdir()}
    after = {p.name for p in (hostile / "conditions").iterdir()}
    assert before <= after
    # "Lab Disease" and "lab-disease" are two texts, and two pages with the same letters.
    assert len(list((hostile / "conditions").glob("lab-disease-*.html"))) == 2
    assert slug("疾患", "疾患") != slug("病気", "病気")
    assert not list(hostile.parent.glob("etc*"))


def test_all_or_nothing(store: Store, tmp_path: Path) -> None:
    calls = []

    def fail(*args: Any, **kwargs: Any) -> Overview:
        calls.append(args)
        if len(calls) == 3:
            raise RuntimeError("in the middle")
        return _empty(*args, **kwargs)

    with pytest.raises(RuntimeError, match="in the middle"):
        write_pages(store, tmp_path / "pages", gather=fail)
    assert list(tmp_path.iterdir()) == []


def test_only_older_pages_are_replaced(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "pages"
    write_pages(store, folder, gather=_empty)
    with pytest.raises(DossierError, match="stand there already"):
        write_pages(store, folder, gather=_empty)
    write_pages(store, folder, gather=_empty, overwrite=True)
    (folder / "mine.txt").write_text("mine")
    with pytest.raises(DossierError, match="files of others"):
        write_pages(store, folder, gather=_empty, overwrite=True)
    (folder / "mine.txt").unlink()
    crate = folder / "ro-crate-metadata.json"
    crate.write_text(crate.read_text(encoding="utf-8").replace("#evidence-pages", "#other"), encoding="utf-8")
    with pytest.raises(DossierError, match="no evidence pages"):
        write_pages(store, folder, gather=_empty, overwrite=True)


def test_a_past_version_is_written_as_it_was(hostile: Path, tmp_path: Path) -> None:
    with open_store(hostile.parent / "evidence.sqlite") as opened:
        first = opened.versions()[0].version
        made = write_pages(opened, tmp_path / "pages", as_of=first, gather=_fake)
    assert made.version == first
    texts = [p.read_text(encoding="utf-8") for p in made.folder.rglob("*.html")]
    assert not any("LAB-0" in t or "Lab Disease" in t for t in texts)
    assert all(first in t for t in texts)


def test_links_are_made_of_true_identifiers_only() -> None:
    def reference(**more: str) -> Reference:
        return Reference(source="lab", number="1", first_author="X", year="2020", citation="A *b* <i>",
                         number_inferred=False, **more)  # fmt: skip

    assert reference_view(reference(doi="javascript:alert(1)", pmid="1' onclick=")).links == ()
    assert doi_link("10.1000/a b") == ()
    assert doi_link('10.1000/a"><script>')[0][1] == "https://doi.org/10.1000/a%22%3E%3Cscript%3E"
    links = reference_view(reference(doi="10.1097/JCMA.0000000000000899", pmid="36989487")).links
    assert [href for _, href in links] == [
        "https://doi.org/10.1097/JCMA.0000000000000899",
        "https://pubmed.ncbi.nlm.nih.gov/36989487/",
    ]
    assert citation_html("A *b* <i>") == "A <em>b</em> &lt;i&gt;"


def test_names_with_one_identifier_share_a_page_and_wider_ones_do_not() -> None:
    exact = Mention(role="condition", position=0, text="AKI", status="synonym", identifiers=("DOID:3021",))
    wider = Mention(role="condition", position=0, text="AKI of rats", status="broader", identifiers=("DOID:3021",))
    assert node_id("condition", exact) != node_id("condition", wider)


def test_the_command_writes_and_says_what(tmp_path: Path) -> None:
    store = str(tmp_path / "evidence.sqlite")
    done = CliRunner().invoke(pages_command, [str(tmp_path / "pages"), "--store", store, "--as-of", "1"])
    assert done.exit_code == 0, done.output
    assert re.search(r"\d+ pages, [\d.]+ MB, in [\d.]+ s\. Store version 1-", done.output)
    assert (tmp_path / "pages" / "index.html").is_file()


@pytest.mark.browser
@pytest.mark.slow
def test_in_a_browser(browser: Browser, site: Path, hostile: Path) -> None:
    complaints: list[str] = []
    page = browser.new_page(viewport={"width": 390, "height": 800})
    page.on("console", lambda m: complaints.append(m.text))
    page.on("pageerror", lambda e: complaints.append(str(e)))
    page.on("request", lambda r: None if r.url.startswith(("file:", "data:")) else complaints.append(r.url))
    seen = [site / "index.html", site / "trials.html", site / "names.html", site / "doubts.html",
            _one(site, "tumours/glioblastoma-??????????.html"), _one(site, "molecules/mir-222-??????????.html"),
            _one(site, "conditions/acute-kidney-injury-??????????.html"),
            *hostile.rglob("conditions/lab-*.html"), *hostile.rglob("conditions/x*.html")]  # fmt: skip
    for path in seen:
        page.goto(path.as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") == 390, path
        assert page.evaluate("window.hacked") is None
    page.goto(_one(site, "tumours/glioblastoma-??????????.html").as_uri())
    left, right = page.locator(".side.promoting"), page.locator(".side.inhibiting")
    assert right.bounding_box()["y"] > left.bounding_box()["y"]  # type: ignore[index]
    page.set_viewport_size({"width": 1280, "height": 800})
    assert right.bounding_box()["y"] == left.bounding_box()["y"]  # type: ignore[index]
    page.goto((site / "index.html").as_uri())
    page.fill("#search", "DOID:3068")
    shown = page.locator("li[data-search]:visible")
    assert {t.split()[0] for t in shown.all_inner_texts()} == {"glioblastoma"}
    page.close()
    assert complaints == []
