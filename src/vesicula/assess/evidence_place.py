"""Places batches beside the evidence store: asked once for each distinct source, isolation, condition and cargo.

Runs in the main process alone; a worker gets the finished placement.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from vesicula.assess import evidence_match as match
from vesicula.assess import evidence_words as words
from vesicula.core.assessment import to_json
from vesicula.core.errors import AnalysisError
from vesicula.core.finding import Citation
from vesicula.core.placement import (
    SAME_BOTH,
    SAME_CONDITION,
    SAME_ISOLATION,
    SAME_SOURCE,
    TUMOUR_CARGO,
    TUMOUR_SOURCE,
    EvidencePlacement,
    PlacedBalance,
    PlacedClaim,
    PlacedReference,
    PlacedStatement,
    PlacedTrial,
)
from vesicula.core.study import Batch
from vesicula.evidence.balance import INHIBITOR, LESS, UNCLEAR, BalanceClaim, TumourBalance, tumour_balance
from vesicula.evidence.engine import default_path
from vesicula.evidence.model import Answer, Claim, Question, Reference, Trial
from vesicula.evidence.store import Store, open_store
from vesicula.evidence.trials import match_trials
from vesicula.manifest.vocabulary import normalise, suggest

MOST_CLAIMS = 2000
"""Claims taken of one question; a store with more of one source says so. The dossier is no copy of the store."""

Value = TypeVar("Value")


@contextmanager
def open_evidence(target: str | None, as_of: str | None) -> Iterator[Placer]:
    """Open the store that batches are placed beside.

    Parameters
    ----------
    target : str or None
        File or URL; None for the user's own store, or the packaged tables where there is none. The user's store is
        only read, and none is made: an analysis leaves nothing behind outside its folders.
    as_of : str or None
        A past version by name or number.

    Yields
    ------
    Placer
        Usable within the block.

    Raises
    ------
    AnalysisError
        When neither the store nor the packaged tables hold the version asked for.
    StoreError
        When the store cannot be read.
    """
    revision = int(as_of) if as_of is not None and as_of.isdigit() else as_of
    with ExitStack() as stack:
        store = stack.enter_context(_open_named(target, stack))
        if target is None and revision is not None and not _holds(store, revision):
            # Made on another machine, perhaps: the packaged tables are the same everywhere.
            store = stack.enter_context(_packaged(stack))
        if revision is not None and not _holds(store, revision):
            raise AnalysisError(
                f"{store.name if target else 'the evidence store'}: holds no version {as_of}. Name the store that does "
                "with --evidence or VESICULA_EVIDENCE, or leave the literature out with --evidence none."
            )
        yield Placer(store=store, version=store.version(revision))


def _open_named(target: str | None, stack: ExitStack) -> Store:
    if target is not None:
        if "://" not in target and not Path(target).expanduser().is_file():
            raise AnalysisError(
                f"{target}: there is no evidence store here. Name a file or a postgresql:// URL, or write "
                "--evidence none."
            )
        return open_store(target, create=False)
    default = default_path()
    if "://" not in default and not Path(default).expanduser().is_file():
        return _packaged(stack)
    return open_store(default, create=False)


def _packaged(stack: ExitStack) -> Store:
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="vesicula-evidence-"))
    return open_store(Path(folder) / "evidence.sqlite")


def _holds(store: Store, revision: int | str) -> bool:
    return any(revision in (r.revision, r.version) for r in store.versions())


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a batch is placed by; `key` is the source as sources are compared, `source` as it is shown."""

    key: str
    source: str
    stated_source: str
    isolation: tuple[str, ...]
    isolation_g: float | None
    condition: str
    cargo: tuple[str, ...]

    @classmethod
    def of(cls, batch: Batch) -> Asked:
        """Read it from the manifest."""
        stated = batch.cell_source.tissue or ""
        isolation, force = match.isolation_of(batch.isolation)
        known = normalise("cell_source", stated)
        return cls(
            key=match.canonical("cell_source", stated) if stated else "",
            source=known.term if known else stated,
            stated_source=stated,
            isolation=isolation,
            isolation_g=force,
            condition=batch.indication or "",
            cargo=tuple(dict.fromkeys(batch.cargo)),
        )


@dataclass(slots=True)
class _Draft:
    """A placement as it grows."""

    statements: list[PlacedStatement] = field(default_factory=list)
    matching: list[str] = field(default_factory=list)
    claims: dict[str, PlacedClaim] = field(default_factory=dict)
    trials: dict[tuple[str, str], PlacedTrial] = field(default_factory=dict)
    balances: list[PlacedBalance] = field(default_factory=list)
    leads: list[str] = field(default_factory=list)

    def say(self, key: str, title: str, text: str, rows: Iterable[str] = ()) -> None:
        self.statements.append(PlacedStatement(key=key, title=title, text=text, rows=tuple(dict.fromkeys(rows))))

    def add(self, claims: Iterable[Claim], relation: str) -> None:
        for claim in claims:
            known = self.claims.get(claim.record_id) or _placed(claim)
            self.claims[claim.record_id] = replace(known, relations=_with(known.relations, relation))

    def add_side(self, entry: BalanceClaim, relation: str, doubt: str = "") -> None:
        self.add([entry.claim], relation)
        known = self.claims[entry.record_id]
        doubts = _with(known.doubts, doubt) if doubt else known.doubts
        self.claims[entry.record_id] = replace(known, side=entry.side, doubts=doubts)  # type: ignore[arg-type]

    def add_trials(self, trials: Iterable[Trial], relation: str) -> None:
        for trial in trials:
            key = (trial.nct_id, trial.table)
            known = self.trials.get(key) or _placed_trial(trial)
            self.trials[key] = replace(known, relations=_with(known.relations, relation))


def _with(texts: tuple[str, ...], text: str) -> tuple[str, ...]:
    return texts if text in texts else (*texts, text)


@dataclass(slots=True, kw_only=True)
class Placer:
    """Places batches; what was asked once is not asked again.

    Parameters
    ----------
    store : Store
        An open one.
    version : str
        Version of it that all questions go to.
    """

    store: Store
    version: str
    _answers: dict[tuple[str, ...], object] = field(default_factory=dict)
    _placements: dict[Asked, tuple[EvidencePlacement, str]] = field(default_factory=dict)

    def place(self, batch: Batch) -> tuple[EvidencePlacement, str]:
        """Return the placement of a batch, and a hash of it for the batch's key."""
        asked = Asked.of(batch)
        if asked not in self._placements:
            placement = self._place(asked)
            self._placements[asked] = placement, digest_of(placement)
        return self._placements[asked]

    def _once(self, key: tuple[str, ...], make: Callable[[], Value]) -> Value:
        if key not in self._answers:
            self._answers[key] = make()
        return self._answers[key]  # type: ignore[return-value]

    def _ask(self, role: str, name: str) -> Answer:
        question = Question(**{role: name, "limit": MOST_CLAIMS})  # type: ignore[arg-type]
        return self._once((role, name), lambda: self.store.query(question, as_of=self.version))

    def _place(self, asked: Asked) -> EvidencePlacement:
        draft = _Draft()
        if asked.source:
            self._by_source(asked, draft)
        else:
            draft.matching.append("The manifest states no cell source (cell_source.tissue): nothing is placed by it.")
        if asked.condition:
            self._by_condition(asked, draft)
        else:
            draft.matching.append("The manifest states no indication: nothing is placed by condition.")
        self._by_trials(asked, draft)
        self._balances(asked, draft)
        if not asked.cargo:
            draft.matching.append("The manifest states no cargo: the tumour balance is that of the source alone.")
        cited = {c.source for c in draft.claims.values()} | {t.source for t in draft.trials.values()}
        sources = self._once(("sources",), lambda: self.store.sources(self.version))
        return EvidencePlacement(
            store_version=self.version,
            source=asked.source,
            isolation=asked.isolation,
            isolation_g=asked.isolation_g,
            condition=asked.condition,
            cargo=asked.cargo,
            lead=" ".join(draft.leads),
            matching=tuple(draft.matching),
            statements=tuple(draft.statements),
            claims=tuple(draft.claims.values()),
            trials=tuple(draft.trials.values()),
            balances=tuple(draft.balances),
            sources=tuple(Citation(text=s.citation, doi=s.doi, note=s.title) for s in sources if s.source in cited),
        )

    def _by_source(self, asked: Asked, draft: _Draft) -> None:
        answer = self._ask("cell_source", asked.source)
        same = [c for c in answer.claims if asked.key in match.sources_of(c.cell_source)]
        draft.matching.append(words.source_match(asked.stated_source, asked.source, same))
        if answer.truncated:
            draft.matching.append(f"The store holds more claims of this source: the first {MOST_CLAIMS} were taken.")
        vesicles = [c for c in same if match.is_vesicle(c)]
        others = [c for c in same if not match.is_vesicle(c)]
        near = () if same else suggest("cell_source", asked.stated_source)
        text = words.source_statement(asked.source, vesicles, others, near)
        draft.say("source", "Same cell source, any isolation", text, (c.record_id for c in same))
        draft.leads.append(words.source_lead(asked.source, vesicles))
        draft.add(same, SAME_SOURCE)
        if vesicles:
            self._by_isolation(asked, vesicles, draft)

    def _by_isolation(self, asked: Asked, claims: Sequence[Claim], draft: _Draft) -> None:
        classes = {c.record_id: match.isolation_class(c) for c in claims}
        same = [c for c in claims if classes[c.record_id] and classes[c.record_id] in asked.isolation]
        text = words.isolation_statement(asked.isolation, asked.isolation_g, claims, classes, same)
        draft.say("isolation", "Same cell source and class of isolation", text, (c.record_id for c in same))
        draft.add(same, SAME_ISOLATION)

    def _by_condition(self, asked: Asked, draft: _Draft) -> None:
        answer = self._ask("condition", asked.condition)
        claims = list(answer.claims)
        both = [c for c in claims if asked.source and asked.key in match.sources_of(c.cell_source)]
        draft.matching.append(words.condition_match(asked.condition, claims, answer.unmatched))
        if answer.truncated:
            draft.matching.append(f"The store holds more claims of it: the first {MOST_CLAIMS} were taken.")
        text = words.condition_statement(asked.condition, asked.source, claims, both, answer.unmatched)
        draft.say("condition", "Same condition", text, (c.record_id for c in claims))
        draft.leads.append(words.condition_lead(asked.condition, asked.source, claims, both))
        draft.add(claims, SAME_CONDITION)
        draft.add(both, SAME_BOTH)

    def _by_trials(self, asked: Asked, draft: _Draft) -> None:
        if not asked.source and not asked.condition:
            return
        trials = self._once(("trials",), lambda: self.store.trials(self.version))
        kinds = self._once(("kinds",), lambda: {(t.nct_id, t.table): match.sources_of(t.cell_source) for t in trials})
        same = [t for t in trials if asked.source and asked.key in kinds[t.nct_id, t.table]]
        for_it = [m.trial for m in match_trials(trials, condition=asked.condition)] if asked.condition else []
        unsaid = [t for t in trials if not match.names_source(t)]
        generic = [t for t in trials if match.UNSPECIFIED in kinds[t.nct_id, t.table]]
        text = words.trials_statement(
            asked.source, asked.condition, len(trials), same, for_it, unsaid=len(unsaid), generic=len(generic)
        )
        draft.say("trials", "Clinical trials", text, (t.nct_id for t in (*same, *for_it)))
        draft.add_trials(same, SAME_SOURCE)
        draft.add_trials(for_it, SAME_CONDITION)
        draft.add_trials([t for t in same if t in for_it], SAME_BOTH)

    def _balances(self, asked: Asked, draft: _Draft) -> None:
        if asked.source:
            balance = self._balance_of(None, asked.source)
            entries = [e for e in balance.claims if asked.key in match.sources_of(e.claim.cell_source)]
            self._balance(asked.source, "source", entries, draft)
        for name in asked.cargo:
            balance = self._balance_of(name, None)
            self._balance(name, "cargo", balance.claims, draft, words.beside(balance))

    def _balance_of(self, cargo: str | None, source: str | None) -> TumourBalance:
        asked = () if cargo is None else (cargo,)
        return self._once(
            ("balance", cargo or "", source or ""),
            lambda: tumour_balance(self.store, cargo=asked, cell_source=source, as_of=self.version),
        )

    def _balance(
        self, subject: str, kind: str, claims: Iterable[BalanceClaim], draft: _Draft, beside: str = ""
    ) -> None:
        entries = list({e.record_id: e for e in claims}.values())
        balance = words.balance_of(subject, kind, entries, beside)
        draft.balances.append(balance)
        key = f"tumour-{kind}" if kind == "source" else f"tumour-{kind}/{subject}"
        rows = (*balance.promoting, *balance.inhibiting, *balance.neither)
        draft.say(key, f"Tumour balance of {subject}", balance.sentence, rows)
        if kind == "source":
            draft.leads.append(balance.sentence)
        for entry in entries:
            relation = TUMOUR_SOURCE if kind == "source" else TUMOUR_CARGO
            draft.add_side(entry, relation, _carried(entry, subject))


def digest_of(placement: EvidencePlacement) -> str:
    """Return the SHA-256 of everything that a placement says."""
    return hashlib.sha256(to_json(placement)).hexdigest()


def _carried(entry: BalanceClaim, subject: str) -> str:
    """Say where a claim is not of the molecule asked for but of its opposite."""
    if entry.carried in (INHIBITOR, LESS):
        what = "an inhibitor of it" if entry.carried == INHIBITOR else "less of it"
        return f"{subject}: {what} was carried, so that the claim speaks for the opposite side of the molecule itself"
    if entry.carried == UNCLEAR:
        return f"{subject}: it is unclear whether it or an inhibitor of it was carried"
    return ""


def _placed(claim: Claim) -> PlacedClaim:
    doubts = [d.text or d.kind for d in claim.doubts]
    if len(match.sources_of(claim.cell_source)) > 1:
        doubts.append(f"the row names several sources of cells: {claim.cell_source}")
    if not match.is_vesicle(claim):
        doubts.append(f"the claim is about {claim.product or 'an unnamed product'}, not about vesicles")
    return PlacedClaim(
        record_id=claim.record_id,
        relations=(),
        condition=claim.condition,
        cell_source=claim.cell_source,
        product=claim.product,
        modification=claim.modification,
        isolation=match.isolation_words(claim),
        cargo=claim.cargo,
        model=claim.model,
        study_type=claim.study_type,
        effect=claim.effect,
        effect_class=claim.effect_class,
        source=claim.source,
        place=claim.location,
        references=tuple(_reference(r) for r in claim.references),
        doubts=tuple(dict.fromkeys(doubts)),
        note="" if claim.notes in doubts else claim.notes,
    )


def _reference(reference: Reference) -> PlacedReference:
    inferred = ", number inferred by the curator" if reference.number_inferred else ""
    text = " ".join(p for p in (reference.first_author, reference.year) if p) or reference.citation
    return PlacedReference(
        text=text or f"reference {reference.number}",
        citation=reference.citation,
        doi=reference.doi,
        pmid=reference.pmid,
        note=f"{reference.source} [{reference.number}]{inferred}",
    )


def _placed_trial(trial: Trial) -> PlacedTrial:
    doubts = tuple(dict.fromkeys(d.text or d.kind for d in trial.doubts))
    return PlacedTrial(
        nct_id=trial.nct_id,
        relations=(),
        title=trial.title,
        condition=trial.condition,
        phase=trial.phase,
        participants=trial.participants,
        cell_source=trial.cell_source,
        product=trial.product,
        route=trial.route,
        dose=" ".join(p for p in (trial.dose, trial.dose_units) if p).replace("\xa0", " "),
        source=trial.source,
        as_of=trial.as_of,
        url=trial.url,
        doubts=doubts,
        note="" if trial.notes in doubts else trial.notes,
    )
