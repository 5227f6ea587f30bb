"""Whatever stands in study.yaml, only ManifestError comes out, and every line that it names exists."""

import random
import tempfile
from pathlib import Path

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vesicula.core.errors import ManifestError
from vesicula.manifest.load import inspect_manifest, load_manifest

SETTINGS = settings(max_examples=250, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
PIECES = [
    "vesicula: 1\n",
    "study:\n  title: x\n",
    "batches:\n",
    "  - id: B\n",
    "    samples:\n",
    "      - id: S\n",
    "        measurements:\n",
    "          - files: [a]\n",
    "- ",
    "  ",
    "\t",
    ": ",
    "? ",
    "&a ",
    "*a ",
    "!!int ",
    "!x ",
    "[",
    "]",
    "{",
    "}",
    ",",
    "|",
    ">\n",
    "'",
    '"',
    "#",
    "%YAML 1.1\n",
    "---\n",
    "...\n",
    "\n",
    "\r",
    "\ufeff",
    "\x00",
    "\x85",
    "\u2028",
    "é",
    "😀",
    "~",
    "null",
    "<<: ",
    "\\ud800",
    '"\\ud800"',
    '"\\x00"',
    "0,5",
    "1e999",
    "..",
    "/",
    "produced_on: 2025-02-30\n",
    "cell_source: {passage: p4}\n",
    "criteria:\n  - quantity: span\n    min: 1\n",
]


def attempt(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "a").write_text("x")
        (folder / "study.yaml").write_bytes(data)
        lines = len(data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n"))
        problems = faults_of(folder)
        assert all(0 <= line <= lines for line, _ in problems)
        assert all("\n" not in message for _, message in problems)
        assert [(p.line, p.text) for p in inspect_manifest(folder).errors] == problems


def faults_of(folder: Path) -> list[tuple[int, str]]:
    try:
        manifest, _ = load_manifest(folder)
    except ManifestError as error:
        return error.problems or [(-1, "an error without a problem")]
    return [] if manifest.batches else [(-1, "a manifest without a batch")]


@SETTINGS
@given(st.binary(max_size=400))
def test_random_bytes(data):
    attempt(data)


@SETTINGS
@given(st.text(max_size=400))
def test_random_text(text):
    attempt(text.encode("utf-8", errors="surrogatepass"))


@SETTINGS
@given(st.lists(st.sampled_from(PIECES), max_size=40))
def test_random_pieces_of_yaml(pieces):
    attempt("".join(pieces).encode())


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["a", "0,5", "p4", "..", "fill in", "2025-01-01"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "vesicula",
                    "study",
                    "title",
                    "batches",
                    "id",
                    "samples",
                    "measurements",
                    "files",
                    "criteria",
                    "cell_source",
                    "isolation",
                    "method",
                    "protein",
                    "ignore",
                    "x",
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@SETTINGS
@given(JSON)
def test_random_data_of_the_right_names(data):
    attempt(yaml.safe_dump(data, allow_unicode=True).encode("utf-8", errors="surrogatepass"))


@SETTINGS
@given(st.integers(0, 2**32), st.integers(1, 6))
def test_mutated_valid_manifest(seed, cuts):
    rng = random.Random(seed)  # noqa: S311 - a test's dice
    data = bytearray(Path(__file__).with_name("valid.yaml").read_bytes())
    for _ in range(cuts):
        place = rng.randrange(len(data))
        action = rng.randrange(4)
        if action == 0:
            del data[place : place + rng.randrange(1, 30)]
        elif action == 1:
            data[place:place] = rng.choice(PIECES).encode("utf-8", errors="surrogatepass")
        elif action == 2:
            data[place] = rng.randrange(256)
        else:
            other = rng.randrange(len(data))
            data[place:place] = data[other : other + rng.randrange(1, 60)]
        if not data:
            break
    attempt(bytes(data))
