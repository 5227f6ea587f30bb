"""`vesicula smallrna`: many samples, bad ones among them, resumed; the tables, and what MultiQC reads."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click.testing
import numpy as np
import polars as pl
import pytest

from vesicula.cargo.smallrna import kits, packaged_mirnas
from vesicula.cargo.smallrna import output as output_module
from vesicula.cargo.smallrna.output import count_matrix, multiqc_files, write_whole
from vesicula.cargo.smallrna.run import ReferenceChoice, SampleTask, check_names, count_sample
from vesicula.cargo.smallrna.simulate import SimulatedLibrary, simulate_reads, write_fastq
from vesicula.cli.smallrna import smallrna
from vesicula.core.errors import SettingsError, VesiculaError

Run = Callable[..., click.testing.Result]
SPIKE, ADAPTER = "TCACCGGGTGTAAATCAGCTTG", "TGGAATTCTCGGGTGCCAAGGAACTCCAGTCAC"


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run the command in this process; the command's exit code is its return value."""

    def call(*arguments: object, code: int = 0, workers: int = 1) -> click.testing.Result:
        words = [*map(str, arguments), "-o", str(tmp_path / "out"), "--workers", str(workers)]
        result = click.testing.CliRunner().invoke(smallrna, words, standalone_mode=False)
        if result.exception:
            raise result.exception
        assert result.return_value == code, result.output
        return result

    return call


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three good files, one truncated, one FASTA, one of no small RNA."""
    folder = tmp_path_factory.mktemp("fastq")
    for i, reads in enumerate((12_000, 15_000, 14_000)):
        simulated = simulate_reads(packaged_mirnas(), SimulatedLibrary(reads=reads), np.random.default_rng(i))
        write_fastq(simulated, folder / f"s{i}.fastq.gz")
    with (folder / "s2.fastq.gz").open("r+b") as handle:
        handle.truncate(150_000)
    (folder / "fasta.fastq").write_text(">x\nACGTACGTACGTACGT\n")
    rng = np.random.default_rng(9)
    reads = ["".join("ACGT"[i] for i in rng.integers(0, 4, 50)) for _ in range(300)]
    (folder / "noise.fq").write_text("".join(f"@x\n{s}\n+\n{'I' * 50}\n" for s in reads))
    return folder


def test_bad_files_do_not_lose_the_others(library: Path, run: Run, tmp_path: Path) -> None:
    files = [*sorted(library.iterdir()), tmp_path / "absent.fastq.gz"]
    result = run(*files, code=3)
    out = tmp_path / "out"
    for name in ("fasta.fastq", "noise.fq", "absent.fastq.gz"):
        lines = [line for line in result.stderr.splitlines() if f"{name}: not counted." in line]
        assert len(lines) == 1
    assert "Traceback" not in result.output
    assert result.stdout.startswith("0 of 6 samples can be used, 2 with care, 4 cannot.")
    assert json.loads((out / "s2.qc.json").read_text())["verdict"] == "partial"
    assert sorted(p.name for p in out.glob("*.qc.json")) == ["s0.qc.json", "s1.qc.json", "s2.qc.json"]
    assert pl.read_csv(out / "mirna_counts.tsv", separator="\t").columns == ["mirna", "s0", "s1", "s2"]
    assert "the file is damaged" in (out / "index.html").read_text()
    assert not list(out.glob("*.part"))


@pytest.mark.slow
def test_processes_give_the_same_and_a_run_goes_on(library: Path, run: Run, tmp_path: Path) -> None:
    files = []
    for i in range(6):
        files.append(tmp_path / f"f{i:02d}.fastq.gz")
        shutil.copyfile(library / f"s{i % 2}.fastq.gz", files[-1])
    run(*files[:3], workers=1)
    before = {p.name: p.stat().st_mtime_ns for p in (tmp_path / "out").glob("*.qc.json")}
    assert len(before) == 3
    result = run(*files, workers=2)
    assert "3 were kept from before" in result.stdout
    for name, time in before.items():
        assert (tmp_path / "out" / name).stat().st_mtime_ns == time
    long = pl.read_parquet(tmp_path / "out" / "mirna_counts.parquet")
    assert long["sample"].unique().sort().to_list() == [f.name.removesuffix(".fastq.gz") for f in files]
    # f00 was counted in this process, f04 by the second run: the same file, the same counts.
    one, two = (long.filter(pl.col("sample") == name).drop("sample") for name in ("f00", "f04"))
    assert one.equals(two)


CLUSTER = """
import sys
from distributed import LocalCluster
from vesicula.cli.smallrna import smallrna

if __name__ == "__main__":
    with LocalCluster(n_workers=1, threads_per_worker=1, host="127.0.0.1", dashboard_address=None) as cluster:
        words = [*sys.argv[1:], "--cluster", cluster.scheduler_address]
        sys.exit(smallrna(words, standalone_mode=False))
"""


@pytest.mark.slow
def test_a_dask_cluster_gives_the_same(library: Path, run: Run, tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    script, files = tmp_path / "cluster.py", [library / "s0.fastq.gz", library / "fasta.fastq"]
    script.write_text(CLUSTER, encoding="utf-8")
    words = [*files, "-o", tmp_path / "far"]
    result = subprocess.run([sys.executable, script, *words], capture_output=True, text=True, check=False, timeout=120)
    assert result.returncode == 3, result.stderr[-2000:]
    assert "fasta.fastq: not counted. line 1" in result.stderr
    run(*files, code=3)
    near, far = (pl.read_parquet(tmp_path / folder / "mirna_counts.parquet") for folder in ("out", "far"))
    assert near.height
    assert near.equals(far)


def task(path: Path, folder: Path, **changed: object) -> SampleTask:
    folder.mkdir(exist_ok=True)
    return SampleTask(path=path, folder=folder, **{"references": ReferenceChoice(), **changed})  # type: ignore[arg-type]


def test_what_is_counted_again(library: Path, tmp_path: Path) -> None:
    out, fasta, path = tmp_path / "out", tmp_path / "t.fa", tmp_path / "s.fastq.gz"
    shutil.copyfile(library / "s0.fastq.gz", path)
    fasta.write_text(">t\nGCATTGGTGGTTCAGTGGTAGAATTCTCGCC\n")
    choice = ReferenceChoice(other=(("tRNA", fasta),))
    assert not count_sample(task(path, out, references=choice)).kept
    assert count_sample(task(path, out, references=choice)).kept
    assert not count_sample(task(path, out, references=choice, redo=True)).kept
    assert not count_sample(task(path, out)).kept
    assert not count_sample(task(path, out, references=choice)).kept
    fasta.write_text(">t\nGCATTGGTGGTTCAGTGGTAGAATTCTCGCCTG\n")
    assert not count_sample(task(path, out, references=choice)).kept
    assert not count_sample(task(path, out, references=choice, gff=True)).kept
    assert count_sample(task(path, out, references=choice, gff=True)).kept
    (out / "s.gff3").unlink()
    assert not count_sample(task(path, out, references=choice, gff=True)).kept
    (out / "s.mirna.parquet").unlink()
    assert not count_sample(task(path, out, references=choice, gff=True)).kept
    (out / "s.qc.json").write_text("[1]")
    again = count_sample(task(path, out, references=choice, gff=True))
    assert again.quality is not None
    assert not again.kept
    kept = count_sample(task(path, out, references=choice, gff=True))
    assert kept.quality == again.quality
    path.write_bytes((library / "s1.fastq.gz").read_bytes())
    assert not count_sample(task(path, out, references=choice, gff=True)).kept


def test_a_sample_cut_off_while_writing_is_not_taken_for_done(
    library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    path = library / "s0.fastq.gz"
    assert count_sample(task(path, out, gff=True)).quality
    with monkeypatch.context() as patched:

        def full(*_: object) -> None:
            raise OSError(28, "No space left on device", str(out / "s0.qc.json"))

        patched.setattr(output_module, "write_json", full)
        failed = count_sample(task(path, out, gff=True, redo=True))
    assert failed.quality is None
    assert "No space left on device" in failed.error
    assert not (out / "s0.qc.json").exists()
    assert not list(out.glob("*.part"))
    again = count_sample(task(path, out, gff=True))
    assert again.quality
    assert not again.kept


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")

    def half(part: Path) -> None:
        part.write_text("ne")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        write_whole(path, half)
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]
    assert path.read_text() == "old"


def test_the_matrix_holds_what_the_long_table_does() -> None:
    long = pl.DataFrame({
        "sample": ["a", "a", "b", "b"], "mirna": ["m1", "m2", "m2", "m3"], "molecules_em": [2.4, 7.6, 5.0, 0.3],
    })  # fmt: skip
    wide = count_matrix(long, ["a", "b", "empty"])
    assert wide.rows() == [("m1", 2, 0, 0), ("m2", 8, 5, 0)]
    assert wide.columns == ["mirna", "a", "b", "empty"]


def test_molecules_per_vesicle_and_gff(library: Path, run: Run, tmp_path: Path) -> None:
    simulated = simulate_reads(packaged_mirnas(), SimulatedLibrary(reads=12_000), np.random.default_rng(5))
    path = tmp_path / "ev.fastq"
    write_fastq(simulated, path)
    read = (SPIKE + ADAPTER)[:51]
    with path.open("a") as handle:
        handle.write(f"@s\n{read}\n+\n{'I' * 51}\n" * 300)
    sheet = tmp_path / "samples.csv"
    sheet.write_text("sample,particles,spike_in,spike_copies\nev,1e8,cel-miR-39-3p,3e5\nother,1,x,1\n")
    run(path, library / "s0.fastq.gz", "--samples", sheet, "--gff", "--medium", "s0")
    out = tmp_path / "out"
    table = pl.read_csv(out / "mirna_per_particle.tsv", separator="\t")
    assert table["sample"].unique().to_list() == ["ev"]
    first = table.row(0, named=True)
    assert first["molecules_per_particle"] == pytest.approx(first["reads"] * 3e5 / 300 / 1e8)
    html = (out / "index.html").read_text()
    assert "Molecules per vesicle" in html
    assert "no file given: other" in html
    assert "too few (20 are needed)" in html
    assert (out / "ev.gff3").read_text().startswith("## mirGFF3")


def test_json_is_all_numbers(library: Path, run: Run) -> None:
    found = json.loads(run(library / "s0.fastq.gz", library / "s1.fastq.gz", "--json").stdout)
    assert [q["sample"] for q in found] == ["s0", "s1"]
    for q in found:
        assert q["reads"]["kept"] == sum(q["classes"].values())
        assert q["foreign_share"]["low"] == 0
        assert q["detection_limit_rpm"] == pytest.approx(1e6 * 2.9957 / q["classes"]["miRNA"], rel=1e-3)


def test_what_multiqc_reads(library: Path, run: Run, tmp_path: Path) -> None:
    """The form of MultiQC's custom content (seen to be read by MultiQC 1.35, which is not needed here)."""
    run(library / "s0.fastq.gz", library / "s1.fastq.gz")
    found = {p.name: json.loads(p.read_text()) for p in (tmp_path / "out").glob("*_mqc.json")}
    assert set(found) == set(multiqc_files([]))
    assert len(found) == 4
    ids = [content["id"] for content in found.values()]
    assert len(set(ids)) == 4
    for content in found.values():
        assert set(content["data"]) == {"s0", "s1"}
        numbers = [value for row in content["data"].values() for value in row.values()]
        assert numbers
        assert all(isinstance(value, int | float) for value in numbers)
    general = found["vesicula_smallrna_general_mqc.json"]
    assert general["plot_type"] == "generalstats"
    columns = [name for column in general["pconfig"] for name in column]
    assert all(len(column) == 1 and "title" in next(iter(column.values())) for column in general["pconfig"])
    assert all(list(row) == columns for row in general["data"].values())
    kinds = {name: content["plot_type"] for name, content in found.items() if content is not general}
    assert sorted(kinds.values()) == ["bargraph", "bargraph", "linegraph"]
    for name in kinds:
        assert found[name]["pconfig"]["id"] != found[name]["id"]
        assert found[name]["pconfig"]["title"]
    lengths = found["vesicula_smallrna_lengths_mqc.json"]["data"]["s0"]
    # MultiQC sorts these keys as words; they must be in order as numbers, too.
    assert [int(key) for key in sorted(lengths)] == list(range(10, 64))
    assert max(lengths, key=lengths.__getitem__) in ("21", "22", "23")
    fates = found["vesicula_smallrna_reads_mqc.json"]["data"]["s0"]
    assert sum(fates.values()) == 12_000


def test_settings_that_cannot_be_are_one_error(library: Path, run: Run, tmp_path: Path) -> None:
    path = library / "s0.fastq.gz"
    for words, message in (
        ((path, "--medium", "s9"), "no file of that sample"), ((path, "--kit", "nono"), "known: truseq"),
        ((path, "--kit", "truseq", "--adapter", "ACGTACGT"), "not both"),
        ((path, "--umi", "8"), "belong to an --adapter"), ((path, "--other", "tRNA"), "CLASS=FASTA"),
        ((path, path), "same name"), ((path, "--other", f"tRNA={tmp_path / 'no.fa'}"), "no.fa"),
        ((path, "--other", f"tRNA={path}"), "s0.fastq.gz: line 1"),
    ):  # fmt: skip
        with pytest.raises(VesiculaError, match=message):
            run(*words)
    (tmp_path / "file").write_text("no folder")
    words = [str(path), "-o", str(tmp_path / "file" / "out")]
    result = click.testing.CliRunner().invoke(smallrna, words, standalone_mode=False)
    assert isinstance(result.exception, VesiculaError)
    assert "cannot be made: Not a directory" in str(result.exception)
    with pytest.raises(SettingsError, match="column of the miRNAs"):
        check_names([tmp_path / "mirna.fastq"])


def test_help_names_the_kits() -> None:
    text = " ".join(click.testing.CliRunner().invoke(smallrna, ["--help"]).output.split())
    for kit in kits():
        assert f"{kit.name}," in text
