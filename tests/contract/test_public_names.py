"""What the package exports is listed, sorted, importable and documented."""

from __future__ import annotations

import subprocess
import sys

import vesicula


def test_all_is_sorted_and_importable() -> None:
    assert list(vesicula.__all__) == sorted(vesicula.__all__)
    for name in vesicula.__all__:
        assert getattr(vesicula, name) is not None
        if name != "__version__":
            assert getattr(vesicula, name).__doc__, name


def test_unknown_names_fail_as_usual() -> None:
    assert not hasattr(vesicula, "no_such_name")


def test_import_is_cheap() -> None:
    code = "import sys, vesicula; sys.exit(str({'numpy', 'polars', 'scipy', 'pydantic'} & set(sys.modules) or 0))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.stderr.strip() == "0", result.stderr


def test_results_show_themselves_in_a_notebook(study_folder: object) -> None:
    study = vesicula.Study.load(str(study_folder))
    assessment = study.analyse()
    for shown in (study, assessment, assessment.batches[0], vesicula.read(study.folder / "beads2.csv")):
        html = shown._repr_html_()
        assert "<table>" in html
        assert "<script" not in html
