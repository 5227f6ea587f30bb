"""From a study folder to an assessment: numbers, bad files, resume, processes, cluster."""

from __future__ import annotations

import dataclasses
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from vesicula.assess import batch as batch_module
from vesicula.assess.executor import run_tasks
from vesicula.assess.study import AnalysisSettings, Study
from vesicula.core.assessment import Assessment, batch_from_json, to_json
from vesicula.core.errors import AnalysisError
from vesicula.core.finding import Finding, Verdict
from vesicula.instruments.nta.infer import StatisticsSettings


def finding(assessment: Assessment, name: str) -> Finding:
    found = {f.id: f for b in assessment.batches for f in b.findings}
    return found[name]


def test_numbers_of_the_vendor_come_out(study_folder: Path) -> None:
    assessment = Study.load(study_folder).analyse()
    mean = finding(assessment, "A/S1/load 1/size/mean_diameter_nm")
    # beads2.csv, [Size Data]: Average of Mean is 101.5, Concentration average 6.09e12.
    assert mean.vendor_value == 101.5
    assert mean.estimate is not None
    assert mean.estimate.value == pytest.approx(101.5, abs=0.06)
    concentration = finding(assessment, "A/S1/concentration/concentration_per_ml")
    assert concentration.estimate is not None
    assert concentration.estimate.value == pytest.approx(6.09e12, rel=0.005)
    assert concentration.estimate.low is not None
    assert concentration.estimate.low < 6.09e12 < (concentration.estimate.high or 0)
    assert set(concentration.estimate.carries) == {"counting", "between-capture"}


def test_dilution_of_the_manifest_is_undone(study_folder: Path) -> None:
    assessment = Study.load(study_folder).analyse()
    concentration = finding(assessment, "B/S1/concentration/concentration_per_ml")
    assert concentration.estimate is not None
    # beads.csv states 1.47e9 per mL with the dilution not recorded; the manifest gives 10 000.
    assert concentration.estimate.value == pytest.approx(1.47e13, rel=0.005)
    assert concentration.verdict is Verdict.NOT_JUDGED


def test_unknown_dilution_is_not_a_concentration_of_the_sample(study_folder: Path) -> None:
    manifest = (study_folder / "study.yaml").read_text().replace("            dilution_factor: 10000\n", "")
    (study_folder / "study.yaml").write_text(manifest)
    assessment = Study.load(study_folder).analyse()
    ids = {f.id for b in assessment.batches for f in b.findings}
    assert "B/S1/concentration/concentration_per_ml" not in ids
    assert finding(assessment, "B/S1/concentration/unknown").verdict is Verdict.NOT_MEASURED
    suspension = finding(assessment, "B/S1/concentration/concentration_in_suspension_per_ml")
    assert suspension.estimate is not None
    assert suspension.estimate.value == pytest.approx(1.47e9, rel=0.005)
    purity = finding(assessment, "B/S1/purity/particles_per_ug_protein")
    assert purity.verdict is Verdict.NOT_MEASURED


def test_purity_is_concentration_over_protein(study_folder: Path) -> None:
    purity = finding(Study.load(study_folder).analyse(), "A/S1/purity/particles_per_ug_protein")
    assert purity.estimate is not None
    assert purity.estimate.value == pytest.approx(6.09e12 / 200, rel=0.005)
    assert "protein-assay" in purity.estimate.carries
    assert any("Webber" in c.text for c in purity.citations)


def test_release_limits_are_judged(study_folder: Path) -> None:
    assessment = Study.load(study_folder).analyse()
    by_title = {(f.batch, f.title): f for b in assessment.batches for f in b.findings if f.topic == "release"}
    assert by_title["A", "Release limit: Mode diameter"].verdict is Verdict.MET
    assert by_title["A", "Release limit: Particles per microgram of protein"].verdict is Verdict.MET
    assert by_title["B", "Release limit: Particles per microgram of protein"].verdict is Verdict.NOT_MEASURED


def test_a_bad_file_stops_nothing_and_is_told(study_folder: Path) -> None:
    assessment = Study.load(study_folder).analyse()
    (failed,) = assessment.failed_files
    assert failed.path == "noise.csv"
    assert "nothing,an,instrument,wrote" in failed.error
    assert str(study_folder) not in failed.error, "an error in the dossier must not show where the lab keeps its files"
    told = finding(assessment, "B/S1/noise/file/noise.csv")
    assert told.headline
    assert told.verdict is Verdict.NOT_MEASURED
    assert finding(assessment, "B/S1/size/median_diameter_nm").estimate is not None


def test_every_number_can_be_traced(study_folder: Path) -> None:
    import hashlib

    hashes = {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in study_folder.glob("*.csv")}
    for batch in Study.load(study_folder).analyse().batches:
        for f in batch.findings:
            if f.estimate is None:
                continue
            assert f.method is not None, f.id
            assert f.method.version, f.id
            assert f.inputs, f.id
            assert all(hashes[i.path] == i.sha256 for i in f.inputs), f.id


def test_ids_are_unique(study_folder: Path) -> None:
    ids = [f.id for b in Study.load(study_folder).analyse().batches for f in b.findings]
    assert len(ids) == len(set(ids))


def test_json_round_trip(study_folder: Path) -> None:
    for batch in Study.load(study_folder).analyse().batches:
        assert batch_from_json(to_json(batch)) == batch


def test_a_second_run_computes_nothing(study_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = Study.load(study_folder).analyse()
    kept = [to_json(b) for b in first.batches]
    monkeypatch.setattr(batch_module, "assess_batch", _refuse)
    reused = []
    again = Study.load(study_folder).analyse(progress=lambda _d, _t, outcome: reused.append(outcome.reused))
    assert reused == [True, True]
    assert [to_json(b) for b in again.batches] == kept


def _refuse(*_: object) -> None:
    raise AssertionError("computed again")


@pytest.mark.parametrize("change", ["file", "manifest", "settings"])
def test_what_has_changed_is_computed_again(study_folder: Path, change: str) -> None:
    Study.load(study_folder).analyse()
    settings = AnalysisSettings()
    if change == "file":
        path = study_folder / "beads2.csv"
        path.write_bytes(path.read_bytes().replace(b"Operator Name,", b"Operator Name,me", 1))
    elif change == "manifest":
        path = study_folder / "study.yaml"
        path.write_text(path.read_text().replace("concentration_ug_per_ml: 200", "concentration_ug_per_ml: 100"))
    else:
        settings = AnalysisSettings(statistics=StatisticsSettings(level=0.9))
    reused: dict[str, bool] = {}
    Study.load(study_folder).analyse(
        settings=settings, progress=lambda _d, _t, outcome: reused.update({outcome.batch: outcome.reused})
    )
    assert reused == {"A": False, "B": change != "settings"}


def test_a_damaged_result_is_computed_again(study_folder: Path) -> None:
    first = [to_json(b) for b in Study.load(study_folder).analyse().batches]
    for path in (study_folder / ".vesicula" / "results").iterdir():
        path.write_bytes(path.read_bytes()[:100])
    assert [to_json(b) for b in Study.load(study_folder).analyse().batches] == first


def test_processes_give_the_same_as_none(study_folder: Path, tmp_path: Path) -> None:
    alone = Study.load(study_folder).analyse(workers=1, work=tmp_path / "one")
    spread = Study.load(study_folder).analyse(workers=2, work=tmp_path / "two")
    assert [to_json(b) for b in alone.batches] == [to_json(b) for b in spread.batches]


def test_a_defect_of_ours_stops_nothing_and_is_tried_again(study_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(task: batch_module.BatchTask, hashes: dict[str, str], key: str) -> object:
        if task.batch.id == "A":
            raise ZeroDivisionError("our fault")
        return original(task, hashes, key)

    original = batch_module.assess_batch
    monkeypatch.setattr(batch_module, "assess_batch", broken)
    outcomes = []
    assessment = Study.load(study_folder).analyse(progress=lambda _d, _t, o: outcomes.append((o.batch, o.defect)))
    assert sorted(outcomes) == [("A", True), ("B", False)]
    assert "ZeroDivisionError: our fault" in finding(assessment, "A/defect").statement
    monkeypatch.undo()
    assert finding(Study.load(study_folder).analyse(), "A/S1/size/median_diameter_nm").estimate is not None


def test_workers_must_be_positive(study_folder: Path) -> None:
    with pytest.raises(AnalysisError, match="at least 1"):
        Study.load(study_folder).analyse(workers=0)


def test_a_cluster_that_does_not_answer(study_folder: Path) -> None:
    pytest.importorskip("distributed")
    with pytest.raises(AnalysisError, match="no Dask scheduler answers"):
        list(run_tasks(str, [1], cluster="tcp://127.0.0.1:1"))


CLUSTER = """
import sys
from distributed import LocalCluster
from vesicula.assess.study import Study
from vesicula.core.assessment import to_json

if __name__ == "__main__":
    with LocalCluster(n_workers=1, threads_per_worker=1, host="127.0.0.1", dashboard_address=None) as cluster:
        assessment = Study.load(sys.argv[1]).analyse(cluster=cluster.scheduler_address)
        sys.stdout.buffer.write(b"\\n".join(to_json(b) for b in assessment.batches))
"""


@pytest.mark.slow
def test_a_dask_cluster_gives_the_same(study_folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    script = tmp_path / "cluster.py"
    script.write_text(CLUSTER, encoding="utf-8")
    result = subprocess.run(
        [sys.executable, script, study_folder], capture_output=True, check=False, timeout=120, cwd=tmp_path
    )
    assert result.returncode == 0, result.stderr.decode()[-2000:]
    alone = Study.load(study_folder).analyse(work=tmp_path / "alone")
    assert result.stdout == b"\n".join(to_json(b) for b in alone.batches)


def many(folder: Path, beads: tuple[Path, Path], count: int) -> None:
    folder.mkdir()
    batches = []
    for i in range(count):
        name = f"f{i}.csv"
        data = beads[i % 2].read_bytes().replace(b"Operator Name,", f"Operator Name,{i}".encode(), 1)
        (folder / name).write_bytes(data)
        batches.append(f"- id: B{i}\n  samples:\n  - id: S\n    measurements:\n    - files: [{name}]\n")
    (folder / "study.yaml").write_text("vesicula: 1\nstudy: {title: Many}\nbatches:\n" + "".join(batches))


@pytest.mark.slow
def test_killed_in_the_middle_it_resumes(tmp_path: Path, beads: tuple[Path, Path]) -> None:
    folder = tmp_path / "many"
    many(folder, beads, 60)
    command = [
        sys.executable,
        "-c",
        "import sys; from vesicula.assess.study import Study; Study.load(sys.argv[1]).analyse(workers=1)",
    ]
    results = folder / ".vesicula" / "results"
    with subprocess.Popen([*command, folder]) as process:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and (not results.exists() or len(list(results.glob("*.msgpack"))) < 5):
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
    finished = len(list(results.glob("*.msgpack")))
    assert 5 <= finished < 60
    reused = []
    assessment = Study.load(folder).analyse(progress=lambda _d, _t, outcome: reused.append(outcome.reused))
    assert sum(reused) == finished
    assert len(assessment.batches) == 60
    assert all(b.findings for b in assessment.batches)


@pytest.mark.slow
def test_interrupted_it_says_so_and_keeps_what_is_done(tmp_path: Path, beads: tuple[Path, Path]) -> None:
    folder = tmp_path / "many"
    many(folder, beads, 80)
    vesicula = Path(sys.executable).with_name("vesicula")
    results = folder / ".vesicula" / "results"
    with subprocess.Popen(
        [vesicula, "run", folder, "--workers", "2"], stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and (not results.exists() or len(list(results.glob("*.msgpack"))) < 5):
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: the parent and its workers
        _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in error
    assert "run the same command again" in error
    assert not list(results.glob("*.part"))


def die(task: int) -> int:
    """Kill the process that works on an odd task, unless it is the parent."""
    if task % 2 and os.environ.get("VESICULA_TEST_PARENT") != str(os.getpid()):
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.05)
    return task


DIE = """
import os, sys
sys.path.insert(0, sys.argv[1])
from vesicula.core.errors import AnalysisError
from vesicula.assess.executor import run_tasks
from test_study import die
if __name__ == "__main__":
    os.environ["VESICULA_TEST_PARENT"] = str(os.getpid())
    try:
        list(run_tasks(die, list(range(200)), workers=2))
    except AnalysisError as error:
        print(error)
"""


@pytest.mark.slow
def test_a_killed_worker_is_one_clear_error(tmp_path: Path) -> None:
    script = tmp_path / "die.py"
    script.write_text(DIE, encoding="utf-8")
    result = subprocess.run(
        [sys.executable, script, Path(__file__).parent], capture_output=True, text=True, check=False, timeout=120
    )
    assert "a worker process was killed" in result.stdout, result.stderr[-1500:]


def test_a_link_out_of_the_folder_is_refused(study_folder: Path, tmp_path: Path, beads: tuple[Path, Path]) -> None:
    outside = tmp_path / "outside.csv"
    shutil.copyfile(beads[1], outside)
    study = Study.load(study_folder)
    (study_folder / "beads2.csv").unlink()
    (study_folder / "beads2.csv").symlink_to(outside)
    # The manifest was checked before the link was made: the worker must look again.
    assessment = dataclasses.replace(study).analyse()
    assert [f.path for f in assessment.failed_files] == ["beads2.csv", "noise.csv"]


def test_a_file_that_vanishes_after_the_check(study_folder: Path) -> None:
    study = Study.load(study_folder)
    (study_folder / "beads2.csv").unlink()
    assessment = study.analyse()
    assert [f.path for f in assessment.failed_files] == ["beads2.csv", "noise.csv"]
    assert finding(assessment, "A/S1/size/none").verdict is Verdict.NOT_MEASURED


def test_a_file_that_was_never_there(study_folder: Path) -> None:
    (study_folder / "beads2.csv").unlink()
    assessment = Study.load(study_folder).analyse()
    assert [f.path for f in assessment.failed_files] == ["beads2.csv", "noise.csv"]


def test_what_no_interval_knows_of_is_said(study_folder: Path) -> None:
    told = finding(Study.load(study_folder).analyse(), "A/S1/validity/ftla")
    assert told.verdict is Verdict.NOT_JUDGED  # five captures
    twin = next((Path(__file__).parents[1] / "data" / "zetaview").glob("*_size_*.txt"))
    shutil.copyfile(twin, study_folder / "beads2.csv")
    told = finding(Study.load(study_folder).analyse(), "A/S1/validity/finite-tracks")
    # 15 frames: 1 / sqrt(13) = 27.7 %
    assert "28 %" in told.statement
