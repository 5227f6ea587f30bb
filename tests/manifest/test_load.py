"""Every kind of error is found, at its line, together with all others."""

import os
import pickle
import re

import pytest

from vesicula.core.errors import ManifestError
from vesicula.manifest import load as load_module
from vesicula.manifest.load import inspect_manifest, load_manifest


def problems_of(folder):
    with pytest.raises(ManifestError) as caught:
        load_manifest(folder)
    return caught.value.problems


def only_problem(folder):
    found = problems_of(folder)
    assert len(found) == 1, found
    return found[0]


def test_valid_manifest(lab):
    manifest, source = load_manifest(lab.write())
    batch = manifest.batches[0]
    assert (batch.id, batch.produced_on, batch.cell_source.passage) == ("007", "2025-02-28", 4)
    sample = batch.samples[0]
    assert (sample.id, sample.volume_ml) == ("no", 0.5)
    assert [m.replicate for m in sample.measurements] == ["1", "on"]
    assert sample.measurements[0].dilution_factor == 1000.0
    assert sample.measurements[1].files == ("sub/b size.txt",)
    assert source.folder == lab.folder
    assert source.warnings == ()
    assert source.line("batches", 0, "samples", 0, "volume_ml") == lab.line("volume_ml")
    assert source.line("batches", 0, "samples", 0, "measurements", 1) == lab.line("sub/b size")
    assert source.line("batches", 0, "samples", 0, "measurements", 1, "nowhere") == lab.line("sub/b size")
    assert len(source.sha256) == 64


def test_file_or_folder(lab):
    folder = lab.write()
    assert load_manifest(folder)[0] == load_manifest(folder / "study.yaml")[0]


def test_byte_order_mark_and_windows_line_ends(lab):
    lab.write_bytes(b"\xef\xbb\xbf" + lab.text.replace("\n", "\r\n").replace("passage: 4", "passage: p4").encode())
    line, message = only_problem(lab.folder)
    assert line == lab.line("passage")
    assert "write 4" in message


@pytest.mark.parametrize(
    ("old", "new", "at", "words"),
    [
        ("passage: 4", "passage: p4", "passage", "write 4"),
        ("passage: 4", "passage: 4.5", "passage", "whole number"),
        ("passage: 4", "passage: -1", "passage", "at least 0"),
        ("passage: 4", "passage: [4]", "passage", "expected a number, found a list"),
        ("passage: 4", "passag: 4", "passag", "Did you mean 'passage'?"),
        ("passage: 4", "volume_ml: 4", "      volume_ml: 4", "belongs under batches > samples"),
        ("passage: 4", "bogus: ", "bogus", "no such field"),
        ("volume_ml: 0.5", "volume_ml: 0,5", "volume_ml", "write 0.5"),
        ("volume_ml: 0.5", "volume_ml: 1,500", "volume_ml", "write 1500 or 1.500"),
        ("volume_ml: 0.5", "volume_ml: 1_5", "volume_ml", "expected a number"),
        ("volume_ml: 0.5", "volume_ml: 0.5 mL", "volume_ml", "write 0.5 alone"),
        ("volume_ml: 0.5", "volume_ml: 0", "volume_ml", "more than 0"),
        ("volume_ml: 0.5", "volume_ml: .nan", "volume_ml", "expected a number"),
        ("volume_ml: 0.5", "volume_ml: 1e999", "volume_ml", "too large"),
        ("volume_ml: 0.5", "volume_ml: true", "volume_ml", "expected a number"),
        ("volume_ml: 0.5", "volume_ml: fill in", "volume_ml", "to be filled in"),
        ("oxygen_percent: 5", "oxygen_percent: 101", "oxygen_percent", "at most 100"),
        ("oxygen_percent: 5", "oxygen_percent: hypoxia", "oxygen_percent", "often 1 % or 2 %"),
        ("dilution_factor: 1e3", "dilution_factor: 0.5", "dilution_factor", "at least 1"),
        ("dilution_factor: 1e3", "reader: {a: b}", "reader", "found a group of fields"),
        ("produced_on: 2025-02-28", "produced_on: 28.02.2025", "produced_on", "YYYY-MM-DD"),
        ("produced_on: 2025-02-28", "produced_on: 2025-02-30", "produced_on", "date of the calendar"),
        ("id: 007", "id:  # none", "# none", "needed and has no value"),
        ("id: 007", "id: ..", "id: ..", "identifier"),
        ("id: 007", 'id: "a/b"', "a/b", "without '/'"),
        ("id: 007", 'id: "a\\nb"', '"a', "identifier"),
        ("id: 007", "id: " + "x" * 101, "xxx", "longer than 100"),
        ('title: "Three lots"', "title: ", "title", "Title of the study"),
        ('title: "Three lots"', "title: ''", "title", "must not be empty"),
        ("vesicula: 1", "vesicula: 2", "vesicula: 2", "version"),
        ("vesicula: 1", "vesicula: one", "vesicula: one", "expected a number"),
        ("quantity: mode_diameter_nm", "quantity: mode_nm", "mode_nm", "Did you mean 'mode_diameter_nm'?"),
        ("    min: 30", "    min: 300", "min: 300", "min (300) must not exceed max (200)"),
        ("files: [sub/b size.txt]", "files: sub/b size.txt", "sub/b", "expected a list"),
        ("files: [sub/b size.txt]", "files: []", "files: []", "at least one entry"),
        ("files: [sub/b size.txt]", "files: [sub/c size.txt]", "sub/c", "Nearest: 'sub/b size.txt'"),
        ("files: [sub/b size.txt]", "files: [sub/B size.txt]", "sub/B", "letter case"),
        ("files: [sub/b size.txt]", "files: [sub]", "[sub]", "not a regular file"),
        ("files: [sub/b size.txt]", "files: [a_size.txt/x]", "a_size.txt/x", "not in the folder"),
        ("files: [sub/b size.txt]", "files: [./a_size.txt]", "./a_size.txt", "listed already, on line 21"),
        ("replicate: on", "replicate: 1", "sub/b size", "placeholder"),
    ],
)
def test_error_at_its_line(lab, old, new, at, words):
    folder = lab.write(old, new)
    if words == "placeholder":  # the line of the second label, which stands twice in the text
        line, message = only_problem(folder)
        assert line == lab.line("sub/b size") + 1
        assert "replicate '1' stands twice in this sample, first on line 22" in message
        return
    line, message = only_problem(folder)
    assert line == lab.line(at)
    assert words in message


@pytest.mark.parametrize(
    ("old", "new", "at", "words"),
    [
        ('title: "Three lots"', "title: Three: lots", "Three: lots", "colon"),
        ('title: "Three lots"', 'title: "Three lots', '"Three lots', "quotation mark"),
        ('title: "Three lots"', "title: @home", "@home", "must not begin with '@'"),
        ('title: "Three lots"', "\ttitle: x", "\ttitle", "tab"),
        ("files: [sub/b size.txt]", "files: [sub/b size.txt", "files: [sub/b", "bracket"),
        ("      passage: 4", "     passage: 4", "passage", "YAML"),
        ('title: "Three lots"', "title: &x y", "&x", "anchor '&x'"),
        ('title: "Three lots"', "title: *x", "*x", "alias '*x'"),
        ('title: "Three lots"', "title: !!python/object:os.system x", "!!python", "tag"),
        ('title: "Three lots"', "title: !!str x", "!!str", "tag"),
        ('title: "Three lots"', "title: x\n  title: y", "title: y", "a second time, first on line 3"),
        ('title: "Three lots"', "title: x\n  ? [a, b]\n  : y", "? [a, b]", "name of a field"),
        ('title: "Three lots"', 'title: "a\\0b"', '"a', "U+0000"),
        ('title: "Three lots"', "title: a\u2028b", "\u2028", "U+2028"),
        ('title: "Three lots"', "title: a\x07b", "\x07", "U+0007"),
        ("criteria:", "---\ncriteria:", "---", "second document"),
    ],
)
def test_yaml_error_at_its_line(lab, old, new, at, words):
    found = problems_of(lab.write(old, new))
    assert (lab.line(at), True) in [(line, words in message) for line, message in found], found


def test_misspelt_field_that_is_needed(lab):
    found = problems_of(lab.write("method: SEC", "methods: SEC"))
    assert [line for line, _ in found] == [lab.line("methods")] * 2
    assert any("Did you mean 'method'?" in message for _, message in found)
    assert any(message.startswith("method: this field is needed") for _, message in found)


def test_repeated_ids_at_the_second(lab):
    text = lab.text
    again = text[text.index("  - id: 007") : text.index("criteria:")].replace("a_size", "c_size").replace("b size", "d")
    again = again.replace("id: no", "id: ja")
    for name in ("c_size.txt", "c_size_11pos.txt", "sub/d.txt"):
        lab.add(name)
    lab.write("criteria:", again + "criteria:")
    line, message = only_problem(lab.folder)
    lines = [i for i, t in enumerate(lab.text.split("\n"), 1) if "id: 007" in t]
    assert line == lines[1]
    assert f"batch '007' stands twice in the study, first on line {lines[0]}" in message


def test_repeated_ids_on_one_line(lab):
    lab.write("criteria:", "  - {id: B, samples: [{id: s}, {id: s}]}\ncriteria:")
    line, message = only_problem(lab.folder)
    assert line == lab.line("id: B")
    assert "sample 's' stands twice" in message


def test_all_problems_at_once_in_order(lab):
    lab.text = lab.text.replace("passage: 4", "passage: p4").replace("0.5", "0,5").replace("a_size_11pos", "gone")
    lab.write("method: SEC", "method: SEC\n        bogus: 1")
    lines = [line for line, _ in problems_of(lab.folder)]
    assert lines == [lab.line(t) for t in ("passage", "bogus", "volume_ml", "gone")]


def test_messages_are_one_line_whatever_the_text(lab):
    lab.write("files: [sub/b size.txt]", 'files: ["x\\ny\\e[31m", "' + "z" * 900 + '"]')
    for _, message in problems_of(lab.folder):
        assert "\n" not in message
        assert "\x1b" not in message
        assert len(message) < 600


def test_missing_manifest(lab):
    assert "vesicula init" in only_problem(lab.folder)[1]
    lab.add("study.yml", "vesicula: 1")
    line, message = only_problem(lab.folder)
    assert line == 0
    assert "Rename study.yml to study.yaml" in message
    assert only_problem(lab.folder / "nowhere" / "study.yaml")[0] == 0


@pytest.mark.parametrize("data", [b"", b"\n\n", b"# only a comment\n", b"\xef\xbb\xbf", b"---\n..."])
def test_empty_manifest(lab, data):
    message = only_problem(lab.write_bytes(data))[1]
    assert "empty" in message or "found nothing" in message


@pytest.mark.parametrize(("data", "found"), [(b"just text", "the text 'just text'"), (b"- a\n- b", "a list")])
def test_no_mapping(lab, data, found):
    line, message = only_problem(lab.write_bytes(data))
    assert line == 1
    assert found in message


@pytest.mark.parametrize(
    ("data", "line", "words"),
    [
        ("vesicula: 1\nstudy:\n  title: Zürich\n".encode("latin-1"), 3, "byte 0xfc"),
        ("vesicula: 1\n".encode("utf-16"), 1, "UTF-16"),
        (b"vesicula: 1\n\x00\n", 2, "U+0000"),
    ],
)
def test_wrong_encoding(lab, data, line, words):
    found = only_problem(lab.write_bytes(data))
    assert found[0] == line
    assert words in found[1]
    assert "UTF-8" in found[1] or "U+0000" in found[1]


def test_too_big(lab):
    lab.write_bytes(b"# " + b"x" * (8 * 1024 * 1024))
    assert "larger than 8 MiB" in only_problem(lab.folder)[1]


@pytest.mark.parametrize("opening", ["[", "{a: ", "- "])
def test_too_deep(lab, opening):
    line, message = only_problem(lab.write_bytes((opening * 100_000).encode()))
    assert line == 1
    assert "nested more than" in message


def test_too_many_entries(lab, monkeypatch):
    from vesicula.manifest import yaml_text

    monkeypatch.setattr(yaml_text, "MAX_NODES", 20)
    assert "more than 20 entries" in only_problem(lab.write())[1]


def test_billion_laughs_is_refused_before_it_grows(lab):
    rows = ["a: &a [lol, lol]"] + [f"{b}: &{b} [*{a}, *{a}, *{a}]" for a, b in zip("abcdefgh", "bcdefghi", strict=True)]
    found = problems_of(lab.write_bytes("\n".join(rows).encode()))
    assert {line for line, message in found if "anchor" in message} == set(range(1, 10))
    assert sum("alias" in message for _, message in found) == 24


def test_problems_are_bounded(lab):
    lab.write_bytes(("vesicula: 1\n" + "".join(f"x{i}: 1\n" for i in range(5000))).encode())
    found = problems_of(lab.folder)
    assert len(found) == load_module.MAX_PROBLEMS + 1
    assert "4802 more problems" in found[-1][1]  # 5000 unknown fields and 2 missing ones, less the 200 shown


@pytest.mark.parametrize(
    "path",
    [
        "../secret.txt",
        "sub/../../secret.txt",
        "/etc/passwd",
        "C:\\secret.txt",
        "c:secret.txt",
        "..\\secret.txt",
        "\\\\server\\share\\x",
        "sub\\..\\..\\secret.txt",
        "..",
        "//server/x",
        "sub/..",
    ],
)
def test_path_out_of_the_folder(lab, path):
    (lab.folder.parent / "secret.txt").write_text("secret")
    lab.write("files: [sub/b size.txt]", f"files: ['{path}']")
    line, message = only_problem(lab.folder)
    assert line == lab.line("files: ['")
    assert "inside the study folder" in message


@pytest.mark.parametrize("target", ["../secret.txt", "../secret.txt-that-is-not-there"])
def test_link_out_of_the_folder(lab, target):
    (lab.folder.parent / "secret.txt").write_text("secret")
    (lab.folder / "link.txt").symlink_to(target)
    lab.write("files: [sub/b size.txt]", "files: [link.txt]")
    line, message = only_problem(lab.folder)
    assert line == lab.line("link.txt")
    assert "leads out of the study folder" in message


def test_linked_folder_out_of_the_folder(lab):
    outside = lab.folder.parent / "outside"
    outside.mkdir()
    (outside / "x.txt").write_text("secret")
    (lab.folder / "linked").symlink_to(outside)
    lab.write("files: [sub/b size.txt]", "files: [linked/x.txt]")
    assert "leads out" in only_problem(lab.folder)[1]


def test_link_within_the_folder_is_the_same_file(lab):
    (lab.folder / "link.txt").symlink_to("a_size.txt")
    lab.write("files: [sub/b size.txt]", "files: [sub/b size.txt, link.txt]")
    assert "listed already, on line 21" in only_problem(lab.folder)[1]


def test_link_within_the_folder_is_allowed(lab):
    (lab.folder / "link.txt").symlink_to("sub/b size.txt")
    lab.write("files: [sub/b size.txt]", "files: [link.txt]")
    assert load_manifest(lab.folder)[0].batches[0].samples[0].measurements[1].files == ("link.txt",)


def test_hard_link_is_the_same_file(lab):
    os.link(lab.folder / "a_size.txt", lab.folder / "other.txt")
    lab.write("files: [sub/b size.txt]", "files: [other.txt]")
    assert "listed already" in only_problem(lab.folder)[1]


def test_loop_of_links(lab):
    (lab.folder / "one.txt").symlink_to("two.txt")
    (lab.folder / "two.txt").symlink_to("one.txt")
    lab.write("files: [sub/b size.txt]", "files: [one.txt]")
    line, message = only_problem(lab.folder)
    assert line == lab.line("one.txt")
    assert "one.txt" in message


def test_study_folder_may_be_a_link(lab):
    lab.write()
    link = lab.folder.parent / "link"
    link.symlink_to(lab.folder)
    assert load_manifest(link)[0] == load_manifest(lab.folder)[0]


def test_backslash_counts_as_slash(lab):
    lab.write("files: [sub/b size.txt]", "files: ['sub\\b size.txt']")
    assert load_manifest(lab.folder)[0].batches[0].samples[0].measurements[1].files == ("sub/b size.txt",)


def test_blanks_of_a_file_name_are_kept(lab):
    lab.add(" blank .txt ")
    lab.write("files: [sub/b size.txt]", 'files: [" blank .txt "]')
    assert load_manifest(lab.folder)[0].batches[0].samples[0].measurements[1].files == (" blank .txt ",)


def test_unknown_word_is_a_warning_with_the_nearest(lab):
    _, source = load_manifest(lab.write("tissue: BM-MSC", "tissue: BM-MSX"))
    assert [(w.line, w.severity) for w in source.warnings] == [(lab.line("tissue"), "warning")]
    assert "BM-MSC" in source.warnings[0].remedy


@pytest.mark.parametrize("word", ["bm mscs", "bone marrow-derived MSC", "BM-MSC (donor pool)", "hBM-MSC, P4"])
def test_known_words_are_silent(lab, word):
    assert load_manifest(lab.write("tissue: BM-MSC", f"tissue: '{word}'"))[1].warnings == ()


def test_empty_fields_are_not_stated(lab):
    lab.text = re.sub(
        r"(tissue|volume_ml|isolation|criteria|produced_on):[^\n]*\n(      - [^\n]*\n        [^\n]*\n)?"
        r"(  - quantity.*)?",
        r"\1:\n",
        lab.text,
        flags=re.DOTALL,
    )
    lab.write_bytes(
        b"vesicula: 1\nstudy: {title: x, licence: ~}\nbatches:\n  - id: '~'\n    isolation:\n"
        b"    cell_source:\n    produced_on: null\n    samples:\n      - id: s\n        measurements:\n"
        b"criteria:\nignore:\n"
    )
    manifest, _ = load_manifest(lab.folder)
    batch = manifest.batches[0]
    assert (batch.id, batch.isolation, batch.produced_on, manifest.criteria) == ("~", (), None, ())


def test_errors_survive_a_trip_between_processes(lab):
    with pytest.raises(ManifestError) as caught:
        load_manifest(lab.write("passage: 4", "passage: p4"))
    assert pickle.loads(pickle.dumps(caught.value)).problems == caught.value.problems  # noqa: S301 - our own bytes


def test_inspection_keeps_the_manifest_when_only_files_are_missing(lab):
    inspection = inspect_manifest(lab.write("files: [sub/b size.txt]", "files: [gone.txt]"))
    assert inspection.manifest is not None
    assert [p.line for p in inspection.errors] == [lab.line("gone.txt")]


def test_pure_python_parser_finds_the_same(lab, monkeypatch):
    import yaml

    from vesicula.manifest import yaml_text

    lab.text = lab.text.replace("passage: 4", "passage: p4").replace("BM-MSC", "&x BM-MSC")
    fast = problems_of(lab.write("replicate: on", "replicate: on\n            replicate: off"))
    monkeypatch.setattr(yaml_text, "_PARSER", yaml.SafeLoader)
    assert problems_of(lab.folder) == fast
    assert len(fast) == 3
