"""The gauntlet: what every registered reader must do with every example, and with every way of spoiling it.

Examples are all files under ``tests/data`` (but licences and provenance), and the real exports without a licence
where they lie beside the repository. A reader without an example fails; so does an example that nobody reads.
"""

from __future__ import annotations

import codecs
import json
import random
import re
import warnings
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vesicula.core.errors import UnknownFormat, UnreadableFile
from vesicula.core.measurement import SizeMeasurement, TableMeasurement
from vesicula.instruments import registry

DATA = Path(__file__).parents[1] / "data"
SHARED = Path(__file__).parents[2] / ".." / "shared" / "data" / "particles"
NOT_EXAMPLES = {"PROVENANCE.tsv"}
READERS = tuple(sorted(registry.readers()))

PROFILE = settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@cache
def examples() -> dict[Path, str]:
    """Return the reader of each example, by path. Videos are no exports: tests/nta_video reads and spoils them."""
    folders = [f for f in sorted(DATA.iterdir()) if f.is_dir() and f.name != "nta_video"]
    files = [p for f in folders for p in sorted(f.rglob("*")) if p.is_file()]
    files = [p for p in files if not p.name.startswith("LICENSE")]
    return {p: registry.recognise(p).name for p in files}


def of_reader(name: str) -> list[Path]:
    return [p for p, reader in examples().items() if reader == name]


EXAMPLES = [pytest.param(p, id=str(p.relative_to(DATA))) for p in examples()]
ONE_EACH = [pytest.param(name, id=name) for name in READERS]


@cache
def original(path: Path):
    return registry.read(path)


def smallest(name: str) -> Path:
    """Return the example with which a reader is spoiled most quickly."""
    return min(of_reader(name), key=lambda p: p.stat().st_size)


def test_every_example_has_a_provenance():
    rows = (DATA / "PROVENANCE.tsv").read_text(encoding="utf-8").splitlines()
    assert rows[0].split("\t") == ["file", "source_repository", "source_commit", "source_path", "licence", "what"]
    listed = {r.split("\t")[0] for r in rows[1:]}
    present = {str(p.relative_to(DATA).as_posix()) for p in DATA.rglob("*") if p.is_file()} - NOT_EXAMPLES
    assert listed == present
    assert all(len(r.split("\t")) == 6 and r.split("\t")[4] for r in rows)


# --- every example ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ONE_EACH)
def test_every_reader_has_an_example(name):
    assert of_reader(name), f"put an example that {name} reads under tests/data"


@pytest.mark.parametrize("path", EXAMPLES)
def test_one_reader_and_no_other_recognises(path):
    head = registry.head_of(path)
    assert [r.name for r in registry.readers().values() if r.recognise(head)] == [examples()[path]]


@pytest.mark.parametrize("path", EXAMPLES)
def test_measurement_is_sound(path):
    read = registry.read(path)
    sound(read, examples()[path])
    assert read.source.name == path.name
    assert read.source.size_bytes == path.stat().st_size


@pytest.mark.parametrize("path", EXAMPLES)
def test_tables_can_be_written(path, tmp_path):
    for name, table in registry.read(path).tables().items():
        table.write_parquet(tmp_path / f"{name}.parquet")
        assert pl.read_parquet(tmp_path / f"{name}.parquet").equals(table)
        table.write_csv(tmp_path / f"{name}.csv")
        assert (tmp_path / f"{name}.csv").stat().st_size > 0


@pytest.mark.parametrize("path", EXAMPLES)
def test_other_readers_refuse_it(path):
    for reader in registry.readers().values():
        if reader.name != examples()[path]:
            with pytest.raises(UnreadableFile):
                reader.read(path)


@pytest.mark.parametrize("path", EXAMPLES)
def test_reading_twice_gives_the_same(path):
    assert same_numbers(registry.read(path), original(path))


def sound(read, reader_name):
    """Assert what holds for any measurement that a reader returns, of a whole file or a spoiled one."""
    assert read.reader == reader_name
    assert read.instrument == registry.readers()[reader_name].instrument
    assert re.fullmatch("[0-9a-f]{64}", read.source.sha256)
    assert json.loads(json.dumps(dict(read.metadata), allow_nan=False)) == dict(read.metadata)
    for warning in read.warnings:
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", warning.code)
        assert warning.message
    if isinstance(read, TableMeasurement):
        assert read.table.height > 0
        finite(read.table.to_dict(as_series=False).items())
        finite([("values", list(read.values.values()))])
        return
    assert isinstance(read, SizeMeasurement)
    for capture in read.captures:
        assert capture.name
        numbers = {**capture.conditions, **capture.vendor}
        finite(numbers.items())
        assert capture.weights.min() >= 0
        assert json.dumps({**numbers, **capture.flags}, allow_nan=False)
    assert json.dumps(dict(read.vendor_pooled), allow_nan=False)
    assert set(read.tables()) >= {"captures", "distribution"}


def finite(items):
    for name, value in items:
        for one in value if isinstance(value, list) else [value]:
            assert not isinstance(one, float) or np.isfinite(one), name


def test_other_instruments_files_are_unknown():
    """Files of other instruments, beside the repository, are recognised by nobody."""
    folders = [
        SHARED / n
        for n in (
            "cheminfo__parse-zetasizer",
            "BAMresearch__analyse_dls_with_contin",
            "eyurtsev__fcsparser",
            "soft-matter__trackpy",
        )
    ]
    files = [p for f in folders if f.is_dir() for p in sorted(f.rglob("*")) if p.is_file()]
    if not files:
        pytest.skip("the shared folder of instrument files is not beside the repository")
    for path in files:
        with pytest.raises(UnknownFormat):
            registry.recognise(path)


# --- the spoiler: only UnreadableFile may escape, and numbers are right or carry a warning ---------------------


def attempt(reader, path, data):
    """Read bytes with a reader by name; return the measurement or None when it refuses. Warnings are errors."""
    path.write_bytes(data)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            read = registry.read(path, reader=reader)
        except UnreadableFile as error:
            refused = error
        else:
            sound(read, reader)
            return read
    assert refused.where
    assert refused.expected
    assert refused.remedy
    assert len(str(refused)) < 2000 + len(str(path)), "an error stays readable"
    return None


def same_numbers(one, two):
    """Return whether two measurements hold the same numbers; empty bins at the upper end count for nothing."""
    if type(one) is not type(two):
        return False
    if isinstance(one, TableMeasurement):
        return same_rows(one.table, two.table) and dict(one.values) == dict(two.values)
    if len(one.captures) != len(two.captures) or dict(one.vendor_pooled) != dict(two.vendor_pooled):
        return False
    return all(same_capture(a, b) for a, b in zip(one.captures, two.captures, strict=True))


def same_rows(one, two):
    """Return whether two tables hold the same numbers; text may say anything, a missing value is no wrong one."""
    if one.shape != two.shape or one.columns != two.columns:
        return False
    columns = [c for c in one.columns if one[c].dtype != pl.String]
    return all(one.select((pl.col(c).is_null() | (pl.col(c) == two[c])).all()).item() for c in columns)


def same_capture(a, b):
    facts = ("name", "concentration_basis", "dilution_factor", "tracks_used", "vendor", "conditions")
    if any(getattr(a, f) != getattr(b, f) for f in facts):
        return False
    bins = max(a.weights.size, b.weights.size)
    shorter = min(a.weights.size, b.weights.size)
    if not np.array_equal(a.bin_edges_nm[: shorter + 1], b.bin_edges_nm[: shorter + 1]):
        return False
    return all(
        np.array_equal(*(np.pad(getattr(c, f), (0, bins - c.weights.size)) for c in (a, b)))
        for f in ("concentration_per_ml", "particle_count")
        if getattr(a, f) is not None and getattr(b, f) is not None
    )


def right_or_warned(read, path, what):
    """Assert that a spoiled file gave an error (None), the true numbers, or a warning that the whole file lacks."""
    if read is None or same_numbers(read, original(path)):
        return
    assert {w.code for w in read.warnings} - {w.code for w in original(path).warnings}, f"silent: {what}"


def prefix_or_warned(read, path, what):
    """Assert the same of a cut file, where a table of rows without a total may also be a true beginning."""
    whole = original(path)
    both = isinstance(read, TableMeasurement) and isinstance(whole, TableMeasurement)
    if both and same_rows(read.table, whole.table.head(read.table.height)):
        return
    right_or_warned(read, path, what)


def line_table(data):
    """Return the lines, the separator, and the span of the longest run of lines with the same, many cells."""
    lines = data.decode("latin-1").replace("\r\n", "\n").split("\n")
    separator = max("\t,;", key=lambda s: sum(s in line for line in lines))
    widths = [line.count(separator) for line in lines]
    best, start = (0, 0), 0
    for i in range(1, len(lines) + 1):
        if i == len(lines) or widths[i] != widths[start] or not re.match(r'[\s"]*[-+.\d]', lines[i]):
            best = max(best, (i - start if widths[start] else 0, start))
            start = i
    return lines, separator, best[1] + 1, best[1] + best[0]


def joined(lines):
    return "\n".join(lines).encode("latin-1")


@pytest.mark.parametrize("name", ONE_EACH)
def test_cut_anywhere(name, tmp_path):
    path = smallest(name)
    data = path.read_bytes()
    borders = [m.start() for m in re.finditer(rb"(?m)^(?=\[|[A-Z][a-z]|-1\.0)", data)]
    chance = random.Random(5)  # noqa: S311 - a fixed sequence is wanted
    for place in sorted({*borders[:150], *(chance.randrange(len(data)) for _ in range(60)), 0, 1, len(data) - 1}):
        prefix_or_warned(attempt(name, tmp_path / "cut", data[:place]), path, f"cut at byte {place}")


@pytest.mark.parametrize("name", ONE_EACH)
def test_cut_at_both_ends_and_in_the_middle(name, tmp_path):
    path = smallest(name)
    lines, _, start, end = line_table(path.read_bytes())
    for first, last in ((start, start + 1), (start + 2, start + 5), ((start + end) // 2, end - 1), (end - 3, end)):
        rest = joined([*lines[:first], *lines[last:]])
        read = attempt(name, tmp_path / "rows", rest)
        if isinstance(read, TableMeasurement):
            continue  # rows without a total: nothing in the file says how many there were
        right_or_warned(read, path, f"lines {first}-{last} of the table dropped")


@pytest.mark.parametrize("name", ONE_EACH)
def test_spliced(name, tmp_path):
    path = smallest(name)
    data = path.read_bytes()
    for other in {smallest(n) for n in READERS} | {path}:
        more = other.read_bytes()
        right_or_warned(attempt(name, tmp_path / "after", data + more), path, f"{other.name} after it")
        right_or_warned(attempt(name, tmp_path / "before", more + data), path, f"{other.name} before it")
        half = len(data) // 2
        attempt(name, tmp_path / "within", data[:half] + more + data[half:])


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-8-sig", "cp1252", "utf-32", "utf-8"])
@pytest.mark.parametrize("path", EXAMPLES)
def test_re_encoded(path, encoding, tmp_path):
    source = path.read_bytes()
    text = source.decode("utf-8" if _is_utf8(source) else "cp1252")
    read = attempt(examples()[path], tmp_path / "encoded", text.encode(encoding))
    if encoding == "utf-16-le":
        assert read is None  # without a BOM it is binary
    else:
        assert same_numbers(read, original(path))


def _is_utf8(data):
    try:
        codecs.decode(data, "utf-8")
    except UnicodeDecodeError:
        return False
    return True


@pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\n"])
@pytest.mark.parametrize("path", EXAMPLES)
def test_line_ends(path, end, tmp_path):
    data = path.read_bytes().replace(b"\r\n", b"\n").replace(b"\n", end)
    assert same_numbers(attempt(examples()[path], tmp_path / "ends", data), original(path))


@pytest.mark.parametrize(
    "cell",
    [
        "NaN",
        "inf",
        "-inf",
        "-5",
        "1e400",
        "",
        "n/a",
        "=SUM(A1:A9)",
        "1000000000000",
        "1.2.3",
        "0x1F",
        "1_000",
        "\0",
    ],
)
@pytest.mark.parametrize("name", ONE_EACH)
def test_cells_replaced(name, cell, tmp_path):
    path = smallest(name)
    lines, separator, start, end = line_table(path.read_bytes())
    for row in (start, (start + end) // 2, end - 1):
        for column in range(lines[row].count(separator) + 1):
            cells = lines[row].split(separator)
            if not cells[column].strip():
                continue
            cells[column] = cell
            spoiled = joined([*lines[:row], separator.join(cells), *lines[row + 1 :]])
            read = attempt(name, tmp_path / "cell", spoiled)
            if cell in {"1000000000000", "-5"} and isinstance(read, TableMeasurement):
                continue  # a legal number in some columns, and nothing beside it to compare with
            right_or_warned(read, path, f"{cell!r} in line {row + 1}, column {column + 1}")


@pytest.mark.parametrize("name", ONE_EACH)
def test_columns_swapped(name, tmp_path):
    path = smallest(name)
    lines, separator, start, end = line_table(path.read_bytes())
    columns = lines[start].rstrip(separator).count(separator) + 1
    for i in range(columns):
        for j in range(i):
            swapped = list(lines)
            for row in range(start, end):
                cells = lines[row].split(separator)
                cells[i], cells[j] = cells[j], cells[i]
                swapped[row] = separator.join(cells)
            read = attempt(name, tmp_path / "swapped", joined(swapped))
            if isinstance(read, TableMeasurement) and not _is_checked(name, i, j):
                continue
            right_or_warned(read, path, f"columns {j + 1} and {i + 1} swapped")


def _is_checked(name, i, j):
    """Return whether something in a table of tracks would betray the swap of two columns."""
    return name.startswith("nanosight") and 1 <= j < i <= 3


@pytest.mark.parametrize("name", [n for n in READERS if isinstance(original(smallest(n)), SizeMeasurement)])
def test_column_scaled(name, tmp_path):
    """Tables of tracks state no total to compare with and are left out."""
    path = smallest(name)
    lines, separator, start, end = line_table(path.read_bytes())
    for column in range(lines[start].rstrip(separator).count(separator) + 1):
        scaled = list(lines)
        for row in range(start, end):
            cells = lines[row].split(separator)
            try:
                cells[column] = f"{float(cells[column]) * 3:.6E}"
            except ValueError:
                continue
            scaled[row] = separator.join(cells)
        right_or_warned(attempt(name, tmp_path / "scaled", joined(scaled)), path, f"column {column + 1} times 3")


@pytest.mark.parametrize("name", ONE_EACH)
def test_lines_shuffled(name, tmp_path):
    path = smallest(name)
    lines, _, start, end = line_table(path.read_bytes())
    for seed in range(5):
        chance = random.Random(seed)  # noqa: S311 - a fixed sequence is wanted
        rows, everything = lines[start:end], list(lines)
        chance.shuffle(rows)
        chance.shuffle(everything)
        read = attempt(name, tmp_path / "rows", joined([*lines[:start], *rows, *lines[end:]]))
        if not isinstance(read, TableMeasurement):  # the order of tracks means nothing
            right_or_warned(read, path, "rows shuffled")
        attempt(name, tmp_path / "lines", joined(everything))


@pytest.mark.parametrize("name", READERS)
def test_monsters(name, tmp_path):
    path = smallest(name)
    data = path.read_bytes()
    head = data.split(b"\n", 1)[0]
    for monster in (
        b"",
        b"\n",
        b"\0" * 5000,
        head,
        head + b"\n",
        head + b"," * 1_000_000,
        head + b"x" * 1_000_000,
        head + b"\n" + b"1" * 1_000_000,
        head + b"\n" + b'"' * 100_000,
        head + b"\n" + b"\n" * 1_000_000,
        data.replace(b"\n", b" "),
        data + b"\0" * 5000,
        data[:50] + b"\0" + data[50:],
        data + b"\n" + b"9" * 1_000_000 + b"\n",
    ):
        attempt(name, tmp_path / "monster", monster)


@pytest.mark.parametrize("name", READERS)
def test_missing_files_and_folders_are_refused(name, tmp_path):
    for path in (tmp_path, tmp_path / "absent"):
        with pytest.raises(UnreadableFile):
            registry.read(path, reader=name)
        with pytest.raises(UnreadableFile):
            registry.read(path)


# --- chance ----------------------------------------------------------------------------------------------------

CELLS = st.sampled_from(["", "nan", "-1", "1e999", "=1+1", "text", "0", "1,5", "1.5", '"', "\0", "[Results]", "\ufeff"])
EDITS = st.lists(
    st.tuples(
        st.sampled_from(["drop", "double", "move", "cell", "insert", "bytes"]),
        st.integers(0, 10**6),
        st.integers(0, 10**6),
        CELLS,
    ),
    min_size=1,
    max_size=6,
)


def spoil(data, edits):
    """Apply random edits of lines, cells and bytes."""
    for kind, one, two, cell in edits:
        lines = data.split(b"\n")
        i, j = one % len(lines), two % len(lines)
        if kind == "drop":
            del lines[i : i + 1 + two % 3]
        elif kind == "double":
            lines.insert(j, lines[i])
        elif kind == "move":
            lines.insert(j, lines.pop(i))
        elif kind == "cell":
            cells = re.split(rb"([,;\t])", lines[i])
            cells[2 * (two % ((len(cells) + 1) // 2))] = cell.encode()
            lines[i] = b"".join(cells)
        elif kind == "insert":
            lines.insert(i, cell.encode())
        data = b"\n".join(lines)
        if kind == "bytes" and data:
            k = one % len(data)
            data = data[:k] + bytes([two % 256]) + data[k + 1 :]
    return data


@pytest.mark.parametrize("name", READERS)
@given(edits=EDITS)
@PROFILE
def test_random_edits(name, edits, tmp_path):
    attempt(name, tmp_path / "spoiled", spoil(smallest(name).read_bytes(), edits))


@pytest.mark.parametrize("name", READERS)
@given(tail=st.binary(max_size=400), keep=st.integers(0, 3000))
@PROFILE
def test_random_bytes_after_a_true_beginning(name, tail, keep, tmp_path):
    attempt(name, tmp_path / "spoiled", smallest(name).read_bytes()[:keep] + tail)


@given(data=st.binary(max_size=2000))
@PROFILE
def test_random_bytes_are_unknown(data, tmp_path):
    path = tmp_path / "random"
    path.write_bytes(data)
    with pytest.raises(UnreadableFile):
        registry.read(path)
