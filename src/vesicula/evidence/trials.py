"""Trials of all sources together: which are of a condition or a cell source, and why; doses as printed.

A review prints a trial's condition; the EV atlas prints none, so its titles are read. Nothing is converted, and a trial
that two rows report stands twice.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from vesicula.evidence.fold import fold
from vesicula.evidence.identify import identify
from vesicula.evidence.model import Trial
from vesicula.evidence.store import Store

if TYPE_CHECKING:
    import polars as pl

LONGEST_NAME = 6
"""Words of the longest run of a title that is looked up as a condition's name."""

SHORT_SOURCES = (
    ("iMSC", re.compile(r"\bimscs?\b|\binduced (?:pluripotent|mesenchymal)\b")),
    ("WJ-MSC", re.compile(r"\bwharton")),
    ("UCB-MSC", re.compile(r"\bcord blood\b")),
    ("UC-MSC", re.compile(r"\bumb[il]+cal ch?ord\b|\bh?uc ?mscs?\b|\bumscs?\b")),
    ("AT-MSC", re.compile(r"\badipose\b|\badscs?\b")),
    ("BM-MSC", re.compile(r"\bbone marrow\b|\bbm ?mscs?\b|\bbmscs?\b")),
    ("MSC", re.compile(r"")),
)
"""How the atlas spells out a source of mesenchymal stromal cells: the store's name, words. The first one holds."""

STROMAL = re.compile(r"\b(?:mesenchymal (?:stem|stromal|progenitor|precursor)|[a-z]*mscs?|adscs?|"
                     r"adipose (?:tissue )?derived (?:stem|stromal))\b")  # fmt: skip

NOTHING_SAID = frozenset({"", "n a", "na", "ns", "not reported", "not mentioned", "cannot find"})

COLUMNS = (
    "nct_id",
    "source",
    "table",
    "row",
    "title",
    "condition",
    "phase",
    "participants",
    "cell_source",
    "product",
    "route",
    "country",
    "dose",
    "highest_dose",
    "dose_units",
    "number_of_doses",
    "dose_frequency_days",
    "as_of",
    "notes",
    "doubts",
    "rows_of_this_trial",
    "matched_by",
    "url",
    "store_version",
)
"""Columns of the frame and of the CSV."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialMatch:
    """A trial as one row reports it.

    Attributes
    ----------
    trial : Trial
        The row, with its doubts.
    matched_by : tuple of str
        Why it is in the answer, in words; empty where nothing was asked for.
    same_trial : tuple of str
        The other rows of the store with its NCT number, as ``table#row``.
    """

    trial: Trial
    matched_by: tuple[str, ...]
    same_trial: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialAnswer:
    """Trials, with the version of the store that gave them."""

    version: str
    condition: str | None
    cell_source: str | None
    trials: tuple[TrialMatch, ...]
    held: int

    def frame(self) -> pl.DataFrame:
        """Return a frame of text columns, one row a row of a source; see :data:`COLUMNS`."""
        import polars as pl

        return pl.DataFrame(trial_rows(self), schema=dict.fromkeys(COLUMNS, pl.String))


def find_trials(
    store: Store,
    *,
    condition: str | None = None,
    cell_source: str | None = None,
    as_of: int | str | None = None,
) -> TrialAnswer:
    """List the trials of all sources, or those of a condition and a cell source.

    Parameters
    ----------
    store : Store
        An open one.
    condition, cell_source : str, optional
        Name or identifier; all that are given must hold.
    as_of : int or str, optional
        A past revision, by number or version.

    Returns
    -------
    TrialAnswer
        Rows of one trial beside each other, in the order of their first import.

    Raises
    ------
    StoreError
        If there is no such revision, or the store cannot be read.
    """
    version = store.version(as_of)
    trials = store.trials(version)
    found = match_trials(trials, condition=condition, cell_source=cell_source)
    return TrialAnswer(version=version, condition=condition, cell_source=cell_source, trials=found, held=len(trials))


def match_trials(
    trials: Sequence[Trial], *, condition: str | None = None, cell_source: str | None = None
) -> tuple[TrialMatch, ...]:
    """Choose trials: by the condition printed, the title, or another row of the same trial; see :func:`find_trials`."""
    rows: dict[str, list[Trial]] = {}
    for trial in trials:
        rows.setdefault(trial.nct_id, []).append(trial)
    found = []
    for same in rows.values():
        wanted = _reasons(same, condition, cell_source)
        found += [
            TrialMatch(trial=t, matched_by=why, same_trial=tuple(row_name(o) for o in same if o is not t))
            for t, why in zip(same, wanted, strict=True)
            if why is not None
        ]
    return tuple(found)


def _reasons(same: Sequence[Trial], condition: str | None, cell_source: str | None) -> list[tuple[str, ...] | None]:
    """Say for each row of one trial why it is wanted; None: it is not."""
    kept: list[list[str] | None] = [[] for _ in same]
    for asked, why_one in ((condition, _of_condition), (cell_source, _of_source)):
        if asked is None:
            continue
        whys = [why_one(trial, asked) for trial in same]
        through = next((row_name(t) for t, why in zip(same, whys, strict=True) if why), "")
        for number, why in enumerate(whys):
            said = why or (f"the same trial as {through}" if through else "")
            so_far = kept[number]
            kept[number] = [*so_far, said] if said and so_far is not None else None
    return [None if whys is None else tuple(dict.fromkeys(whys)) for whys in kept]


def _of_condition(trial: Trial, asked: str) -> str:
    if means("condition", trial.condition, asked):
        return f"condition {trial.condition!r}"
    named = named_in("condition", trial.title, asked)
    return f"title names {named!r}" if named else ""


def _of_source(trial: Trial, asked: str) -> str:
    return f"cell source {trial.cell_source!r}" if is_source(trial.cell_source, asked) else ""


def row_name(trial: Trial) -> str:
    """Return where a trial's row stands: ``table#row``."""
    return f"{trial.table}#{trial.position}"


def said(cell: str) -> bool:
    """Return whether a cell says anything: not "n.a.", "NS", "cannot find" and the like."""
    return not set(re.split(r"(?<=\w) (?=n a\b|cannot)", fold(cell))) <= NOTHING_SAID


def short_source(text: str) -> str:
    """Return the store's name for a source of mesenchymal stromal cells that is spelled out; empty for other cells."""
    folded = fold(text)
    if not STROMAL.search(folded):
        return ""
    return next(name for name, words in SHORT_SOURCES if words.search(folded))


def is_source(text: str, asked: str) -> bool:
    """Return whether a source as printed is the one asked for; "MSC" means all of them, as in a query."""
    if not said(text):
        return False
    short = short_source(text)
    return means("cell_source", text, asked) or (bool(short) and means("cell_source", short, asked))


def means(role: str, text: str, asked: str) -> bool:
    """Return whether a text is the name asked for: it has all its words, or its identifier."""
    words = set(fold(asked).split())
    if not said(text) or not words:
        return False
    return words <= set(fold(text).split()) or bool(_identifiers(role, asked) & _identifiers(role, text))


def named_in(role: str, text: str, asked: str) -> str:
    """Return the words of a longer text that are the name asked for, or another name of the same; empty: none.

    Its words must stand beside each other: "injury" of one thing and "kidney" of another are no kidney injury.
    """
    words = fold(text).split()
    name = fold(asked)
    if name and f" {name} " in f" {' '.join(words)} ":
        return name
    wanted = _identifiers(role, asked)
    if not wanted:
        return ""
    for length in range(min(LONGEST_NAME, len(words)), 0, -1):
        for start in range(len(words) - length + 1):
            run = " ".join(words[start : start + length])
            if wanted & _identifiers(role, run):
                return run
    return ""


@lru_cache(maxsize=65536)
def _identifiers(role: str, text: str) -> frozenset[str]:
    """Return what a name stands for, if just that: something wider would answer too much."""
    name = text.strip()
    asked = {name} if re.fullmatch(r"[A-Z]+:\d+", name) else set()
    known = identify(role, name)
    if known is None or not known.mapped or known.status == "broader":
        return frozenset(asked)
    return frozenset(asked | set(known.identifiers))


def trial_rows(answer: TrialAnswer) -> list[dict[str, str]]:
    """Return the trials as flat rows of :data:`COLUMNS`."""
    return [_row(match, answer.version) for match in answer.trials]


def _row(match: TrialMatch, version: str) -> dict[str, str]:
    trial = match.trial
    ours: Mapping[str, str] = {
        "row": str(trial.position),
        "doubts": " | ".join(doubt.in_words for doubt in trial.doubts),
        "rows_of_this_trial": str(1 + len(match.same_trial)),
        "matched_by": " | ".join(match.matched_by),
        "store_version": version,
    }
    return {name: ours[name] if name in ours else str(getattr(trial, name)) for name in COLUMNS}


def trials_csv(answer: TrialAnswer) -> str:
    """Return the trials as CSV; see :data:`COLUMNS`."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(trial_rows(answer))
    return out.getvalue()


def trials_json(answer: TrialAnswer) -> str:
    """Return the trials as JSON, each row whole."""
    return json.dumps(asdict(answer), ensure_ascii=False, indent=2)


def dose_in_words(trial: Trial) -> str:
    """Return what a row says about the dose, as printed; empty where it says none.

    Returns
    -------
    str
        For instance ``"200000000 (highest 1600000000) particles, doses: 7, days between doses: 1"``.
    """
    if not said(trial.dose):
        return ""
    amount = trial.dose + (f" (highest {trial.highest_dose})" if said(trial.highest_dose) else "")
    parts = [" ".join(t for t in (amount, trial.dose_units) if t)]
    if said(trial.number_of_doses):
        parts.append(f"doses: {trial.number_of_doses}")
    if said(trial.dose_frequency_days):
        parts.append(f"days between doses: {trial.dose_frequency_days}")
    return ", ".join(parts)


def trial_sentence(trial: Trial) -> str:
    """Return a trial's row in one line: number, what it is of, source, phase, people, route, dose."""
    parts = [
        trial.condition or trial.title,
        trial.cell_source if said(trial.cell_source) else "cell source not said",
        trial.product if said(trial.product) else "",
        f"phase {trial.phase}" if said(trial.phase) else "",
        f"{trial.participants} participants" if said(trial.participants) else "",
        trial.route if said(trial.route) else "route not said",
        dose_in_words(trial) or "dose not said",
    ]
    return f"{trial.nct_id} [{row_name(trial)}] {'; '.join(p for p in parts if p)}"


def trials_text(answer: TrialAnswer) -> str:
    """Return the trials for reading, with the doubts under their rows."""
    lines = []
    for match in answer.trials:
        lines += [trial_sentence(match.trial), *trial_remarks(match)]
    trials = len({match.trial.nct_id for match in answer.trials})
    rows = f"{len(answer.trials)} rows about {trials} trials, of {answer.held} rows in the store"
    return "\n".join([*lines, "", f"{rows}. Store version {answer.version}."]).lstrip()


def trial_remarks(match: TrialMatch) -> Iterable[str]:
    """Yield the lines under a trial: why it is here, its other rows, notes and doubts."""
    if match.matched_by:
        yield f"    matched by {'; '.join(match.matched_by)}"
    if match.same_trial:
        yield f"    also reported in {', '.join(match.same_trial)}"
    if match.trial.notes:
        yield f"    note: {match.trial.notes}"
    for doubt in match.trial.doubts:
        yield f"    {doubt.line}"
