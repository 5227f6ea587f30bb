"""dossier.html in Chromium: as people see it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from vesicula.core.assessment import Assessment
from vesicula.dossier.writer import write

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Return a function that opens a page and notes all it says and asks for."""
    opened: list[Page] = []
    complaints: list[str] = []

    def _visit(path: Path, *, width: int = 1280, fragment: str = "", **options: object) -> Page:
        page = browser.new_page(viewport={"width": width, "height": 900}, **options)  # type: ignore[arg-type]
        opened.append(page)
        page.on("console", lambda m: complaints.append(f"console {m.type}: {m.text}"))
        page.on("pageerror", lambda e: complaints.append(f"error: {e}"))
        page.on(
            "request", lambda r: None if r.url.startswith(("file:", "data:", "blob:")) else complaints.append(r.url)
        )
        page.goto(path.as_uri() + fragment)
        return page

    yield _visit
    for page in opened:
        page.close()
    assert complaints == []


@pytest.fixture(scope="module")
def small(assessment: Assessment, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(assessment, tmp_path_factory.mktemp("small") / "d").html


@pytest.fixture(scope="module")
def large(synthetic: Callable[[int], Assessment], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(synthetic(60), tmp_path_factory.mktemp("large") / "d").html


def draw(page: Page, selector: str = "figure[data-plot]") -> None:
    page.locator(selector).first.scroll_into_view_if_needed()
    page.wait_for_selector(f"{selector}.drawn .plot .main-svg")
    page.wait_for_selector(f"{selector} .controls button:visible")


def visible(page: Page, kind: str) -> int:
    script = "k => document.querySelector('.drawn .plot').data.filter(t => t.meta === k && t.visible !== false).length"
    return int(page.evaluate(script, kind))


def test_plots_are_drawn_and_obey_their_buttons(visit: Callable[..., Page], small: Path) -> None:
    page = visit(small)
    draw(page)
    assert page.locator("figure").first.locator(".static").is_hidden()
    assert (visible(page, "pooled"), visible(page, "load"), visible(page, "capture"), visible(page, "bins")) == (
        1,
        2,
        10,
        0,
    )
    page.get_by_role("button", name="Captures").first.click()
    page.get_by_role("button", name="Bins").first.click()
    assert (visible(page, "capture"), visible(page, "bins")) == (0, 1)
    button = page.get_by_role("button", name="Logarithmic axis").first
    button.press("Enter")
    assert button.get_attribute("aria-pressed") == "true"
    assert page.evaluate("document.querySelector('.drawn .plot').layout.xaxis.type") == "log"


def test_hovering_shows_a_value(visit: Callable[..., Page], small: Path) -> None:
    page = visit(small)
    draw(page)
    box = page.locator(".drawn .plot .nsewdrag").first.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 0.29 * box["width"], box["y"] + 0.2 * box["height"], steps=5)
    page.wait_for_selector(".drawn .hoverlayer text")
    assert "nm" in (page.locator(".drawn .hoverlayer").first.text_content() or "")


@pytest.mark.parametrize("name", ["small", "large"])
@pytest.mark.parametrize("width", [390, 320, 768])
def test_no_page_is_wider_than_the_screen(
    visit: Callable[..., Page], request: pytest.FixtureRequest, name: str, width: int
) -> None:
    page = visit(request.getfixturevalue(name), width=width, fragment="#b2")
    draw(page, "#b2 figure[data-plot]")
    page.evaluate("document.querySelectorAll('details:not(.lazy)').forEach(d => { d.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_page_without_javascript_is_complete(visit: Callable[..., Page], small: Path, assessment: Assessment) -> None:
    page = visit(small, java_script_enabled=False)
    assert page.locator("figure .static svg").count() == 2
    assert page.locator("figure .static svg").first.is_visible()
    assert page.locator(".controls:visible").count() == 0
    assert page.get_by_role("heading", name="Batch B3").is_visible()
    how = page.locator("#b1f1 details.how")
    assert page.locator("#b1f1 + tr.made").is_hidden()
    how.locator("summary").click()
    made = page.locator("#b1f1 + tr.made")
    assert made.is_visible()
    finding = assessment.batches[0].findings[0]
    assert finding.inputs[0].sha256 in (made.text_content() or "")


def test_hostile_texts_do_nothing(
    visit: Callable[..., Page], hostile: Assessment, tmp_path_factory: pytest.TempPathFactory
) -> None:
    page = visit(write(hostile, tmp_path_factory.mktemp("hostile") / "d").html)
    draw(page)
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    for trace in page.locator("main a:visible").all()[:40]:
        trace.hover(force=True, timeout=2000)
    box = page.locator(".drawn .plot .nsewdrag").first.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.3 * box["height"], steps=5)
    page.wait_for_timeout(300)
    assert page.evaluate("window.pwned") is None
    assert page.locator("img").count() == 0
    assert page.locator(".plot a:not(.modebar-btn)").count() == 0, "Plotly made a link of a name"
    assert "<script>window.pwned=1</script>" in page.locator("body").inner_text()


def test_a_large_study_draws_a_batch_when_it_is_opened(visit: Callable[..., Page], large: Path) -> None:
    page = visit(large)
    assert page.locator(".drawn").count() == 0
    page.locator("#b3 > summary").click()
    draw(page, "#b3 figure[data-plot]")
    assert page.locator(".drawn").count() == 1


def test_a_link_opens_its_batch(visit: Callable[..., Page], large: Path) -> None:
    page = visit(large, fragment="#b7")
    page.wait_for_selector("#b7[open]")
    page.locator("#overview-table tbody tr").nth(8).get_by_role("link").click()
    page.wait_for_selector("#b9[open]")


def test_the_overview_sorts_and_filters(visit: Callable[..., Page], large: Path) -> None:
    page = visit(large)
    first = page.locator("#overview-table tbody tr").first
    header = page.locator("#overview-table th").first
    header.get_by_role("button").click()
    assert header.get_attribute("aria-sort") == "ascending"
    header.get_by_role("button").press("Enter")
    assert header.get_attribute("aria-sort") == "descending"
    assert (first.text_content() or "").startswith("L0060")
    page.get_by_role("searchbox").fill("l0042")
    assert page.locator("#overview-table tbody tr:visible").count() == 1
    assert page.locator(".filter [role=status]").text_content() == "1 of 60"


def test_print_shows_static_figures_on_a4(visit: Callable[..., Page], small: Path, tmp_path: Path) -> None:
    page = visit(small)
    draw(page)
    page.emulate_media(media="print")
    assert page.locator("figure .static").first.is_visible()
    assert page.locator("figure .plot").first.is_hidden()
    assert page.locator("nav").is_hidden()
    data = page.pdf(path=tmp_path / "d.pdf", prefer_css_page_size=True)
    assert b"/Type /Page\n" in data or b"/Type /Page" in data
    page.set_viewport_size({"width": 688, "height": 1000})  # A4 less the margins, at 96 dots per inch
    assert page.evaluate("document.documentElement.scrollWidth") <= 688


def test_keyboard_reaches_the_verdicts_first(visit: Callable[..., Page], small: Path) -> None:
    page = visit(small)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.getAttribute('href')") == "#main"
    page.keyboard.press("Enter")
    assert page.evaluate("location.hash") == "#main"


def test_dark_mode_has_light_ink(visit: Callable[..., Page], small: Path) -> None:
    page = visit(small, color_scheme="dark")
    draw(page)
    pooled = page.evaluate("document.querySelector('.drawn .plot').data.find(t => t.meta === 'pooled').line.color")
    assert pooled == "#e7e7e2"
