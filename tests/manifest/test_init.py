"""What init writes passes check, says nothing that it does not know, and survives hostile names."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vesicula.core.errors import ManifestError
from vesicula.manifest.check import check_study
from vesicula.manifest.group import merge_names
from vesicula.manifest.init import init_study
from vesicula.manifest.load import load_manifest
from vesicula.manifest.template import Names, quote
from vesicula.manifest.yaml_text import decode_utf8, parse, plain

ROOT = Path(__file__).parents[2]
SHARED = ROOT / ".." / "shared" / "data" / "particles"


def add(folder, name, content="FAKE SIZE\n"):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")


def init_and_load(folder, fake):
    path = init_study(folder, recognise=fake.recognise)
    report = check_study(folder, recognise=fake.recognise, read=fake.read)
    assert report.errors == ()
    manifest, source = load_manifest(folder)
    assert source.warnings == ()
    return path.read_text(encoding="utf-8"), manifest


def grouped(manifest):
    """Batches, samples and the files of each load, as plain data."""
    return {b.id: {s.id: [m.files for m in s.measurements] for s in b.samples} for b in manifest.batches}


def test_companions_replicates_and_batches(tmp_path, fake):
    run = "20250228_{}_EV_F3-1000{}_{}_488{}.txt"
    for number, repeat in (("0007", ""), ("0008", "R"), ("0010", "")):
        add(
            tmp_path, "Lot A/NTA/" + run.format(number, repeat, "size", ""), f"FAKE SIZE\nSample:\tEV_F3-1000{repeat}\n"
        )
        add(tmp_path, "Lot A/NTA/" + run.format(number, repeat, "size", "_11pos"), "FAKE TABLE\n")
    add(tmp_path, "Lot A/NTA/" + run.format("0009", "R", "prof", ""), "FAKE TABLE\nSample:\tEV_F3-1000R\n")
    add(tmp_path, "Lot A/NTA/" + run.format("0011", "", "size", "").replace("F3", "F4"))
    add(tmp_path, "raw/beads-ExperimentSummary.csv", "FAKE SIZE\nSample Name,beads,\nFilename:,cap_00,cap_01,\n")
    add(tmp_path, "raw/cap_01_ParticleData.csv", "FAKE TABLE\n")
    text, manifest = init_and_load(tmp_path, fake)

    def at(number, repeat="", kind="size", end=""):
        return "Lot A/NTA/" + run.format(number, repeat, kind, end)

    assert grouped(manifest) == {
        "Lot A": {
            "EV_F3-1000": [
                (at("0007"), at("0007", end="_11pos")),
                (at("0008", "R"), at("0008", "R", end="_11pos")),
                (at("0009", "R", "prof"),),
                (at("0010"), at("0010", end="_11pos")),
            ],
            "EV_F4-1000": [("Lot A/NTA/20250228_0011_EV_F4-1000_size_488.txt",)],
        },
        "batch 1": {"beads": [("raw/beads-ExperimentSummary.csv", "raw/cap_01_ParticleData.csv")]},
    }
    assert [m.replicate for m in manifest.batches[0].samples[0].measurements] == [
        "size 1",
        "size 2",
        "table 1",
        "size 3",
    ]
    assert 'Taken for replicates of one sample by their names, check: "EV_F3-1000", "EV_F3-1000R"' in text
    assert all(m.dilution_factor is None for b in manifest.batches for s in b.samples for m in s.measurements)
    assert "# A guess from the name, to be checked: diluted 1000 fold?" in text


def test_nothing_is_guessed(tmp_path, fake):
    add(tmp_path, "BM-MSC_P4_2025-02-28_dil1000.txt")
    _, manifest = init_and_load(tmp_path, fake)
    stated = manifest.model_dump(exclude_none=True, exclude_defaults=True)
    assert stated == {
        "vesicula": 1,
        "study": {"title": tmp_path.name},
        "batches": (
            {
                "id": "batch 1",
                "samples": (
                    {
                        "id": "BM-MSC_P4_2025-02-28_dil1000",
                        "measurements": ({"files": ("BM-MSC_P4_2025-02-28_dil1000.txt",), "replicate": "1"},),
                    },
                ),
            },
        ),
    }


def test_every_field_stands_there_and_can_be_filled_in(tmp_path, fake):
    """Uncomment every field of the template, give it its own example, and load the result."""
    from vesicula.core.study import Assay, Batch, CellSource, IsolationStep, MeasurementEntry, Sample, StudyInfo

    add(tmp_path, "a.txt")
    text, _ = init_and_load(tmp_path, fake)
    models = [StudyInfo, Batch, CellSource, IsolationStep, Sample, Assay, MeasurementEntry]
    examples = {k: f.examples[0] for m in models for k, f in m.model_fields.items() if f.examples}
    lines = []
    for line in text.split("\n"):
        body = line.strip().removeprefix("# ").removeprefix("- ").strip()
        key = body.split(":")[0]
        if (
            line.strip().startswith("# ")
            and key in {k for m in models for k in m.model_fields}
            and body.startswith(key + ":")
            and (body == f"{key}:" or body.removeprefix(f"{key}:").strip().startswith("# fill in"))
        ):
            value = examples.get(key, "some text")
            if key in {"min", "max", "quantity", "source", "reader"}:
                continue
            lines.append(
                line.replace("# ", "", 1).split(":")[0] + f": {quote(value) if isinstance(value, str) else value}"
            )
        else:
            lines.append(line)
    (tmp_path / "study.yaml").write_text("\n".join(lines), encoding="utf-8")
    (tmp_path / "proteome.tsv").write_text("gene\nCD9\n", encoding="utf-8")  # the example of cargo_tables
    manifest, source = load_manifest(tmp_path)
    batch = manifest.batches[0]
    for part in (
        manifest.study,
        batch,
        batch.cell_source,
        batch.isolation[0],
        batch.samples[0],
        batch.samples[0].protein,
        batch.samples[0].lipid,
        batch.samples[0].measurements[0],
    ):
        missing = {k for k, v in part.model_dump().items() if v is None} - {"reader"}
        assert missing == set(), type(part)
    # The one example of "method" that the test knows is that of an assay of protein, not of lipid or isolation.
    assert {(w.message, w.line) for w in source.warnings} == {
        ("method: 'BCA' is not in the vocabulary.", source.line("batches", 0, "isolation", 0, "method")),
        ("method: 'BCA' is not in the vocabulary.", source.line("batches", 0, "samples", 0, "lipid", "method")),
    }


def test_units_and_explanations_stand_beside_fields(tmp_path, fake):
    add(tmp_path, "a.txt")
    text, _ = init_and_load(tmp_path, fake)
    assert "# Volume of the whole sample; the total number of particles needs it. Unit: mL. Example: 0.5" in text
    assert "        # volume_ml:    # fill in" in text


def test_unknown_files_are_listed_as_comments(tmp_path, fake):
    add(tmp_path, "a.txt")
    add(tmp_path, "report #1: final.pdf", "%PDF")
    (tmp_path / "link").symlink_to("/etc")
    text, _ = init_and_load(tmp_path, fake)
    tail = text.split("# Not listed above, because no reader takes them:\n")[1]
    assert tail.split("\n")[0].startswith('#   "link": a symbolic link')
    assert tail.split("\n")[1].startswith('#   "report #1: final.pdf": no known format')


def test_folder_without_a_known_file(tmp_path, fake):
    _, manifest = init_and_load(tmp_path, fake)
    assert grouped(manifest) == {"batch 1": {"sample 1": []}}


def test_dossiers_hidden_files_and_links_are_passed_over(tmp_path, fake):
    outside = tmp_path / "outside"
    add(outside, "x.txt")
    folder = tmp_path / "study"
    add(folder, "a.txt")
    add(folder, ".hidden.txt")
    add(folder, ".vesicula/results/x.txt")
    add(folder, "dossier/ro-crate-metadata.json", "{}")
    add(folder, "dossier/inputs/a.txt")
    (folder / "linked").symlink_to(outside)
    (folder / "loop").symlink_to(folder)
    (folder / "a2.txt").symlink_to("a.txt")
    _, manifest = init_and_load(folder, fake)
    assert grouped(manifest) == {"batch 1": {"a": [("a.txt",)]}}


def test_refuses_to_overwrite(tmp_path, fake):
    add(tmp_path, "a.txt")
    path = init_study(tmp_path, recognise=fake.recognise)
    path.write_text("mine")
    with pytest.raises(ManifestError, match="exists already"):
        init_study(tmp_path, recognise=fake.recognise)
    assert path.read_text() == "mine"
    init_study(tmp_path, overwrite=True, recognise=fake.recognise)
    assert path.read_text().startswith("# study.yaml")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.txt", "study.yaml"]


def test_refuses_a_dangling_link_as_target(tmp_path, fake):
    (tmp_path / "study.yaml").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ManifestError, match="exists already"):
        init_study(tmp_path, recognise=fake.recognise)
    assert not (tmp_path / "elsewhere").exists()


def test_file_that_appears_meanwhile_is_not_overwritten(tmp_path, fake):
    add(tmp_path, "a.txt")

    def recognise(path):
        (tmp_path / "study.yaml").write_text("theirs")
        return fake.recognise(path)

    with pytest.raises(ManifestError, match="exists already"):
        init_study(tmp_path, recognise=recognise)
    assert (tmp_path / "study.yaml").read_text() == "theirs"
    assert not list(tmp_path.glob(".study*"))


@pytest.mark.parametrize("links", [True, False])
def test_failed_write_leaves_nothing_behind(tmp_path, fake, monkeypatch, links):
    add(tmp_path, "a.txt")

    def fail(*_args, **_kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "link", fail)
    if links:
        monkeypatch.setattr(Path, "replace", fail)
        with pytest.raises(ManifestError, match="cannot be written: Permission denied"):
            init_study(tmp_path, recognise=fake.recognise)
        assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]
    else:  # a file system without hard links
        assert init_study(tmp_path, recognise=fake.recognise).exists()
        assert sorted(p.name for p in tmp_path.iterdir()) == ["a.txt", "study.yaml"]


def test_not_a_folder(tmp_path, fake):
    with pytest.raises(ManifestError, match="not a folder"):
        init_study(tmp_path / "nowhere", recognise=fake.recognise)


def test_folder_with_too_much_in_it(tmp_path, fake, monkeypatch):
    import vesicula.manifest.folder as folder_module

    monkeypatch.setattr(folder_module, "MAX_FILES", 3)
    for i in range(5):
        add(tmp_path, f"{i}.txt")
    with pytest.raises(ManifestError, match="folder of one study"):
        init_study(tmp_path, recognise=fake.recognise)


HOSTILE = [
    "a: b.txt",
    "# comment.txt",
    "it's.txt",
    'say "hi".txt',
    "new\nline.txt",
    "tab\there.txt",
    "- dash.txt",
    "[x].txt",
    "{x}.txt",
    "&anchor.txt",
    "*alias.txt",
    "!tag.txt",
    "%d.txt",
    "@at.txt",
    "`tick`.txt",
    "null",
    "~",
    "true",
    "no",
    "1e3",
    "0x10",
    "2025-02-28",
    "日本語.txt",
    "e\u0301.txt",
    "é.txt",
    "\u202egnp.txt",
    "line\u2028sep.txt",
    "nel\x85.txt",
    "\ufeffbom.txt",
    "😀.txt",
    " lead.txt",
    "trail ",
    "\U0001f600" * 50,
    "fill in",
    "fill in ",
    ">",
    "|",
    "?",
    "<!--x-->.txt",
    "{{x}}.txt",
    "$(x).txt",
    "a,b.txt",
    "=1+1.csv",
    "x" * 250,
]


def test_hostile_names(tmp_path, fake):
    for i, name in enumerate(HOSTILE):
        add(tmp_path, f"data/{name}", f"FAKE SIZE\nSample:\t{name}\n{i}")
        add(tmp_path, f"batch {i}/{name}", f"FAKE SIZE\nSample Name,{name}\n{i}x")
    _, manifest = init_and_load(tmp_path, fake)
    files = {f for b in manifest.batches for s in b.samples for m in s.measurements for f in m.files}
    assert files == {f"data/{n}" for n in HOSTILE} | {f"batch {i}/{n}" for i, n in enumerate(HOSTILE)}


def test_names_that_no_manifest_can_hold(tmp_path, fake):
    names = ["back\\slash.txt", "bell\x07.txt", "C:drive.txt"]
    for name in names:
        add(tmp_path, name)
    (Path(os.fsdecode(os.fsencode(tmp_path) + b"/latin-\xe9.txt"))).write_text("FAKE SIZE")
    add(tmp_path, "a.txt")
    text, manifest = init_and_load(tmp_path, fake)
    assert grouped(manifest) == {"batch 1": {"a": [("a.txt",)]}}
    assert text.count("cannot stand in a manifest: rename it") == 4
    assert '"back\\\\slash.txt"' in text


@settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.lists(st.text(st.characters(exclude_characters="/\x00"), min_size=1, max_size=20), max_size=6, unique=True))
def test_any_file_name(names):
    from vesicula.manifest.folder import list_folder
    from vesicula.manifest.group import KnownFile, group
    from vesicula.manifest.template import render

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file in names:
            try:
                (folder / file).write_text("x")
            except (OSError, UnicodeEncodeError):
                continue
        listing = list_folder(folder)
        known = [KnownFile(path=f, reader="x", run=f, sample=f, in_header=True) for f in listing.files]
        text = render(name, group(known), unknown=listing.left_out)
        if known:
            (folder / "study.yaml").write_bytes(text.encode())
            batches = load_manifest(folder)[0].batches
            listed = {f for b in batches for s in b.samples for m in s.measurements for f in m.files}
            assert listed == set(listing.files)


@settings(max_examples=500, deadline=None, derandomize=True)
@given(st.text(max_size=50))
def test_quote_round_trip(text):
    line = quote(text)
    assert "\n" not in line
    decoded, problems = decode_utf8(f"- {line}\n".encode())
    assert problems == []
    tree, problems = parse(decoded)
    control = any((ord(c) < 32 and c not in "\t\n\r") or c == "\x7f" for c in text)
    assert bool(problems) == control
    if not control:
        assert plain(tree) == [text]


@pytest.mark.parametrize(
    ("names", "merged"),
    [
        ({"F3-1000", "F3-1000R"}, {"F3-1000": "F3-1000", "F3-1000R": "F3-1000"}),
        ({"F3-1000R"}, {"F3-1000R": "F3-1000R"}),
        ({"x_rep1", "x_rep2"}, {"x_rep1": "x", "x_rep2": "x"}),
        ({"x run 1", "x run 2", "x"}, {"x run 1": "x", "x run 2": "x", "x": "x"}),
        ({"x (1)", "x (2)"}, {"x (1)": "x", "x (2)": "x"}),
        ({"F1", "F2"}, {"F1": "F1", "F2": "F2"}),
        ({"F3-1000", "F3-500"}, {"F3-1000": "F3-1000", "F3-500": "F3-500"}),
        ({"PAR", "PA"}, {"PAR": "PAR", "PA": "PA"}),
        ({"x_1", "x_2"}, {"x_1": "x_1", "x_2": "x_2"}),
    ],
)
def test_merge_names(names, merged):
    assert merge_names(names) == merged


def test_identifiers_are_made_unique_and_valid():
    names = Names()
    assert [names.take("b", n, "sample 1") for n in ("a/b", "a\\b", "", "..", "a_b", "fill in")] == [
        "a_b",
        "a_b (2)",
        "sample 1",
        "sample 1 ..",
        "a_b (3)",
        "sample 1 fill in",
    ]
    assert names.take("c", "a/b", "sample 1") == "a_b"


def test_of_two_thousand_files_only_the_heads_are_read(tmp_path, fake):
    for i in range(2000):
        # 100 KiB each: recognition must not read beyond the first 64 KiB.
        (tmp_path / f"lot {i % 20}").mkdir(exist_ok=True)
        with (tmp_path / f"lot {i % 20}" / f"run_{i}.txt").open("wb") as stream:
            stream.write(b"FAKE SIZE\nSample:\tS%d\n" % i)
            stream.truncate(100 * 1024)
    init_study(tmp_path, recognise=fake.recognise)
    assert fake.recognised == 2000
    assert fake.bytes_read == 2000 * 65536
    manifest, _ = load_manifest(tmp_path)
    assert (len(manifest.batches), sum(len(b.samples) for b in manifest.batches)) == (20, 2000)


def test_large_template_leaves_out_repeated_fields(tmp_path, fake, monkeypatch):
    import vesicula.manifest.init as init_module

    for i in range(30):
        add(tmp_path, f"lot {i}/a.txt", f"FAKE SIZE\nSample:\tS{i}\n")
    long, _ = init_and_load(tmp_path, fake)
    (tmp_path / "study.yaml").unlink()
    monkeypatch.setattr(init_module, "_ROOMY", 10_000)
    short, manifest = init_and_load(tmp_path, fake)
    assert long.count("oxygen_percent:") == 30
    assert short.count("oxygen_percent:") == 1
    assert len(manifest.batches) == 30


def test_our_own_files(tmp_path):
    shutil.copytree(ROOT / "tests" / "data", tmp_path / "data")
    init_study(tmp_path)
    report = check_study(tmp_path)
    assert report.errors == ()
    manifest, _ = load_manifest(tmp_path)
    batches = grouped(manifest)
    twins = {files for loads in batches["batch 1"].values() for files in loads if "zetaview" in files[0]}
    assert (
        "data/zetaview/20260114_0003_TWIN-A-1000_size_488.txt",
        "data/zetaview/20260114_0003_TWIN-A-1000_size_488_11pos.txt",
    ) in twins
    listed = {f for b in batches.values() for loads in b.values() for files in loads for f in files}
    assert {f"data/nanosight/{n}" for n in ("beads.csv", "beads2.csv", "synthetic_ParticleData.csv")} <= listed
    warnings = [p.message for p in report.problems if p.severity == "warning"]
    assert any("beads.csv" in m and "no dilution_factor" in m for m in warnings)  # NTA 3.2: "Not recorded"


def test_a_real_folder(tmp_path):
    source = next(SHARED.glob("*Biovaram*/backend/NTA/EV_IPSC*"), None) if SHARED.is_dir() else None
    if source is None:
        pytest.skip(
            "the real ZetaView exports have no licence and lie beside the repository only where they are shared"
        )
    folder = tmp_path / source.name
    shutil.copytree(source, folder)
    init_study(folder)
    report = check_study(folder)
    assert [p for p in report.problems if p.severity != "note"] == []
    manifest, _ = load_manifest(folder)
    samples = {s.id: [m.replicate for m in s.measurements] for s in manifest.batches[0].samples}
    assert samples == {
        "EV_IP_P2.1_F3-1000": ["size 1", "size 2", "profile 1"],
        "EV_IP_P2.1_F4-1000": ["size 1", "size 2", "profile 1"],
        "EV_IP_P2.1_F5-1000": ["1", "2", "3", "4"],
        "EV_IP_P2.1_F6-1000": ["1", "2"],
        "EV_IP_P2.2_F2-1000": ["size 1", "profile 1"],
    }
    assert report.n_files == len(list(folder.glob("*.txt")))
