"""From records of the store to what the templates show: claims, references, sides, paths, trials, rows."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from urllib.parse import quote

from markupsafe import Markup, escape

from vesicula.dossier.evidence_pages.model import (
    ChipView,
    ClaimView,
    Entry,
    PathView,
    ReferenceView,
    RowView,
    Segments,
    SidesView,
    StatementView,
    TrialGroup,
    TrialView,
)
from vesicula.dossier.evidence_pages.names import ROLES, anchor, slug, table_path
from vesicula.evidence.balance import MOLECULE, SIDES, BalanceClaim, Elsewhere, TumourBalance
from vesicula.evidence.fold import fold
from vesicula.evidence.model import Claim, Doubt, Reference, SourceRow, Trial
from vesicula.evidence.tables import printed_row
from vesicula.evidence.trials import said
from vesicula.mechanism.paths import Path_

NCT = re.compile(r"NCT\d{8}")
DOI = re.compile(r"10\.\d{4,9}/\S{1,300}")
_TOKEN = re.compile(r"([^\s,;:()\[\]]+)")
_ITALIC = re.compile(r"\*([^*]+)\*")
NOT_SAID = "not reported"

FACTS = (
    ("Model", "model"),
    ("Cell source", "cell_source"),
    ("Product", "product"),
    ("Modification", "modification"),
    ("Isolation", "isolation_method"),
    ("Cargo", "cargo"),
    ("Target", "target"),
    ("Pathway", "pathway"),
    ("Changes", "direction"),
    ("Notes", "notes"),
)
ROLE_OF = {"cell_source": "cell_source", "cargo": "cargo", "target": "target", "pathway": "pathway"}


class Links:
    """Where names and records have their pages; addresses are relative to a page at `root`.

    Parameters
    ----------
    pages : mapping
        (subject, name as printed) to file.
    homes : mapping
        Record id, or NCT number, to file and fragment.
    """

    def __init__(self, pages: Mapping[tuple[str, str], str], homes: Mapping[str, str], root: str = "") -> None:
        self.pages, self.homes, self.root = pages, homes, root
        self.here: Collection[str] = ()

    def at(self, root: str, here: Collection[str] = ()) -> Links:
        """Return the links of a page at another place, on which some claims stand."""
        other = Links(self.pages, self.homes, root)
        other.here = here
        return other

    def name(self, subject: str, text: str) -> str:
        """Return the address of a name's page; empty where it has none."""
        page = self.pages.get((subject, text))
        return f"{self.root}{page}" if page else ""

    def record(self, record: str) -> str:
        """Return the address of a record: on the same page if it stands there."""
        if record in self.here:
            return f"#{anchor(record)}"
        home = self.homes.get(record)
        return f"{self.root}{home}" if home else ""

    def records(self, records: Iterable[str]) -> Segments:
        """Return records with their addresses."""
        return tuple((record, self.record(record)) for record in records)

    def sentence(self, text: str) -> Segments:
        """Return a sentence in pieces, each record in it with its address."""
        pieces: list[tuple[str, str]] = []
        for piece in _TOKEN.split(text):
            word = piece.rstrip(".")
            href = self.record(word) if word else ""
            if href:
                pieces += [(word, href), (piece[len(word) :], "")]
            else:
                pieces.append((piece, ""))
        return _joined(pieces)


def _joined(pieces: Iterable[tuple[str, str]]) -> Segments:
    out: list[tuple[str, str]] = []
    for text, href in pieces:
        if out and not href and not out[-1][1]:
            out[-1] = (out[-1][0] + text, "")
        elif text:
            out.append((text, href))
    return tuple(out)


def citation_html(text: str) -> Markup:
    """Return a citation with its *italics*; everything is escaped."""
    return Markup(_ITALIC.sub(r"<em>\1</em>", str(escape(text))))  # noqa: S704 - escaped here


def doi_link(doi: str) -> tuple[tuple[str, str], ...]:
    """Return label and address of a DOI; nothing where the text is none."""
    bare = doi.strip().removeprefix("https://doi.org/").removeprefix("doi:")
    return ((f"doi {bare}", f"https://doi.org/{quote(bare, safe='/().;:_-')}"),) if DOI.fullmatch(bare) else ()


def reference_view(reference: Reference) -> ReferenceView:
    """Lay out a reference; links only for a true DOI and PMID."""
    links = doi_link(reference.doi)
    pmid = reference.pmid.strip()
    if pmid.isascii() and pmid.isdigit():
        links += ((f"PMID {pmid}", f"https://pubmed.ncbi.nlm.nih.gov/{pmid}/"),)
    return ReferenceView(
        label=f"{reference.source} {reference.number}",
        citation=citation_html(reference.citation or f"{reference.first_author} {reference.year}".strip()),
        links=links,
        inferred=reference.number_inferred,
    )


def doubt_pairs(doubts: Iterable[Doubt]) -> tuple[tuple[str, str], ...]:
    """Return kind and text of doubts."""
    return tuple(dict.fromkeys((d.kind, d.text) for d in doubts))


def kind_of(effect_class: str) -> str:
    """Return the colour of an effect class: its side where it has one."""
    return SIDES.get(effect_class) or ("beneficial" if effect_class == "beneficial" else "neither")


def claim_view(claim: Claim, links: Links) -> ClaimView:
    """Lay out a claim with everything that belongs to it."""
    subject = {role: name for name, roles in ROLES.items() for role in roles}
    facts = []
    for label, name in FACTS:
        text = getattr(claim, name)
        if name == "isolation_method" and claim.isolation_g:
            text = f"{text} at {claim.isolation_g} g".strip()
        named = tuple(m.text for m in claim.mentions if m.role == ROLE_OF.get(name))
        if text and named:
            pieces = [(n, links.name(subject[ROLE_OF[name]], n)) for n in named]
            facts.append((label, tuple(p for pair in pieces for p in (pair, ("; ", "")))[:-1]))
        elif text or name in {"model", "isolation_method"}:
            facts.append((label, ((text or NOT_SAID, ""),)))
    return ClaimView(
        record_id=claim.record_id,
        anchor=anchor(claim.record_id),
        home=f"{links.root}{links.homes[claim.record_id]}" if claim.record_id in links.homes else "",
        condition=((claim.condition, links.name("condition", claim.condition)),),
        effect=claim.effect or "(effect not said)",
        effect_class=claim.effect_class or "effect class not said",
        kind=kind_of(claim.effect_class),
        study_type=claim.study_type or "study type not reported",
        facts=tuple(facts),
        references=tuple(reference_view(r) for r in claim.references),
        doubts=doubt_pairs(claim.doubts),
    )


def sides_view(title: str, balance: TumourBalance, links: Links, shown: set[str]) -> SidesView:
    """Lay out both sides of a balance: its comparisons and groups in words, and the claims side by side.

    Parameters
    ----------
    title : str
        Above it.
    balance : TumourBalance
        Both sides.
    links : Links
        Of the page.
    shown : set of str
        Claims that stand whole on the page already; those shown here are added.
    """
    statements = [
        StatementView(topic="conflict" if c.conflict else "both sides", text=links.sentence(c.sentence), records=(),
                      conflict=c.conflict)
        for c in balance.comparisons
    ] + [
        StatementView(topic="conflict" if g.conflict else "claims", text=links.sentence(g.sentence), records=(),
                      conflict=g.conflict)
        for g in balance.groups
    ]  # fmt: skip
    sides: dict[str, dict[str, tuple[BalanceClaim, list[str]]]] = {"promoting": {}, "inhibiting": {}, "neither": {}}
    for group in balance.groups:
        for found in group.claims:
            labels = sides[found.side].setdefault(found.record_id, (found, []))[1]
            labels.append(f"{group.subject} in {group.tumour}")
    columns = {
        side: tuple(_entry(e.claim, "; ".join(dict.fromkeys(labels)), _reading(e), links, shown)
                    for e, labels in of.values())
        for side, of in sides.items()
    }  # fmt: skip
    elsewhere: dict[str, tuple[Elsewhere, str]] = {}
    for other in balance.elsewhere:
        remark = "" if other.through == "cargo" else f"named in a {other.through} only, not as the row's cargo"
        elsewhere.setdefault(other.record_id, (other, remark))
    return SidesView(
        title=title,
        statements=tuple(statements),
        **columns,
        elsewhere=tuple(
            _entry(o.claim, f"{o.subject} in {o.claim.condition}", remark, links, shown)
            for o, remark in elsewhere.values()
        ),
    )


def _reading(entry: BalanceClaim) -> str:
    parts = [", ".join(entry.aspects)]
    if entry.carried not in {"", MOLECULE}:
        parts.append(f"carried: {entry.carried}; points to: {entry.points_to or 'no side'}")
    return "; ".join(p for p in parts if p)


def _entry(claim: Claim, label: str, remark: str, links: Links, shown: set[str]) -> Entry:
    repeat = claim.record_id in shown
    shown.add(claim.record_id)
    return Entry(claim=claim_view(claim, links), label=label, remark=remark, repeat=repeat)


def entries(claims: Iterable[Claim], links: Links, shown: set[str], remarks: Mapping[str, str]) -> tuple[Entry, ...]:
    """Lay out claims that do not stand on the page yet."""
    left = [c for c in claims if c.record_id not in shown]
    return tuple(_entry(c, "", remarks.get(c.record_id, ""), links, shown) for c in left)


def path_view(path: Path_, links: Links) -> PathView:
    """Lay out a chain as chips with arrows between them."""
    chips = []
    for number, node in enumerate(path.nodes):
        edge = path.edges[number - 1] if number else None
        change = edge.direction if edge else (path.edges[0].subject_direction if path.edges else "")
        printed = dict.fromkeys(t for r in path.records for named, t in r.printed if named == node.node_id)
        text = " or ".join(printed) or node.label
        if node.kind == "outcome":
            effects = "; ".join(dict.fromkeys(r.effect for r in path.records if r.effect))
            text = f"{node.label}: {effects}" if effects else node.label
        subject = "condition" if node.kind == "condition" else "molecule"
        href = next((h for name in printed if (h := links.name(subject, name))), "")
        chips.append(ChipView(kind=node.kind, text=text, change=change, href=href, step=edge.pairing if edge else ""))
    kinds = Counter(r.study_type or "study type not reported" for r in path.records)
    return PathView(
        chips=tuple(chips),
        records=links.records(r.record_id for r in path.records),
        study_types=counted(kinds),
        against=links.records(path.contradicted_by),
        doubts=len({d for r in path.records for d in r.doubts}),
    )


def counted(counts: Mapping[str, int]) -> str:
    """Return counts in words: "2 in vivo, 1 in vitro"."""
    return ", ".join(f"{n} {kind}" for kind, n in counts.items())


def dose_text(trial: Trial) -> str:
    """Return a trial's dose in words, as printed; empty where its source gives none."""
    if not said(trial.dose) and not said(trial.highest_dose):
        return ""
    if trial.highest_dose and trial.highest_dose != trial.dose:
        amount = f"{trial.dose or '?'}, highest {trial.highest_dose}"
    else:
        amount = trial.dose or trial.highest_dose
    parts = [f"{amount} {trial.dose_units}".strip()]
    if said(trial.number_of_doses):
        parts.append(f"number of doses {trial.number_of_doses}")
    if said(trial.dose_frequency_days):
        parts.append(f"days between doses {trial.dose_frequency_days}")
    return "; ".join(parts)


TRIAL_FACTS = (
    ("Phase", "phase"),
    ("Participants", "participants"),
    ("Cell source", "cell_source"),
    ("Product", "product"),
    ("Route", "route"),
    ("Country", "country"),
    ("As of", "as_of"),
    ("Notes", "notes"),
)
COMPARED = ("phase", "participants", "cell_source", "route", "country")


def trial_groups(trials: Sequence[Trial], root: str) -> tuple[TrialGroup, ...]:
    """Group trials by their number, and say where their reports print different things."""
    found: dict[str, list[Trial]] = {}
    for number, trial in enumerate(trials):
        found.setdefault(trial.nct_id.strip() or f"(no number, {number + 1})", []).append(trial)
    return tuple(_trial_group(nct, of, root) for nct, of in found.items())


def _trial_group(nct: str, reports: Sequence[Trial], root: str) -> TrialGroup:
    differences = []
    for name in COMPARED:
        printed = {fold(v): f"{v} ({t.source})" for t in reports if said(v := getattr(t, name))}
        if len(printed) > 1:
            differences.append(f"{name.replace('_', ' ')}: {', '.join(printed.values())}")
    views = tuple(
        TrialView(
            source=t.source,
            table=t.table,
            table_href=f"{root}{table_path(t.table)}",
            title=t.title,
            condition=t.condition,
            dose=dose_text(t),
            facts=tuple((label, v) for label, name in TRIAL_FACTS if (v := getattr(t, name))),
            doubts=doubt_pairs(t.doubts),
        )
        for t in reports
    )
    href = f"https://clinicaltrials.gov/study/{nct}" if NCT.fullmatch(nct) else ""
    return TrialGroup(
        nct_id=nct,
        anchor=trial_anchor(nct),
        href=href,
        differences="; ".join(differences),
        reports=views,
    )


def trial_anchor(nct: str) -> str:
    """Return the id of a trial's element."""
    return nct if NCT.fullmatch(nct) else f"trial.{slug(nct, nct)}"


def row_view(row: Trial | SourceRow | Reference, columns: Sequence[str]) -> RowView:
    """Lay out a row of a table as printed."""
    printed = printed_row(row)
    doubts = () if isinstance(row, Reference) else doubt_pairs(row.doubts)
    links: tuple[tuple[str, str], ...] = ()
    if isinstance(row, SourceRow):
        links = doi_link(row.doi)
    elif isinstance(row, Reference):
        links = reference_view(row).links
    if isinstance(row, Reference):
        mark = f"ref.{slug(f'{row.source} {row.number}', f'{row.source} {row.number}')}"
    else:
        mark = f"row-{row.position}"
    return RowView(anchor=mark, cells=tuple(printed.get(name, "") for name in columns), links=links, doubts=doubts)
