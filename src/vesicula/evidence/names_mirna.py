"""miRNA names: species, arms, copies, families and names that miRBase has dropped."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cache

from vesicula.evidence.names_tables import Hit, Resolution, Status, label_in, name_key, registry

_MIR_SPECIES = {"hsa": "Homo sapiens", "mmu": "Mus musculus", "rno": "Rattus norvegicus"}
_MIR_TAXA = {"NCBITaxon:9606": "hsa", "NCBITaxon:10090": "mmu", "NCBITaxon:10116": "rno"}
_MIR_FORM = re.compile(
    r"^(?:(?P<species>[a-z]{3,4})-)?"
    r"(?:(?:micro-?\s?rna|mi-?rna|mir)s?[-_ ]*(?P<number>\d+\S*)|(?P<let>let)[-_ ]*(?P<letno>7\S*))$",
    re.IGNORECASE,
)


def is_mirna_name(text: str) -> bool:
    """Whether a text has the form of a miRNA's name, known or not."""
    return _MIR_FORM.match(_mir_spelling(text)) is not None


def _mir_spelling(text: str) -> str:
    out = unicodedata.normalize("NFKC", " ".join(text.split()))
    return re.sub(r"[\u2010-\u2015\u2212]", "-", out)


def resolve_mirna(text: str, species: str | None) -> Resolution:
    """Find what a miRNA's name stands for; see :func:`vesicula.evidence.names.resolve`."""
    form = _MIR_FORM.match(_mir_spelling(text))
    if form is None:
        return Resolution(kind="mirna", text=text, status="unmapped", note="Not the form of a miRNA's name.")
    body = f"let-{form['letno']}" if form["let"] else f"mir-{form['number']}"
    body = re.sub(r"(?<=\d)([a-z]?)[-_ ]?(star|\*)$", r"\1*", body.lower())
    code, assumed = _mir_species(form["species"], species)
    if code not in _MIR_SPECIES:
        note = f"Species {code!r} is not among the packaged ones ({', '.join(_MIR_SPECIES)})."
        return Resolution(kind="mirna", text=text, status="unmapped", note=note)
    found = _mir_lookup(text, body, code)
    return replace(found, note=f"{found.note} {assumed}".strip())


def _mir_species(prefix: str | None, species: str | None) -> tuple[str, str]:
    if prefix:
        return prefix.lower(), ""
    if species is None:
        return "hsa", "No species is named with the miRNA: human assumed."
    taxa = {species, *(h.identifier for h in registry("species").hits(name_key(species)))}
    return next((_MIR_TAXA[t] for t in sorted(taxa) if t in _MIR_TAXA), species), "Species taken from the claim."


def _mir_hits(body: str, code: str, *, mature: bool) -> list[Hit]:
    want = "mature:" if mature else "precursor:"
    return [
        Hit(h.identifier, h.relation.removeprefix(want), h.name)
        for h in registry("mirna").hits(body)
        if h.relation.startswith(want) and h.name.startswith(f"{code}-")
    ]


def _mir_lookup(text: str, body: str, code: str) -> Resolution:
    mature = _mir_hits(body, code, mature=True)
    whole_arm = re.search(r"(-[53]p|\*)$", body) is not None
    now = [h for h in mature if h.relation == "label"]
    # "mir" in lower case is the hairpin's name by miRBase's rule, but hardly anybody but miRBase keeps to it.
    hairpins = _hairpins(body, code)
    if now and (whole_arm or text == now[0].name or not text.startswith(f"{code}-mir-")):
        return _mir_answer(text, now, "")
    if whole_arm and mature:
        return _mir_answer(text, mature, _dead_note(mature))
    if hairpins:
        return _mir_hairpin(text, body, code, hairpins)
    if whole_arm:
        return _mir_without_arm(text, body, code)
    if mature:
        return _mir_answer(text, mature, _dead_note(mature))
    return _mir_family(text, body, code)


def _hairpins(body: str, code: str) -> list[Hit]:
    """Precursors that bear the name, or its numbered copies (mir-16 stands for mir-16-1 and mir-16-2)."""
    exact = _mir_hits(body, code, mature=False)
    if any(h.relation == "label" for h in exact):
        return [h for h in exact if h.relation == "label"]
    every = [h for n in range(1, 10) for h in _mir_hits(f"{body}-{n}", code, mature=False)]
    copies = [h for h in every if h.relation == "label"]
    return copies or [h for h in (*exact, *every) if not _dead(h.identifier)]


def _dead(accession: str) -> bool:
    found = registry("mirna").term(accession)
    return bool(found and found[1] and found[1][0].startswith("dead:"))


def _dead_note(hits: Sequence[Hit]) -> str:
    release = hits[0].relation.partition(":")[2]
    gone = " The entry was withdrawn after it." if _dead(hits[0].identifier) else ""
    return f"A former name, last used in miRBase {release}; now {label_in('mirna', hits[0].identifier)}.{gone}"


def _mir_answer(text: str, hits: Sequence[Hit], note: str) -> Resolution:
    identifiers = tuple(dict.fromkeys(h.identifier for h in hits))
    labels = tuple(label_in("mirna", i) for i in identifiers)
    status: Status = "ambiguous" if len(identifiers) > 1 else "synonym" if note else "normalised"
    if status == "normalised" and labels[0] == text:
        status = "exact"
    return Resolution(kind="mirna", text=text, status=status, identifiers=identifiers, labels=labels, note=note)


def _mir_hairpin(text: str, body: str, code: str, hairpins: Sequence[Hit]) -> Resolution:
    """Give the hairpin where no arm is named: it is certain, the arm is not.

    The precursor is the one thing that the printed name surely stands for. Until release 17 of miRBase the
    bare name was
    the predominant arm's; the note tells which, so that a target look-up may use it knowingly.
    """
    identifiers = tuple(dict.fromkeys(h.identifier for h in hairpins))
    labels = tuple(label_in("mirna", i) for i in identifiers)
    arms = mature_arms(identifiers)
    forms = ", ".join(f"{name} ({accession})" for accession, name in arms) or "unknown"
    note = f"No arm is named: the hairpin, whose mature forms are {forms}."
    if old := [h for h in _mir_hits(body, code, mature=True) if h.relation.startswith("former:")]:
        release = old[0].relation.partition(":")[2]
        note += f" The bare name was that of {label_in('mirna', old[0].identifier)} until miRBase {release}."
    if len(identifiers) > 1:
        note += " The hairpin has several copies in the genome; the name means them together."
    status: Status = "exact" if labels == (text,) else "broader"
    return Resolution(
        kind="mirna", text=text, status=status, identifiers=identifiers, labels=labels, note=note,
        all_meant=len(identifiers) > 1,
    )  # fmt: skip


def mature_arms(precursors: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Give accessions and names of the mature miRNAs that come from any of some precursors (``MI...``)."""
    wanted = set(precursors)
    arms: list[tuple[str, str]] = []
    for line in registry("mirna").terms:
        accession, name, parents = line.split("\t")
        if accession.startswith("MIMAT") and wanted.intersection(parents.split()):
            arms.append((accession, name))
    return tuple(sorted(arms, key=lambda pair: pair[1], reverse=True))


def precursors_of(accession: str) -> tuple[str, ...]:
    """Give the hairpins (``MI...``) of a mature miRNA (``MIMAT...``); none for other identifiers."""
    return _parents().get(accession, ())


@cache
def _parents() -> dict[str, tuple[str, ...]]:
    rows = (line.split("\t") for line in registry("mirna").terms)
    return {accession: tuple(parents.split()) for accession, _, parents in rows if accession.startswith("MIMAT")}


def _mir_without_arm(text: str, body: str, code: str) -> Resolution:
    bare = re.sub(r"(-[53]p|\*)$", "", body)
    hits = [h for h in _mir_hits(bare, code, mature=True) if h.relation == "label"]
    if hits:
        note = f"miRBase records one mature form, without an arm; the printed {body.removeprefix(bare)} was dropped."
        return replace(_mir_answer(text, hits, note), status="broader")
    if hairpins := _hairpins(bare, code):
        found = _mir_hairpin(text, bare, code, hairpins)
        return replace(found, status="broader", note=f"miRBase does not record the printed arm. {found.note}")
    return Resolution(
        kind="mirna", text=text, status="unmapped", note="miRBase knows no such name in releases 6 to 22."
    )


def _mir_family(text: str, body: str, code: str) -> Resolution:
    """Give the family where a letter is missing: miR-15 stands for miR-15a or miR-15b."""
    letters = "abcdefghijklmnop"
    members = [h for c in letters for h in _hairpins(f"{body}{c}", code)]
    identifiers = tuple(dict.fromkeys(h.identifier for h in members))
    if not identifiers:
        return Resolution(
            kind="mirna", text=text, status="unmapped", note="miRBase knows no such name in releases 6 to 22."
        )
    labels = tuple(label_in("mirna", i) for i in identifiers)
    note = "The letter is missing: one member of the family, or the family as a whole; the source does not say."
    return Resolution(kind="mirna", text=text, status="ambiguous", identifiers=identifiers, labels=labels, note=note)
