"""The documentation is a test subject: generated pages are current, links lead somewhere, commands are named."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]


def test_command_line_page_is_current() -> None:
    result = subprocess.run(
        [sys.executable, ROOT / "docs" / "make_cli_reference.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page}: {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_no_machine_is_named(page: Path) -> None:
    folders = "|".join(("home", "root", "work", "tmp", "opt", "Users"))
    assert not re.search(rf"(?<![\w.~:/])/(?:{folders})/", page.read_text(encoding="utf-8"))


def test_every_page_is_in_the_navigation() -> None:
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    navigation = str(yaml.safe_load(text)["nav"])
    for page in (ROOT / "docs").rglob("*.md"):
        assert page.relative_to(ROOT / "docs").as_posix() in navigation, page


def test_the_lock_names_no_host() -> None:
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert "://" not in lock
    assert "--hash=sha256:" in lock


def test_the_python_how_to_runs(study_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study_folder.rename(study_folder.with_name("my_study"))
    folder = study_folder.parent
    (folder / "beads2.csv").write_bytes((folder / "my_study" / "beads2.csv").read_bytes())
    monkeypatch.chdir(folder)
    text = (ROOT / "docs" / "how-to" / "use-from-python.md").read_text(encoding="utf-8")
    namespace: dict[str, object] = {}
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(blocks) == 2
    for block in blocks:
        exec(compile(block, "use-from-python.md", "exec"), namespace)  # noqa: S102 - our own page
    assert (folder / "my_study" / "dossier" / "dossier.html").is_file()
