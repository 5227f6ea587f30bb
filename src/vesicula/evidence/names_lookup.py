"""From a name to its identifiers: curated rows first, then the registries, then what a name is made of."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache

from vesicula.core.errors import AnalysisError, shorten
from vesicula.evidence.names_mirna import is_mirna_name, resolve_mirna
from vesicula.evidence.names_tables import (
    KINDS,
    NEOPLASM,
    Hit,
    Kind,
    Resolution,
    Status,
    curated,
    is_a,
    label_in,
    label_of,
    name_key,
    registry,
)

_REGISTRIES: Mapping[str, tuple[str, ...]] = {
    "condition": ("disease", "pathway"),
    "tumour": ("disease",),
    "cell_source": ("cell",),
    "species": ("species",),
    "gene": ("gene", "family"),
    "pathway": ("pathway", "family", "cell"),
    "anatomy": ("anatomy",),
    "chemical": ("chemical",),
}
_MAX_TEXT = 400  # longer than any name in the registries; a whole paragraph is no name
_MANY = 12  # more candidates than this say nothing: they are counted in the note and not listed


def resolve(kind: Kind, text: str, *, species: str | None = None) -> Resolution:
    """Find what a name stands for.

    Parameters
    ----------
    kind : str
        What the name is said to be; one of :data:`KINDS`.
    text : str
        The name as printed. Any text is accepted; what is no name comes back ``unmapped``.
    species : str, optional
        For miRNAs without a species prefix: species of the **cells** that made the molecule, as a name
        ("mouse") or
        identifier ("NCBITaxon:10090"). It is not the model's species: human vesicles are given to rats.
        Without it
        human is assumed, and the note says so. Gene symbols of mouse and rat map to the human gene that
        bears the name.

    Returns
    -------
    Resolution
        Identifiers, how they were found, and why.

    Raises
    ------
    AnalysisError
        ``kind`` is none of the kinds. Nothing about ``text`` raises.
    """
    if kind not in KINDS:
        message = f"Names: expected a kind among {', '.join(KINDS)}, found {kind!r}. Give one of these."
        raise AnalysisError(message)
    clean = " ".join(text.split())
    if not name_key(clean) or len(clean) > _MAX_TEXT:
        why = "is empty" if not name_key(clean) else f"is {len(clean)} characters long: no name"
        return Resolution(kind=kind, text=shorten(text), status="unmapped", note=f"The text {why}.", names_entity=False)
    return _resolve(kind, clean, species)


# Remembered, because parts recur: a text of many droppable words would be taken apart in all orders otherwise.
@lru_cache(maxsize=8192)
def _resolve(kind: Kind, clean: str, species: str | None) -> Resolution:
    found = _by_hand(kind, clean)
    if found is None:
        found = resolve_mirna(clean, species) if kind == "mirna" else _by_registry(kind, clean)
    if found.status == "unmapped" and found.names_entity:
        found = _by_parts(kind, clean, species) or found
    return _only_neoplasms(found) if kind == "tumour" else found


def _by_hand(kind: Kind, text: str) -> Resolution | None:
    row = curated().get((kind, name_key(text)))
    if row is None and kind == "tumour":
        row = curated().get(("condition", name_key(text)))
    if row is None:
        return None
    status: Status = "normalised" if row.status == "synonym" and text not in row.texts else row.status
    return Resolution(
        kind=kind, text=text, status=status, identifiers=row.identifiers, labels=row.labels, note=row.reason,
        all_meant="all" in row.flags, group=row.group, names_entity="none" not in row.flags,
    )  # fmt: skip


_TIERS = ({"label"}, {"usage"}, {"exact", "synonym", "former", "alias", "name", "rat"}, {"related"})


def _by_registry(kind: Kind, text: str) -> Resolution:
    key = name_key(text)
    hits = {stem: registry(stem).hits(key) for stem in _REGISTRIES[kind]}
    if kind == "gene" and hits["family"] and not any(h.relation == "label" for h in hits["gene"]):
        # "AKT" is recorded as an alias of AKT1, but it is the family's name: say so, and give all members.
        return _family(kind, text, hits["family"])
    for stem, every in hits.items():
        for tier in _TIERS:
            if chosen := [h for h in every if h.relation in tier]:
                return _family(kind, text, chosen) if stem == "family" else _answer(kind, text, stem, chosen)
    other = _greek_as_latin(text) if kind == "gene" else _plural(kind, text)
    return other or Resolution(
        kind=kind, text=text, status="unmapped", note="No registry and no curated row knows this name."
    )  # fmt: skip


_LATIN = {"alpha": "a", "beta": "b", "gamma": "g", "delta": "d", "epsilon": "e", "zeta": "z", "theta": "q"}


def _greek_as_latin(text: str) -> Resolution | None:
    """Try HGNC's own rule (IFN-gamma is IFNG) on a gene name that nothing else explains."""
    key = name_key(text)
    for greek, latin in _LATIN.items():
        key = key.replace(greek, latin)
    if key == name_key(text):
        return None
    found = _by_registry("gene", key)
    if not found.identifiers:
        return None
    note = f"Read as {found.labels[0]}: HGNC writes Greek letters as Latin ones. {found.note}".strip()
    return replace(found, text=text, note=note, status="normalised" if found.status != "ambiguous" else "ambiguous")


def _plural(kind: Kind, text: str) -> Resolution | None:
    """Try a plain English plural ("strokes", "regulatory T cells") once."""
    if not re.search(r"[a-z]{3}s$", text) or re.search(r"(ss|us|is)$", text):
        return None
    found = _by_registry(kind, text[:-1]) if name_key(text[:-1]) else None
    if found is None or not found.identifiers:
        return None
    return replace(found, text=text, status="normalised" if found.status in {"exact", "synonym"} else found.status)


def _answer(kind: Kind, text: str, stem: str, hits: Sequence[Hit]) -> Resolution:
    identifiers = tuple(dict.fromkeys(h.identifier for h in hits))
    processes = [i for i in identifiers if i.startswith("GO:")]
    if stem == "pathway" and len(processes) == 1 and len(identifiers) > 1:
        others = ", ".join(i for i in identifiers if i not in processes)
        found = _answer(kind, text, stem, [h for h in hits if h.identifier in processes])
        return replace(found, note=f"The GO process; Reactome has a pathway of the same name ({others}).")
    labels = tuple(label_in(stem, i) for i in identifiers)
    if len(identifiers) > 1:
        note = f"The name is recorded for {len(identifiers)} entries; the source does not say which is meant."
        if len(identifiers) > _MANY:
            identifiers, labels = (), ()
        return Resolution(kind=kind, text=text, status="ambiguous", identifiers=identifiers, labels=labels, note=note)
    same = [h for h in hits if h.name == text]
    status: Status = "normalised"
    if same:
        status = "exact" if any(h.relation == "label" for h in same) else "synonym"
    relation = (same or list(hits))[0].relation
    note = {
        "former": "A former symbol of the gene.",
        "rat": "The rat's symbol; the identifier is the human ortholog's.",
        "related": "A name that the registry calls related, not exact.",
    }.get(relation, "")  # fmt: skip
    return Resolution(kind=kind, text=text, status=status, identifiers=identifiers, labels=labels, note=note)


def _family(kind: Kind, text: str, hits: Sequence[Hit]) -> Resolution:
    groups = tuple(dict.fromkeys(h.identifier for h in hits))
    if len(groups) > 1 and (own := [h for h in hits if h.relation == "label"]):
        groups = (own[0].identifier,)
    if len(groups) > 1:
        note = "The name is recorded for several families or complexes."
        return Resolution(kind=kind, text=text, status="ambiguous", identifiers=groups, labels=groups, note=note)
    label, members = registry("family").term(groups[0]) or ("", ())
    shown = tuple(m for m in members if label_of(m))
    if kind == "pathway" or not shown or len(shown) > _MANY:
        status: Status = "synonym" if any(h.name == text and h.relation != "label" for h in hits) else "normalised"
        if text == label:
            status = "exact"
        note = f"A protein family or complex of {len(members)} members."
        return Resolution(
            kind=kind, text=text, status=status, identifiers=groups, labels=(label,), note=note,
            group=groups[0]
        )  # fmt: skip
    if len(shown) == 1:
        note = f"Named as {groups[0]}, which has this one member."
        return Resolution(
            kind=kind, text=text, status="synonym", identifiers=shown, labels=(label_in("gene", shown[0]),),
            note=note
        )  # fmt: skip
    note = f"Names the family or complex {groups[0]}; which member was measured the source does not say."
    return Resolution(
        kind=kind, text=text, status="ambiguous", identifiers=shown, labels=tuple(label_in("gene", m) for m
        in shown),
        note=note, all_meant=True, group=groups[0],
    )  # fmt: skip


def _only_neoplasms(found: Resolution) -> Resolution:
    outside = [i for i in found.identifiers if (i.startswith("DOID:") and not is_a(i, NEOPLASM)) or i.startswith("GO:")]
    if not outside:
        return found
    note = f"{', '.join(outside)} ({', '.join(found.labels)}) is no neoplasm. {found.note}".strip()
    return replace(found, status="unmapped", identifiers=(), labels=(), note=note, all_meant=False, names_entity=False)


# --- names made of names
# ---------------------------------------------------------------------------------------------

_LISTS = {
    "condition": (r"\s*;\s*",), "tumour": (r"\s*;\s*",), "cell_source": (r"\s*;\s*",),
    "species": (r"\s*;\s*", r"\s*,\s*|\s+and\s+"),
    "gene": (r"\s*[;,]\s*", r"\s*/\s*"), "pathway": (r"\s*;\s*", r"\s*/\s*"), "mirna": (r"\s*[;,]\s*",),
}  # fmt: skip
_DROPPED: Mapping[str, tuple[tuple[str, str, Status], ...]] = {
    # pattern to drop, what it is, and what is left of the answer's precision
    "condition": (
        (r"\s*\([^()]*\)$", "the qualifier in brackets", "broader"),
        (
            r"^(severe|mild|acute|chronic|experimental|steroid-resistant|refractory|neonatal|early|human|murine)\s+",
            "the first word",
            "broader",
        ),
        (r"^(?:mouse|rat) model of\s+|\s+(?:mouse|rat|animal)?\s*models?$", "the word model", "broader"),
    ),
    "cell_source": (
        (r"(?:-derived)?\s+(s?EVs?|exosomes?|MVs?|microvesicles?|secretome|conditioned medium|cells?)$", "the product",
         "normalised"),
        (r"^(?:(human|mouse|murine|rat|porcine|canine)[\s-]+|[hmr](?=[A-Z]))", "the species", "normalised"),
    ),
    "species": (
        (r"\s+(cells?|cell lines?|models?)$", "the word for cells", "normalised"),
        (
            r"^(C57BL/6J?|BALB/c|nude|NOD|SCID|SD|Sprague[- ]Dawley|Wistar|Lewis|Yorkshire|New Zealand White)\s+",
            "the strain",
            "normalised",
        ),
    ),
    "gene": (
        (r"\s+(mRNA|protein|gene|expression|level|siRNA|shRNA)$", "the kind of molecule", "normalised"),
        (r"^(?:siRNA|shRNA|anti-|phospho-|soluble|recombinant)\s*", "the first word", "normalised"),
    ),
    "mirna": (
        (r"\s+(mimic|inhibitor|overexpression|expression|loaded)s?$", "the word for what was done with it",
        "normalised"),
        (r"^(synthetic|loaded|exosomal)\s+", "the first word", "normalised"),
    ),
    "pathway": (
        (r"\s+(pathway|signal+ing|axis|cascade|signal+ing pathway)s?$", "the word for a pathway", "normalised"),
    ),
}  # fmt: skip


def _by_parts(kind: Kind, text: str, species: str | None) -> Resolution | None:
    """Read a list, drop a qualifier, or look a pathway up as a gene; None where nothing of this helps."""
    if kind == "mirna" and (listed := _mirna_list(text, species)):
        return listed
    ways = (_in_pieces, _without_a_word)
    for way in reversed(ways) if kind == "pathway" else ways:  # "PI3K/AKT pathway" is one name, "PI3K/AKT" another
        if found := way(kind, text, species):
            return found
    if kind == "pathway":
        gene = resolve("gene", text)
        if gene.identifiers:
            note = f"A gene or family named as a pathway. {gene.note}".strip()
            return replace(gene, kind=kind, text=text, note=note)
    return None


def _in_pieces(kind: Kind, text: str, species: str | None) -> Resolution | None:
    for pattern in _LISTS.get(kind, ()):
        pieces = [p for p in re.split(pattern, text) if p.strip()]
        if len(pieces) > 1 and (found := _together(kind, text, pieces, species)):
            return found
    return None


def _without_a_word(kind: Kind, text: str, species: str | None) -> Resolution | None:
    for pattern, what, status in _DROPPED.get(kind, ()):
        rest = re.sub(pattern, "", text, count=1, flags=re.IGNORECASE if kind != "cell_source" else 0).strip()
        if rest and rest != text:
            found = resolve(kind, rest, species=species)
            if found.identifiers:
                return _without(found, text, what, status)
    return None


def _without(found: Resolution, text: str, what: str, status: Status) -> Resolution:
    note = f"Without {what}: read as {found.text!r}. {found.note}".strip()
    keep = found.status in {"ambiguous", "broader"}
    return replace(found, text=text, note=note, status=found.status if keep else status)


def _together(kind: Kind, text: str, pieces: Sequence[str], species: str | None) -> Resolution | None:
    """Resolve each part of a list; give an answer only if every part that names something has one."""
    answers = [resolve(kind, piece, species=species) for piece in pieces]
    named = [a for a in answers if a.names_entity]
    if not named or not all(a.mapped for a in named):
        return None
    pairs = dict(pair for a in named for pair in zip(a.identifiers, a.labels, strict=True))
    silent = [a.text for a in answers if not a.names_entity]
    note = f"A list of {len(pieces)} names, all meant." if len(pieces) > 1 else named[0].note
    if silent:
        note += f" {', '.join(silent)}: names nothing here."
    found = {a.status for a in named}
    status: Status = "ambiguous" if "ambiguous" in found else "broader" if "broader" in found else "normalised"
    return Resolution(
        kind=kind, text=text, status=status, identifiers=tuple(pairs), labels=tuple(pairs.values()),
        note=note,
        all_meant=len(pairs) > 1,
    )  # fmt: skip


_MIR_LIST = re.compile(
    r"^(antagomirs?|anti-?mirs?|mirs?|micrornas?|mirnas?)[-_ ]?"
    r"(\d+[a-z]?(?:-[35]p)?)((?:/(?:mir-)?\d+[a-z]?(?:-[35]p)?)*)$",
    re.IGNORECASE,
)


def _mirna_list(text: str, species: str | None) -> Resolution | None:
    """Read "miR-221/222" as two names, and "antagomiR-222" as the miRNA that it binds."""
    form = _MIR_LIST.match(text)
    if form is None or (not form[3] and not form[1].lower().startswith("ant")):
        return None
    numbers = [form[2], *(re.sub(r"^mir-", "", n, flags=re.IGNORECASE) for n in form[3].split("/") if n)]
    found = _together("mirna", text, [f"miR-{n}" for n in numbers], species)
    if found is None or not form[1].lower().startswith("ant"):
        return found
    note = f"An inhibitor of the miRNA: the identifier is that of what it binds. {found.note}"
    return replace(found, note=note)


MOLECULE_KINDS: tuple[Kind, ...] = ("mirna", "gene", "chemical", "pathway", "cell_source")
"""What a cell of cargo, target or direction may name."""


def same_condition(one: str, other: str) -> bool:
    """Say whether two names are of one condition: the same text, or names that the registry gives the same identifiers.

    A name that could only be mapped to a broader term ("breast cancer (BRCA1 hereditary)") is the same as nothing else.
    """
    if one.casefold() == other.casefold():
        return True
    found = [resolve("condition", text) for text in (one, other)]
    return all(r.status in {"exact", "synonym"} for r in found) and found[0].identifiers == found[1].identifiers


def resolve_molecule(text: str, *, species: str | None = None) -> Resolution:
    """Find what a name in a mixed column (cargo, target, direction) stands for, and of which kind it is.

    A miRNA by its form; else what the curated table says; else a gene by its symbol or family; and only
    then a small
    molecule, a process or a cell, before a gene's alias: aliases are short, and "Th1" is one of NELFCD's.

    Parameters
    ----------
    text : str
        The name as printed.
    species : str, optional
        As in :func:`resolve`.

    Returns
    -------
    Resolution
        Its ``kind`` is the kind that was found; "gene" where nothing was.
    """
    clean = " ".join(text.split())
    if is_mirna_name(clean) or _MIR_LIST.match(clean):
        return resolve("mirna", text, species=species)
    rows = [found for kind in MOLECULE_KINDS if (found := _by_hand(kind, clean))]
    by_hand = sorted(rows, key=lambda found: (not found.names_entity, MOLECULE_KINDS.index(_kind(found))))
    if by_hand and by_hand[0].names_entity:
        return by_hand[0]
    gene = resolve("gene", text)
    if gene.status == "exact" or gene.group or (gene.identifiers and gene.status != "ambiguous"):
        return gene
    others = [resolve(kind, text) for kind in ("chemical", "cell_source", "pathway")]
    return next((found for found in others if found.mapped), (*by_hand, gene)[0])


def _kind(found: Resolution) -> Kind:
    return next(k for k in KINDS if k == found.kind)
