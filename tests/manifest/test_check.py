"""What check points out beyond the manifest itself."""

import os

from vesicula.manifest.check import MAX_UNLISTED, check_study


def report(lab, fake, **options):
    return check_study(lab.folder, recognise=fake.recognise, read=options.get("read", fake.read))


def found(lab, fake, severity, words):
    return [(p.line, p.message) for p in report(lab, fake).problems if p.severity == severity and words in p.message]


def test_counts_and_order(lab, fake):
    lab.write()
    result = report(lab, fake)
    assert (result.n_batches, result.n_samples, result.n_files) == (1, 1, 3)
    assert result.errors == ()
    lines = [p.line for p in result.problems]
    assert [n for n in lines if n] == sorted(n for n in lines if n)
    assert 0 not in lines[: len([n for n in lines if n])]


def test_errors_of_the_manifest_are_the_loader_s(lab, fake):
    lab.write("passage: 4", "passage: p4")
    result = report(lab, fake)
    assert [(p.line, p.severity) for p in result.problems] == [(lab.line("passage"), "error")]
    assert result.n_files == 0


def test_missing_file_does_not_stop_the_rest(lab, fake):
    lab.add("a_size.txt", "FAKE SIZE\nDilution:500\n")
    lab.write("files: [sub/b size.txt]", "files: [gone.txt]")
    assert [p.line for p in report(lab, fake).errors] == [lab.line("dilution_factor"), lab.line("gone.txt")]


def test_dilution_conflict_names_both(lab, fake):
    lab.add("a_size.txt", "FAKE SIZE\nDilution:500\n")
    lab.write()
    [(line, message)] = found(lab, fake, "error", "dilution")
    assert line == lab.line("dilution_factor")
    assert "1000 here" in message
    assert "records 500" in message


def test_dilution_within_one_percent_agrees(lab, fake):
    lab.add("a_size.txt", "FAKE SIZE\nDilution:1009\n")
    lab.write()
    assert found(lab, fake, "error", "dilution") == []


def test_dilution_of_one_in_the_file_is_a_warning(lab, fake):
    lab.add("a_size.txt", "FAKE SIZE\nDilution:1\n")
    lab.write()
    [(line, message)] = found(lab, fake, "warning", "records 1")
    assert line == lab.line("dilution_factor")
    assert "1000 here" in message


def test_dilution_of_one_that_was_applied_is_an_error(lab, fake):
    lab.add("a_size.txt", "FAKE SIZE APPLIED\nDilution:1\n")
    lab.write()
    assert len(found(lab, fake, "error", "has applied it")) == 1


def test_dilution_known_nowhere(lab, fake):
    lab.write()
    assert [line for line, _ in found(lab, fake, "warning", "no dilution_factor")] == [lab.line("sub/b size")]
    lab.add("sub/b size.txt", "FAKE SIZE\nDilution:20\n")
    assert found(lab, fake, "warning", "no dilution_factor") == []


def test_file_that_no_reader_knows(lab, fake):
    lab.add("a_size.txt", "a letter to the editor")
    lab.write()
    [(line, message)] = found(lab, fake, "warning", "no known format")
    assert line == lab.line("files: [a_size")
    assert "'a_size.txt'" in message


def test_file_that_cannot_be_read(lab, fake):
    lab.add("a_size.txt", "FAKE SIZE TRUNCATED")
    lab.write()
    [(line, message)] = found(lab, fake, "warning", "cannot be read")
    assert line == lab.line("files: [a_size")
    assert "line 2: expected a table, found nothing" in message


def test_unknown_reader(lab, fake):
    lab.write("replicate: on", "replicate: on\n            reader: zetavue")
    [(line, message)] = found(lab, fake, "error", "zetavue")
    assert line == lab.line("reader: zetavue")
    assert "fake_size" in message


def test_equal_contents(lab, fake):
    lab.add("sub/b size.txt", (lab.folder / "a_size.txt").read_text())
    lab.write()
    [(line, message)] = found(lab, fake, "warning", "same content")
    assert line == lab.line("sub/b size")
    assert f"line {lab.line('files: [a_size')}" in message


def test_unlisted_and_ignored_files(lab, fake):
    lab.add("extra.txt")
    lab.add("notes/one.txt", "x")
    lab.add("notes/two.txt", "x")
    lab.add("dossier/ro-crate-metadata.json", "{}")
    lab.add("dossier/data/x.txt", "x")
    lab.add(".hidden/x.txt", "x")
    lab.add(".vesicula/results/x.txt", "x")
    (lab.folder / "link.txt").symlink_to("/etc/passwd")
    lab.write()
    names = [m for _, m in found(lab, fake, "note", "listed nowhere")]
    assert len(names) == 3
    assert "'extra.txt'" in names[0]
    assert "Fake size" in names[0]
    assert "Fake" not in names[1]
    assert len(found(lab, fake, "note", "'link.txt' is passed over")) == 1
    lab.write("criteria:", "ignore: [notes, extra.txt, link.txt]\ncriteria:")
    assert found(lab, fake, "note", "listed nowhere") == []
    assert found(lab, fake, "note", "passed over") == []


def test_many_unlisted_files_are_counted(lab, fake):
    for i in range(MAX_UNLISTED + 7):
        lab.add(f"extra/{i}.txt", "x")
    lab.write()
    assert len(found(lab, fake, "note", "is in the folder but listed nowhere")) == MAX_UNLISTED
    assert [m for _, m in found(lab, fake, "note", "more files")] == ["7 more files are listed nowhere."]


def test_what_the_dossier_will_lack(lab, fake):
    lab.write()
    lacks = {p.message for p in report(lab, fake).problems if p.severity == "note"}
    assert any("species" in m for m in lacks)
    assert any("cell_count" in m for m in lacks)
    assert any("freeze_thaw_cycles" in m for m in lacks)
    assert not any("tissue" in m or "isolation" in m or "protein" in m or "criteria" in m for m in lacks)
    lab.text = lab.text.replace("criteria:", "x:").split("x:")[0].replace("tissue: BM-MSC", "notes: x")
    lab.write("        protein:\n          method: BCA\n          concentration_ug_per_ml: 182\n", "")
    lacks = {p.message for p in report(lab, fake).problems if p.severity == "note"}
    assert any("tissue" in m for m in lacks)
    assert any("no particles per microgram" in m for m in lacks)
    assert any("release limits" in m for m in lacks)


def test_one_replicate(lab, fake):
    lab.write()
    assert found(lab, fake, "note", "one size measurement") == []
    lab.add("sub/b size.txt", "FAKE TABLE")
    assert [line for line, _ in found(lab, fake, "note", "one size measurement")] == [lab.line("id: no")]


def test_sample_without_measurements(lab, fake):
    lab.write("criteria:", "  - id: B2\n    samples:\n      - id: empty\ncriteria:")
    assert [line for line, _ in found(lab, fake, "warning", "no measurements")] == [lab.line("id: empty")]


def test_without_reading_files(lab, fake):
    lab.add("a_size.txt", "FAKE SIZE TRUNCATED\nDilution:500\n")
    lab.write()
    result = report(lab, fake, read=None)
    assert not [p for p in result.problems if p.severity != "note"]


def test_files_outside_are_never_opened(lab, fake):
    outside = lab.folder.parent / "secret.txt"
    outside.write_text("FAKE SIZE TRUNCATED")
    (lab.folder / "link.txt").symlink_to(outside)
    lab.write("files: [sub/b size.txt]", "files: [link.txt]")
    opened = []

    def read(path, *, reader=None):
        opened.append(os.path.realpath(path))
        return fake.read(path, reader=reader)

    result = report(lab, fake, read=read)
    assert [p.line for p in result.errors] == [lab.line("link.txt")]
    assert opened
    assert str(outside) not in opened


def test_missing_folder(tmp_path, fake):
    result = check_study(tmp_path / "nowhere", recognise=fake.recognise, read=fake.read)
    assert [p.severity for p in result.problems] == ["error"]
