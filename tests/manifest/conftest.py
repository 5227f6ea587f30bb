"""A study folder to break, and instruments that exist in no shop."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from vesicula.core.errors import UnknownFormat, UnreadableFile, VesiculaError
from vesicula.core.measurement import Capture, SizeMeasurement, SourceFile, TableMeasurement
from vesicula.instruments.api import Reader

VALID = Path(__file__).with_name("valid.yaml").read_text(encoding="utf-8")
FILES = ("a_size.txt", "a_size_11pos.txt", "sub/b size.txt")


class Lab:
    """A study folder with a manifest to change."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.text = VALID
        for name in FILES:
            self.add(name)

    def add(self, name: str, content: str = "") -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content or f"FAKE SIZE\nSample:\t{name}\n", encoding="utf-8")
        return path

    def write(self, old: str = "", new: str = "") -> Path:
        """Write the manifest with one piece replaced, which must stand there exactly once."""
        if old:
            assert self.text.count(old) == 1, old
            self.text = self.text.replace(old, new)
        return self.write_bytes(self.text.encode())

    def write_bytes(self, data: bytes) -> Path:
        (self.folder / "study.yaml").write_bytes(data)
        return self.folder

    def line(self, piece: str) -> int:
        """Line of the manifest on which a piece stands."""
        numbers = [i for i, line in enumerate(self.text.split("\n"), 1) if piece in line]
        assert len(numbers) == 1, (piece, numbers)
        return numbers[0]


@pytest.fixture
def lab(tmp_path):
    folder = tmp_path / "study"
    folder.mkdir()
    return Lab(folder)


class FakeInstruments:
    """Knows "FAKE SIZE" and "FAKE TABLE" files; a "Dilution:" line of the former is what the file records."""

    def __init__(self):
        self.bytes_read = 0
        self.recognised = 0

    def recognise(self, path):
        self.recognised += 1
        with path.open("rb") as stream:
            head = stream.read(65536)
        self.bytes_read += len(head)
        for kind in ("size", "table"):
            if head.startswith(f"FAKE {kind.upper()}".encode()):
                return Reader(
                    name=f"fake_{kind}",
                    instrument="Fake",
                    title=f"Fake {kind}",
                    recognise=lambda _: True,
                    read=self.read,
                )
        raise UnknownFormat(
            path, where="beginning of file", expected="a fake", found="something real", remedy="Fake it."
        )

    def read(self, path, *, reader=None):
        if reader not in {None, "fake_size", "fake_table"}:
            raise VesiculaError(f"no reader is named {reader!r}; known: fake_size, fake_table")
        data = path.read_bytes()
        source = SourceFile(name=path.name, sha256=hashlib.sha256(data).hexdigest(), size_bytes=len(data))
        text = data.decode()
        if "TRUNCATED" in text:
            raise UnreadableFile(path, where="line 2", expected="a table", found="nothing", remedy="Export again.")
        if text.startswith("FAKE TABLE"):
            import polars as pl

            return TableMeasurement(
                kind="positions",
                reader="fake_table",
                instrument="Fake",
                software="",
                source=source,
                table=pl.DataFrame({"x": [1]}),
            )
        dilution = [float(line.split(":")[1]) for line in text.split("\n") if line.startswith("Dilution:")]
        capture = Capture(
            name="1",
            bin_edges_nm=np.array([0.0, 1.0]),
            concentration_per_ml=np.array([1.0]),
            concentration_basis="sample" if "APPLIED" in text else "diluted",
            dilution_factor=dilution[0] if dilution else None,
        )
        return SizeMeasurement(reader="fake_size", instrument="Fake", software="", source=source, captures=(capture,))


@pytest.fixture
def fake():
    return FakeInstruments()
