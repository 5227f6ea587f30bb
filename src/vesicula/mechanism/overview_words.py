"""What an overview says in words: the verdict first, each sentence with its records, each count with its other side.

Claims are counted, not weighed. Two claims of one publication are no two findings: distinct references are counted
beside them. That the store lacks something is said as such, and is no evidence that there is nothing.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from vesicula.evidence.balance import BalanceClaim, TumourBalance
from vesicula.evidence.fold import fold
from vesicula.evidence.model import Claim, Doubt, Reference, SourceRow
from vesicula.evidence.trials import TrialMatch, dose_in_words, row_name, said, trial_sentence
from vesicula.mechanism.contradictions import POLARITY
from vesicula.mechanism.model import Contradiction, Graph
from vesicula.mechanism.overview_model import Statement, Tally
from vesicula.mechanism.overview_tallies import NOT_REPORTED
from vesicula.mechanism.paths import STUDY_ORDER, Path_

STUDIES = {
    "clinical": "in people",
    "in vivo": "in animals",
    "in vivo+in vitro": "in animals and cells",
    "ex vivo": "in tissue",
    "in vitro": "in cells",
    "in silico": "computed",
    "": "of a kind not reported",
}
SIDES = {1: "for the patient", -1: "against the patient", 0: "on neither side"}
ROLE_WORDS = {
    "cargo": "carried",
    "target": "acted on",
    "pathway": "named as a pathway",
    "molecule": "reported as changed",
}
ABOUT_A_DOSE = ("ev type (cell source)", "Cell_Source", "diease model", "Recipient_Cell", "adminstration")
"""What a row of the atlas says beside a dose; columns as the atlas spells them."""

TITLE_END = re.compile(r"[.?!] ")

FEW = 8
"""So many record ids stand in a sentence; with more of them, the statement's records name them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """What the statements are made from; as in :class:`vesicula.mechanism.overview_model.Overview`.

    `roles` says which claims name a molecule in which role; `dose_columns` which column of a table has the dose;
    `whole_graph` whether contradictions were looked for in the whole store.
    """

    subject: str
    name: str
    claims: tuple[Claim, ...]
    roles: tuple[tuple[str, tuple[str, ...]], ...]
    tallies: tuple[Tally, ...]
    paths: tuple[Path_, ...]
    balance: TumourBalance | None
    cargo: tuple[str, ...]
    trials: tuple[TrialMatch, ...]
    doses: tuple[SourceRow, ...]
    dose_columns: dict[str, str]
    matched: tuple[str, ...]
    unmatched: tuple[str, ...]
    named_in_doubts: tuple[Doubt, ...]
    graph: Graph
    whole_graph: bool

    def values(self, facet: str) -> list[Tally]:
        """Return the tallies of a facet."""
        return [tally for tally in self.tallies if tally.facet == facet]


def statements_of(found: Gathered) -> tuple[Statement, ...]:
    """Say what was gathered, the verdict first.

    Parameters
    ----------
    found : Gathered
        Everything about one subject.

    Returns
    -------
    tuple of Statement
        Topics in order: verdict, independence, names, role, conflict, product, cell source, isolation, cargo,
        mechanism, dose, trials, trial (each row), tumour, doubt, gap; those of which there is nothing to say are
        left out.
    """
    if not found.claims:
        return (_nothing(found), *_dose(found), *_trials(found), *_doubts(found))
    return tuple(statement for make in MAKERS for statement in make(found))


def _say(topic: str, text: str, records: Iterable[str] = ()) -> Statement:
    return Statement(topic=topic, text=text, records=tuple(dict.fromkeys(records)))


def many(count: int, noun: str = "claim") -> str:
    """Return a count with its noun: ``"1 claim"``, ``"7 claims"``."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _ids(records: Iterable[str]) -> str:
    names = list(dict.fromkeys(records))
    return f" ({', '.join(names)})" if 0 < len(names) <= FEW else ""


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _of(claims: Iterable[Claim]) -> tuple[str, ...]:
    return tuple(claim.record_id for claim in claims)


def _nothing(found: Gathered) -> Statement:
    near = f" {_capital('; '.join(found.unmatched))}." if found.unmatched else ""
    kind = found.subject.replace("_", " ")
    return _say("verdict", f"The store holds no claim about the {kind} {found.name!r}.{near}")


def _verdict(found: Gathered) -> Iterator[Statement]:
    claims = found.claims
    counts = Counter(claim.study_type for claim in claims)
    order = [*(k for k in STUDY_ORDER if k in counts), *(k for k in counts if k not in STUDY_ORDER)]
    kinds = [f"{counts[kind]} {STUDIES.get(kind, kind)}" for kind in order]
    if "clinical" not in counts:
        kinds.append("none in people")
    references = distinct_references(claims)
    sides = []
    for sign, words in SIDES.items():
        of = [c for c in claims if side_of(c) == sign]
        classes = Counter(c.effect_class or "effect not said" for c in of).most_common()
        listed = f" ({', '.join(f'{n} {name}' for name, n in classes)})" if of else ""
        sides.append(f"{len(of)} {words}{listed}")
    name = found.name if found.subject in {"molecule", "cell_source"} else _capital(found.name)
    text = (
        f"{name}: {many(len(claims))} from {many(len(references), 'distinct reference')}: "
        f"{', '.join(kinds)}. The outcome of what was given is claimed as {'; '.join(sides)}."
    )
    inverse = _inverse(found)
    if inverse:
        ids = ", ".join(dict.fromkeys(f"{e.record_id}, {e.carried}" for e in inverse))
        text += f" Not {name} itself, but its opposite, was given in {ids}."
    yield _say("verdict", text, _of(claims))


def _inverse(found: Gathered) -> list[BalanceClaim]:
    """Return the claims in tumours that gave an inhibitor of the molecule, or less of it."""
    if found.subject != "molecule" or found.balance is None:
        return []
    return [e for e in found.balance.claims if e.carried not in {"", "the molecule"}]


def side_of(claim: Claim) -> int:
    """Return the side of a claim's outcome: 1 for the patient, -1 against, 0 neither (vessels, mixed, no effect)."""
    scale, sign = POLARITY.get(claim.effect_class, ("", 0))
    return sign if scale == "for the patient" else 0


def distinct_references(claims: Iterable[Claim]) -> dict[str, list[str]]:
    """Return the publications that claims cite, each with the claims that cite it.

    Two reference lists may hold one publication: entries with one DOI or PMID, or with one first author, year and
    beginning of the title, are one.
    """
    found: dict[str, list[str]] = {}
    for claim in claims:
        for key in dict.fromkeys(reference_key(r) for r in claim.references):
            found.setdefault(key, []).append(claim.record_id)
    return found


def reference_key(reference: Reference) -> str:
    """Return what tells publications apart; see :func:`distinct_references`."""
    if reference.doi or reference.pmid:
        return (reference.doi or f"pmid:{reference.pmid}").casefold()
    _, _, rest = reference.citation.replace("et al. ", ". ", 1).partition(". ")
    words = fold(TITLE_END.split(rest.lstrip(" ."), maxsplit=1)[0])[:60].strip()
    if not words:
        return f"{reference.source} {reference.number}"
    return f"{fold(reference.first_author)} {reference.year} {words}"


def _independence(found: Gathered) -> Iterator[Statement]:
    printed = {
        reference_key(r): f"[{r.source} {r.number}] {r.first_author} {r.year}".strip()
        for claim in found.claims
        for r in claim.references
    }
    shared = {key: ids for key, ids in distinct_references(found.claims).items() if len(ids) > 1}
    if shared:
        said_so = "; ".join(f"{', '.join(ids)} all cite {printed[key]}" for key, ids in shared.items())
        text = f"Not independent of each other: {said_so.replace(' all cite', ' cite')}."
        yield _say("independence", text, [i for ids in shared.values() for i in ids])
    without = [c.record_id for c in found.claims if not c.references]
    if without:
        yield _say("independence", f"{many(len(without))} with no reference{_ids(without)}.", without)


def _names(found: Gathered) -> Iterator[Statement]:
    others = [text for text in found.matched if text.casefold() != found.name.casefold()]
    if others:
        text = f"{found.name!r} was taken to mean, as printed: {', '.join(found.matched)}."
        yield _say("names", text, _of(found.claims))


def _roles(found: Gathered) -> Iterator[Statement]:
    parts = [f"{ROLE_WORDS[role]} in {many(len(ids))}{_ids(ids)}" for role, ids in found.roles if ids]
    if parts:
        text = f"{found.name} is {'; '.join(parts)}. A claim may name it in several roles."
        yield _say("role", text, [i for _, ids in found.roles for i in ids])


def _conflicts(found: Gathered) -> Iterator[Statement]:
    made = [*_both_sides(found), *_balance_conflicts(found), *_graph_conflicts(found)]
    yield from made
    if not made:
        where = "in the whole store" if found.whole_graph else "among these claims only: the store is large"
        text = (
            "No claim here contradicts another: no outcomes on both sides, no opposite change of one molecule "
            f"by one cargo (looked for {where}). Claims may still disagree in what they do not print."
        )
        yield _say("conflict", text)


def _both_sides(found: Gathered) -> Iterator[Statement]:
    by_side = {sign: [c for c in found.claims if side_of(c) == sign] for sign in (1, -1)}
    if not all(by_side.values()):
        return
    parts = []
    for sign, claims in by_side.items():
        where = Counter(f"{c.effect_class} in {c.condition}" for c in claims)
        listed = "; ".join(f"{words} ({many(n)})" if n > 1 else words for words, n in where.most_common(FEW))
        more = "; ..." if len(where) > FEW else ""
        parts.append(f"{len(claims)} {SIDES[sign]}: {listed}{more}{_ids(_of(claims))}")
    text = f"The claims stand on both sides, of what was given. {'. '.join(_capital(p) for p in parts)}."
    yield _say("conflict", text, [c.record_id for claims in by_side.values() for c in claims])


def _balance_conflicts(found: Gathered) -> Iterator[Statement]:
    if found.balance is None or (found.subject == "condition" and found.balance.tumour is None):
        return
    groups = found.balance.groups
    for comparison in found.balance.comparisons:
        if comparison.conflict:
            of = [e.record_id for g in groups if comparison.about in {g.tumour, g.subject} for e in g.claims]
            yield _say("conflict", comparison.sentence, of)
    for group in groups:
        if group.conflict:
            yield _say("conflict", group.sentence, [e.record_id for e in group.claims])


def _graph_conflicts(found: Gathered) -> Iterator[Statement]:
    ours = set(_of(found.claims))
    labels = {node.node_id: node.label for node in found.graph.nodes}
    kinds = {record.record_id: record.study_type for record in found.graph.records}
    for one in found.graph.contradictions:
        if ours & {*one.first, *one.second}:
            yield _say("conflict", _contradiction(one, labels, kinds), one.first + one.second)


def _contradiction(one: Contradiction, labels: dict[str, str], kinds: dict[str, str]) -> str:
    def side(says: Sequence[str], ids: Sequence[str]) -> str:
        cited = ", ".join(f"{i}, {kinds.get(i) or 'study type not said'}" for i in ids)
        return f"{' and '.join(says)} ({cited})"

    word = "in" if one.kind == "outcome" else "on"
    return (
        f"They conflict: {labels[one.subject]} {word} {labels[one.object]} is {side(one.first_says, one.first)} "
        f"but {side(one.second_says, one.second)}."
    )


def _listed(tallies: Iterable[Tally]) -> str:
    """Return tallies with counts, sides and doubts; few of them with their records."""
    parts = []
    for tally in tallies:
        sides = ", ".join(f"{n} {side}" for side, n in tally.sides)
        doubted = f"; {len(tally.doubted)} doubted" if tally.doubted else ""
        parts.append(f"{tally.value}: {len(tally.records)} ({sides}{doubted})")
    return "; ".join(parts)


def _facet(found: Gathered, facet: str, topic: str, lead: str, most: int = FEW) -> Iterator[Statement]:
    told = [tally for tally in found.values(facet) if tally.value != NOT_REPORTED]
    silent = [i for t in found.values(facet) if t.value == NOT_REPORTED for i in t.records]
    more = f"; and {len(told) - most} more" if len(told) > most else ""
    rest = f" Not reported in {many(len(silent))}." if silent else ""
    if told:
        text = f"{lead}: {_listed(told[:most])}{more}.{rest}"
        yield _say(topic, text, [*(i for t in told for i in t.records), *silent])


def _products(found: Gathered) -> Iterator[Statement]:
    yield from _facet(found, "product", "product", "What was given, in claims")
    cells = [i for t in found.values("product") if t.value in {"cells", "secretome"} for i in t.records]
    if cells:
        text = f"{many(len(cells))} of {len(found.claims)} gave cells or a secretome, not vesicles{_ids(cells)}"
        people = [c.record_id for c in found.claims if c.study_type == "clinical"]
        of_cells = sum(record in cells for record in people)
        text += f"; so did {of_cells} of the {len(people)} from people." if of_cells else "."
        yield _say("product", text, cells)


def _sources(found: Gathered) -> Iterator[Statement]:
    if found.subject != "cell_source":
        yield from _facet(found, "cell source", "cell source", "Cell sources, in claims")


def _isolation(found: Gathered) -> Iterator[Statement]:
    claims = found.claims
    cells = [c for c in claims if c.isolation_method == "not applicable"]
    told = [c for c in claims if c.isolation_method not in {"", NOT_REPORTED, "not applicable"}]
    silent = [c for c in claims if c not in cells and c not in told]
    methods = Counter(c.isolation_method for c in told)
    forces = Counter(c.isolation_g for c in told if c.isolation_g)
    text = f"The isolation is reported in {len(told)} of {many(len(claims))}, not in {len(silent)}"
    text += f"; in {len(cells)} it does not apply (cells were given)." if cells else "."
    if methods:
        text += f" Reported: {', '.join(f'{name} {n}' for name, n in methods.most_common())}."
        at = ", ".join(f"{force} g in {n}" for force, n in forces.most_common())
        silent_g = len(told) - sum(forces.values())
        text += f" Centrifugal force of these: {at or 'in none'}; not reported in {silent_g}."
    yield _say("isolation", text, _of(claims))


def _cargo(found: Gathered) -> Iterator[Statement]:
    if found.subject != "molecule":
        yield from _facet(found, "cargo", "cargo", "Cargo, in claims")


def _mechanism(found: Gathered) -> Iterator[Statement]:
    if not found.paths:
        text = "No mechanism: none of the claims names a cargo, target or pathway together with its outcome."
        yield _say("mechanism", text)
        return
    lead = f"{many(len(found.paths), 'path')} from cargo to outcome, as the claims' columns list them"
    against = [path for path in found.paths if path.contradicted_by]
    lead += f"; {len(against)} of them contradicted." if against else "; none of them contradicted."
    single = sum(len(path.records) == 1 for path in found.paths)
    lead += f" On a single claim: {single} of {len(found.paths)}. The best supported:"
    best = found.paths[0]
    yield _say("mechanism", f"{lead} {best.sentence}.", [r.record_id for r in best.records])


def _dose(found: Gathered) -> Iterator[Statement]:
    if found.claims:
        yield _say("dose", "The claims carry no dose: their tables have no column for it.")
    if not found.doses:
        kind = found.subject.replace("_", " ")
        text = (
            f"The EV atlas gives no dose in animals or cells for this {kind}. Its doses of labelled vesicles in mice "
            "(Fig. 4a, b) name no condition, source or molecule, and are left out."
        )
        yield _say("dose", text)
    else:
        names = [f"{row.table}#{row.position}" for row in found.doses]
        printed = []
        for row in found.doses:
            cells = (row.printed[found.dose_columns[row.table]], row.printed.get("Dose Units", ""))
            amount = " ".join(cells).strip(" ,")
            about = "; ".join(t for c in ABOUT_A_DOSE if said(t := row.printed.get(c, "")))
            printed.append(f"{amount} [{row.table}#{row.position}: {about}]")
        studies = len({row.doi for row in found.doses})
        what = "of vesicles with siRNA against it" if found.subject == "molecule" else "animals or cells"
        text = (
            f"The EV atlas gives a dose in {many(len(names), 'row')} from {many(studies, 'publication')} "
            f"({what}), as printed: {'; '.join(printed)}."
        )
        yield _say("dose", text, names)
        yield from _series(found)


def _series(found: Gathered) -> Iterator[Statement]:
    """Point at doses that count upwards from row to row of one publication, as a spreadsheet fills them in."""
    by_study: dict[tuple[str, str], list[SourceRow]] = {}
    for row in found.doses:
        by_study.setdefault((row.table, row.doi), []).append(row)
    suspect: list[str] = []
    for rows in by_study.values():
        cells = [row.printed[found.dose_columns[row.table]].strip() for row in rows]
        stems = [(cell.rstrip("0123456789"), cell) for cell in cells]
        for (stem, cell), (other_stem, other) in pairwise(stems):
            step = _last_number(other) - _last_number(cell) if stem == other_stem else 0
            if step == 1:
                suspect += [f"{row.table}#{row.position}" for row in rows]
    if suspect:
        text = (
            "Some of these doses rise by one in their last digits from row to row of one publication, as when a "
            "spreadsheet fills a column: check them against the publication."
        )
        yield _say("dose", text, suspect)


def _last_number(cell: str) -> int:
    digits = cell[len(cell.rstrip("0123456789")) :]
    return int(digits) if digits else 0


def _trials(found: Gathered) -> Iterator[Statement]:
    if not found.trials:
        how = {
            "cell_source": "from this cell source",
            "molecule": "whose title names this molecule",
            "tumour": "of this tumour",
        }
        yield _say("trials", f"No trial {how.get(found.subject, 'of this condition')} is in the store.")
        return
    numbers = list(dict.fromkeys(match.trial.nct_id for match in found.trials))
    twice = [n for n in numbers if sum(m.trial.nct_id == n for m in found.trials) > 1]
    dosed = [m.trial.nct_id for m in found.trials if dose_in_words(m.trial)]
    text = (
        f"{many(len(numbers), 'trial')} in {many(len(found.trials), 'row')}; a dose is given for "
        f"{len(set(dosed))} of {len(numbers)}."
    )
    if twice:
        text += f" Reported in several rows: {', '.join(twice)}."
    text += " That a trial is registered says nothing of its result."
    yield _say("trials", text, numbers)
    for match in found.trials:
        remarks = f" Here because: {'; '.join(match.matched_by)}."
        doubts = "".join(f" {d.line}." for d in match.trial.doubts)
        records = (match.trial.nct_id, row_name(match.trial))
        yield _say("trial", f"{trial_sentence(match.trial).rstrip('.')}.{remarks}{doubts}", records)


def _tumour(found: Gathered) -> Iterator[Statement]:
    asked = found.balance.cargo if found.balance is not None else found.cargo
    what = {
        "tumour": "In this tumour",
        "cell_source": "In tumours, vesicles and cells of this source",
        "molecule": "In tumours, this molecule",
    }.get(found.subject, f"In tumours, the same cargo ({', '.join(asked)})")
    if found.balance is None:
        if found.subject == "condition" and not asked:
            text = "The claims name no cargo, so what it does in tumours cannot be looked up."
        else:
            text = f"{what}: the store has no claim. That is not evidence of safety."
        yield _say("tumour", text)
        return
    entries = {(e.record_id, e.points_to): e for e in found.balance.claims}.values()
    parts = []
    for points, word in (("promoting", "promotion"), ("inhibiting", "inhibition"), ("", "neither or unclear")):
        of = [e for e in entries if e.points_to == points]
        parts.append(f"{len(of)} to {word}{_cited(of)}" if points else f"{len(of)} {word}{_cited(of)}")
    text = f"{what}: claims that point {', '.join(parts)}. Claims are counted, never subtracted."
    if any(side_of(e.claim) == 0 and e.points_to for e in entries):
        text += " New vessels count as promotion here, fewer as inhibition."
    yield _say("tumour", text, [e.record_id for e in entries])
    if found.subject == "molecule" or (found.subject == "condition" and found.balance.tumour is None):
        for group in found.balance.groups:
            yield _say("tumour", group.sentence, [e.record_id for e in group.claims])


def _cited(entries: Sequence[BalanceClaim]) -> str:
    if not entries:
        return ""
    if len(entries) <= FEW:
        cited = "; ".join(f"{e.record_id} {e.claim.study_type or 'study type not said'}" for e in entries)
    else:
        kinds = Counter(e.claim.study_type or "study type not said" for e in entries)
        cited = ", ".join(f"{n} {kind}" for kind, n in kinds.most_common())
    return f" ({cited})"


def _doubts(found: Gathered) -> Iterator[Statement]:
    doubted = [c for c in found.claims if c.doubts]
    for claim in doubted:
        text = "; ".join(d.in_words for d in claim.doubts)
        yield _say("doubt", f"A curator doubts {claim.record_id}: {text}.", (claim.record_id,))
    ours = set(_of(found.claims))
    for doubt in found.named_in_doubts:
        if doubt.row not in ours:
            text = f"{found.name} is named in a doubt about {doubt.row}, which is not counted above: {doubt.in_words}."
            yield _say("doubt", text, (doubt.row,))


def _gaps(found: Gathered) -> Iterator[Statement]:
    claims = found.claims
    lacking = {
        "the isolation": [c for c in claims if c.isolation_method in {"", NOT_REPORTED}],
        "the cargo": [c for c in claims if not c.cargo],
        "the target": [c for c in claims if not c.target],
        "the study type": [c for c in claims if not c.study_type],
        "the cell source": [c for c in claims if not said(c.cell_source)],
    }
    parts = [f"{what} in {len(of)} of {len(claims)}" for what, of in lacking.items() if of]
    if not any(c.study_type == "clinical" for c in claims):
        parts.insert(0, "any claim from people")
    if not found.doses and not any(dose_in_words(m.trial) for m in found.trials):
        parts.append("any dose")
    if not found.trials:
        parts.append("any trial")
    if not any(side_of(c) < 0 or c.effect_class in {"no effect", "mixed"} for c in claims):
        parts.append("any claim of harm, mixed or no effect (which does not show that there was none)")
    if parts:
        yield _say("gap", f"Missing: {'; '.join(parts)}.", [c.record_id for of in lacking.values() for c in of])


MAKERS = (
    _verdict,
    _independence,
    _names,
    _roles,
    _conflicts,
    _products,
    _sources,
    _isolation,
    _cargo,
    _mechanism,
    _dose,
    _trials,
    _tumour,
    _doubts,
    _gaps,
)
"""What makes the statements, in their order."""
