"""Fixtures of the NanoSight tests: the real exports, and twins made from them by changing their lines."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

DATA = Path(__file__).parents[1] / "data" / "nanosight"


@pytest.fixture(scope="session")
def data():
    """The folder of NanoSight examples."""
    return DATA


@pytest.fixture(scope="session")
def beads():
    """NTA 3.2, 12 captures, as text with plain line ends."""
    return (DATA / "beads.csv").read_text(encoding="ascii")


@pytest.fixture(scope="session")
def beads2():
    """NTA 3.4, 5 captures, as text with plain line ends."""
    return (DATA / "beads2.csv").read_text(encoding="ascii")


@pytest.fixture
def write(tmp_path):
    """A function that writes bytes or text to a file and returns its path."""

    def write_file(content, name="summary.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write_file


@pytest.fixture(scope="session")
def keep_captures():
    """A function that keeps some captures of a summary, without average and standard error."""

    def keep(text, indices, title="NTA Experiment Summary File"):
        captures = sum(t.strip().startswith("Concentration (p") for t in _bin_titles(text))
        rows = []
        for cells in csv.reader(io.StringIO(text)):
            many = len([c for c in cells if c]) > 2 or cells[:1] == ["Percentile"]
            if not many or len(cells) < captures + 1:
                rows.append(["[Results]"] if cells[:1] == ["[Results]"] else cells[:2])
            else:
                rows.append([cells[0], *(cells[1 + i] for i in indices)])
        rows[0] = [title, ""]
        stream = io.StringIO()
        csv.writer(stream, lineterminator="\n").writerows(rows)
        return stream.getvalue()

    return keep


def _bin_titles(text):
    return next(line for line in text.split("\n") if line.startswith("Bin centre")).split(",")


@pytest.fixture(scope="session")
def edit():
    """A function that edits the cells of the rows whose first cell is `key`; `which` picks one of several."""

    def edit_rows(text, key, change, which=None):
        lines = text.split("\n")
        places = [i for i, line in enumerate(lines) if line.split(",", 1)[0] == key]
        assert places, key
        for i in places if which is None else [places[which]]:
            lines[i] = ",".join(change(lines[i].split(",")))
        return "\n".join(lines)

    return edit_rows
