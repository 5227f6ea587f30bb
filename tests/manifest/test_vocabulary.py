"""The vocabulary: every row is sound, and words are found as labs write them."""

import re
from typing import get_args

import pytest

from vesicula.core.errors import UnreadableFile
from vesicula.core.study import Manifest
from vesicula.manifest import vocabulary
from vesicula.manifest.load import WORDS
from vesicula.manifest.vocabulary import Kind, normalise, suggest, terms


@pytest.mark.parametrize("kind", get_args(Kind))
def test_rows(kind):
    seen = {}
    for term in terms(kind):
        assert term.source
        assert term.identifier == "" or re.fullmatch(r"(CL|UBERON|NCBITaxon|OBI):\d+", term.identifier)
        for word in (term.term, *term.synonyms):
            assert word == word.strip()
            assert normalise(kind, word) is term, f"{word!r} leads to two terms"
            seen[word.casefold()] = term
    assert len(seen) > len(terms(kind)) >= 4


def test_every_source_and_method_of_the_reviews_is_known():
    # cell_source and isolation_method of the reviews' tables, as printed there
    for word in (
        "iMSC",
        "BM-MSC",
        "MSC",
        "AT-MSC",
        "UC-MSC",
        "WJ-MSC",
        "ESC-MSC",
        "cardiac MSC",
        "gingiva MSC",
        "urine MSC",
        "UCB-MSC",
        "GC-MSC",
    ):
        assert normalise("cell_source", word).term == word
    for word in (
        "ultracentrifugation",
        "precipitation (ExoQuick)",
        "precipitation (ExoQuick-TC)",
        "chromatography",
        "HPLC",
        "differential ultracentrifugation",
        "density gradient",
        "ultrafiltration",
        "size-exclusion chromatography",
        "immunoaffinity capture",
        "precipitation (polymer)",
        "microfluidics",
    ):
        assert normalise("isolation_method", word) is not None, word


@pytest.mark.parametrize(
    ("kind", "text", "term"),
    [
        ("cell_source", "  bm_mscs ", "BM-MSC"),
        ("cell_source", "Adipose\u2010derived stem cells", "AT-MSC"),
        ("cell_source", "iPSC-derived MSCs", "iMSC"),
        ("cell_source", "Wharton\u2019s Jelly", "WJ-MSC"),
        ("isolation_method", "TFF", "tangential flow filtration"),
        ("isolation_method", "size exclusion chromatography", "size-exclusion chromatography"),
        ("species", "Human", "Homo sapiens"),
        ("medium", "α-MEM", "alpha-MEM"),
        ("serum", "Exosome-depleted FBS", "EV-depleted FBS"),
        ("protein_assay", "microbca", "micro-BCA"),
    ],
)
def test_normalise(kind, text, term):
    assert normalise(kind, text).term == term


@pytest.mark.parametrize("text", ["", "   ", "moon rock", "BM", "x" * 10_000])
def test_unknown_is_none_never_a_guess(text):
    assert normalise("cell_source", text) is None


def test_suggest():
    assert suggest("cell_source", "BM-MSX")[0] == "BM-MSC"
    assert (
        suggest("isolation_method", "ultracentrifugatoin") == ("differential ultracentrifugation",)
        or suggest("isolation_method", "ultracentrifugatoin")[0] == "differential ultracentrifugation"
    )
    assert suggest("species", "qqqqqq") == ()
    assert len(suggest("cell_source", "X-MSC", n=2)) == 2


def test_fields_with_a_vocabulary_are_checked_and_say_so():
    from vesicula.manifest.explain import model_at

    checked = {}
    for loc, kind in WORDS:
        model = model_at(tuple(step for step in loc[:-1] if step != "*"))
        field = model.model_fields[loc[-1]]
        checked.setdefault(str(field.json_schema_extra["x-vocabulary"]), set()).add(kind)
    assert checked == {
        "cell_source": {"cell_source"},
        "species": {"species"},
        "medium": {"medium"},
        "serum": {"serum"},
        "isolation_method": {"isolation_method"},
        "protein_assay or lipid_assay": {"protein_assay", "lipid_assay"},
    }
    assert Manifest.model_fields["batches"].is_required()


@pytest.mark.parametrize(
    "text",
    [
        "kind\tterm\n",
        "kind\tterm\tsynonyms\tidentifier\tsource\nspecies\tx\n",
        "kind\tterm\tsynonyms\tidentifier\tsource\nplanet\tx\t\t\ty\n",
        "kind\tterm\tsynonyms\tidentifier\tsource\nspecies\tx\t\t\ty\tz\n",
    ],
)
def test_damaged_table(tmp_path, monkeypatch, text):
    (tmp_path / "vocabulary.tsv").write_text(text)
    monkeypatch.setattr(vocabulary, "files", lambda _: tmp_path)
    with pytest.raises(UnreadableFile, match=r"vocabulary\.tsv: line [12]"):
        vocabulary._table.__wrapped__()
