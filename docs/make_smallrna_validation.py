"""Small RNA against known answers: every difference from the truth is put down to one of our rules, or to none.

    VESICULA_SHARED=../shared python docs/make_smallrna_validation.py

Needs the public data beside the repository. Prints the tables of docs/validation/smallrna.md; the tests use the same
functions and assert that nothing is left without an explanation.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vesicula.cargo.smallrna import packaged_mirnas, read_mirnas
from vesicula.cargo.smallrna.assign import Hits, MirnaIndex, TieCounts, classes_of, encode, share_ties
from vesicula.cargo.smallrna.reference import MirnaReference, build_reference

UNEXPLAINED = "NOT EXPLAINED"
_NAME = re.compile(r"[@>]?(?P<hairpin>[^_]+)_(?P<mature>[^_]+)_(?P<start>-?\d+):(?P<end>\d+)"
                   r"_(?P<five>-?\d+):(?P<three>-?\d+)"
                   r"_mut:(?P<mut>[^_]+)_add:(?P<add>[^_]+)_x(?P<copies>\d+)")  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """What a simulated read's name says of it; `mutated` is a place in the read from 0, or -1."""

    hairpin: str
    mature: str
    start: int
    end: int
    shift_5p: int
    shift_3p: int
    mutated: int
    base: str
    added: str
    copies: int


def parse_name(name: str) -> Truth:
    """Read the name of one of seqbuster's simulated reads."""
    match = _NAME.match(name)
    if match is None:
        message = f"not a name of seqbuster's simulator: {name}"
        raise ValueError(message)
    g = match.groupdict()
    mutated = g["mut"] != "null"
    return Truth(
        hairpin=g["hairpin"], mature=g["mature"], start=int(g["start"]) - 1, end=int(g["end"]),
        shift_5p=int(g["five"]), shift_3p=int(g["three"]), mutated=int(g["mut"][:-1]) - 1 if mutated else -1,
        base=g["mut"][-1] if mutated else "", added="" if g["add"] == "null" else g["add"], copies=int(g["copies"]),
    )  # fmt: skip


def cost_by_rule_2(truth: Truth) -> int:
    """Return the price of the true description, written anew from the rule's text."""
    price = 12 if truth.mutated >= 0 else 0
    price += 4 + 2 * len(truth.added) if truth.added else 0
    return price + 4 * abs(truth.shift_5p) + abs(truth.shift_3p)


def refused_by_rule_1(truth: Truth, sequence: str) -> str:
    """Return the clause of rule 1 that the true description breaks; empty if it keeps all."""
    templated = len(sequence) - len(truth.added)
    changed = truth.mutated >= 0
    if len(sequence) < 16:
        return "shorter than 16 nt"
    if templated - changed < 15:
        return "fewer than 15 bases equal to the hairpin"
    if abs(truth.shift_5p) > 3 or abs(truth.shift_3p) > 5:
        return "an end further off than 3 nt (5') or 5 nt (3')"
    if len(truth.added) + (changed and truth.mutated == templated - 1) > 3:
        return "four or more bases at the 3' end that are not the hairpin's"
    return ""


def seen_differently(truth: Truth, reference: MirnaReference, sequence: str) -> str:
    """Return why the true description is not the simplest of its read; empty if nothing shows it."""
    hairpin = reference.hairpins[truth.hairpin]
    templated = len(sequence) - len(truth.added)
    at = truth.start + templated
    if truth.mutated >= 0 and hairpin[truth.start + truth.mutated :][:1] == truth.base:
        return "the changed base is the hairpin's own: no change to be seen"
    if truth.added and hairpin[at : at + 1] == truth.added[0]:
        return "the first added base is also the hairpin's next: a longer end, not an addition"
    if truth.mutated >= templated - 3 and truth.mutated >= 0:
        return "the changed base is among the last three: an addition, by rule 2"
    if truth.mutated >= 0 and truth.mutated <= 2:
        return "the changed base is among the first: another 5' end explains it as well"
    return ""


def reads_of(path: Path) -> tuple[list[Truth], list[str]]:
    """Return truths and sequences of a FASTA or FASTQ."""
    lines = path.read_text(encoding="ascii").split("\n")
    step = 4 if lines[0].startswith("@") else 2
    names = [name for name in lines[0::step] if name]
    return [parse_name(name) for name in names], lines[1::step][: len(names)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How reads of known origin were explained.

    `mirnas` and `isomirs` count distinct reads by class, each summing to all; `copies` the same for miRNAs,
    weighted by the copies in the names; `counts` the miRNAs by what moved their sum of copies, true and by EM.
    """

    mirnas: Counter[str]
    copies: Counter[str]
    isomirs: Counter[str]
    counts: Counter[str]
    true_copies: np.ndarray
    em_copies: np.ndarray


def compare(reference: MirnaReference, truths: Sequence[Truth], sequences: Sequence[str]) -> Agreement:
    """Explain reads, and class each by what became of its miRNA and of its isomiR."""
    index = MirnaIndex(reference)
    hits = index.match(*encode(sequences))
    bounds = np.searchsorted(hits.insert, np.arange(len(truths) + 1))
    outcomes: list[str] = []
    copies: Counter[str] = Counter()
    isomirs: Counter[str] = Counter()
    for r, (truth, sequence) in enumerate(zip(truths, sequences, strict=True)):
        mine = range(bounds[r], bounds[r + 1])
        outcome = mirna_class(truth, sequence, index, hits, mine)
        outcomes.append(outcome)
        copies[outcome] += truth.copies
        isomirs[isomir_class(truth, sequence, index, hits, mine)] += 1
    number = np.array([t.copies for t in truths])
    shares = share_ties(classes_of(hits, number), len(index.names))
    true = np.zeros(len(index.names))
    place = {name: i for i, name in enumerate(index.names)}
    for truth in truths:
        true[place[truth.mature]] += truth.copies
    return Agreement(
        mirnas=Counter(outcomes), copies=copies, isomirs=isomirs, true_copies=true, em_copies=shares.em,
        counts=count_classes(index, hits, truths, outcomes, shares, true),
    )  # fmt: skip


def mirna_class(truth: Truth, sequence: str, index: MirnaIndex, hits: Hits, mine: range) -> str:
    """Return what became of a read's miRNA, and by which rule."""
    best = {index.names[hits.mature[i]] for i in mine if hits.best[i]}
    if best == {truth.mature}:
        return "right"
    if truth.mature in best:
        same = all(index.reference.matures[n] == index.reference.matures[truth.mature] for n in best)
        why = "of the same sequence" if same else "that explain the read at the same cost"
        return f"right, tied with miRNAs {why} (rule 3)"
    refused = refused_by_rule_1(truth, sequence)
    if not best:
        return f"not found: {refused} (rule 1)" if refused else f"not found: {UNEXPLAINED}"
    least = min(int(hits.cost[i]) for i in mine)
    if cost_by_rule_2(truth) > least:
        return "another miRNA: it explains the read more simply (rule 2)"
    return f"another miRNA: the true description has {refused} (rule 1)" if refused else f"another miRNA: {UNEXPLAINED}"


def isomir_class(truth: Truth, sequence: str, index: MirnaIndex, hits: Hits, mine: range) -> str:
    """Return whether the isomiR is the one of the name, and why not."""
    found = [i for i in mine if hits.best[i] and index.names[hits.mature[i]] == truth.mature]
    if not found:
        return "miRNA not found or another (see above)"
    i = found[0]
    ours = (int(hits.shift_5p[i]), int(hits.shift_3p[i]), int(hits.added[i]), int(hits.mismatch_at[i]))
    if ours == (truth.shift_5p, truth.shift_3p, len(truth.added), truth.mutated):
        return "same"
    price, least = cost_by_rule_2(truth), int(hits.cost[i])
    why = seen_differently(truth, index.reference, sequence) or _other_hairpin(truth, sequence, index, hits, i)
    refused = refused_by_rule_1(truth, sequence)
    if price > least:
        return f"simpler: {why}" if why else f"simpler: {UNEXPLAINED}"
    if refused:
        return f"the true description has {refused} (rule 1)"
    return f"as simple: {why}" if price == least and why else f"{UNEXPLAINED} {price} {least}"


def _other_hairpin(truth: Truth, sequence: str, index: MirnaIndex, hits: Hits, hit: int) -> str:
    """Return whether another hairpin of the same miRNA holds the first added base; empty if not."""
    locus = index.reference.loci[hits.locus[hit]]
    at = locus.start + truth.shift_5p + len(sequence) - len(truth.added)
    holds = truth.added and index.reference.hairpins[locus.hairpin][at:][:1] == truth.added[0]
    if locus.hairpin != truth.hairpin and holds:
        return "the first added base is the next of another hairpin of the same miRNA: a longer end"
    return ""


def count_classes(
    index: MirnaIndex, hits: Hits, truths: Sequence[Truth], outcomes: Sequence[str], shares: TieCounts, true: np.ndarray
) -> Counter[str]:
    """Return the miRNAs by what explains that their count by EM differs from the true one; they sum to all present."""
    first = np.searchsorted(hits.insert, np.arange(len(truths)))
    touched: dict[str, set[str]] = {}
    for r, (truth, outcome) in enumerate(zip(truths, outcomes, strict=True)):
        if outcome != "right":
            touched.setdefault(truth.mature, set()).add(outcome)
        if outcome.startswith("another"):  # the one that gained the reads
            touched.setdefault(index.names[hits.mature[first[r]]], set()).add(outcome)
    shared = {index.names[m] for members in classes_of(hits, np.ones(len(truths), np.int64)) if len(members) > 1
              for m, _ in members}  # fmt: skip
    found: Counter[str] = Counter()
    for name, got, wanted, same in zip(index.names, shares.em, true, index.same_sequence, strict=True):
        if wanted == 0:
            continue
        if abs(got - wanted) < 0.5:
            found["equal to half a read"] += 1
        elif same:
            found["shares its sequence with another miRNA: the sum is right, the parts cannot be known (rule 3)"] += 1
        elif any(why.startswith("not found") for why in touched.get(name, ())):
            found["some of its reads are refused (rule 1)"] += 1
        elif name in touched:
            found["some reads are tied with, or nearer to, another miRNA (rules 2 and 3)"] += 1
        else:
            found["shared by weight with a neighbour of one mismatch (rule 4)" if name in shared else UNEXPLAINED] += 1
    return found


def mirbase_21(cargo: Path) -> MirnaReference:
    """Return human miRBase 21 of the public data."""
    folder = cargo / "taoshengxu__miRBaseConverter" / "derived"
    return read_mirnas(folder / "mature_v21.fa.gz", folder / "hairpin_v21.fa.gz", species="hsa")


def seqbuster(cargo: Path) -> Agreement:
    """Compare seqbuster's simulated human reads.

    The file is called sim.21, but its names and sequences are those of miRBase 22: all 17,858 reads can be built from
    their names with release 22, and 17,201 with release 21. The packaged reference is release 22.
    """
    truths, sequences = reads_of(cargo / "lpantano__seqbuster" / "validator" / "sim.21.hsa.fq")
    return compare(packaged_mirnas(), truths, sequences)


def mirtop_simulation(cargo: Path) -> Agreement:
    """Compare mirtop's simulated reads of let-7a-5p, against the hairpin that comes with them."""
    folder = cargo / "miRTop__mirtop" / "data" / "examples" / "simulation"
    hairpin = "".join(folder.joinpath("hairpin.fa").read_text(encoding="ascii").split("\n")[1:])
    matures = mirbase_21(cargo).matures
    reference = build_reference(
        {n: matures[n] for n in ("hsa-let-7a-5p", "hsa-let-7a-3p")}, {"hsa-let-7a-1": hairpin.replace("U", "T")},
        name="mirtop's hairpin",
    )
    truths, sequences = reads_of(folder / "reads.fa")
    return compare(reference, truths, sequences)


def show(title: str, counts: Counter[str]) -> None:
    total = sum(counts.values())
    print(f"\n{title}: {total:,}")
    for name, count in counts.most_common():
        print(f"  {count:>9,} {count / total:8.3%}  {name}")


def main() -> None:
    shared = Path(os.environ.get("VESICULA_SHARED", Path(__file__).parents[2] / "shared"))
    cargo = shared / "data" / "cargo"
    for name, result in (("seqbuster", seqbuster(cargo)), ("mirtop simulation", mirtop_simulation(cargo))):
        show(f"{name}, miRNA, distinct reads", result.mirnas)
        show(f"{name}, miRNA, copies", result.copies)
        show(f"{name}, isomiR, distinct reads", result.isomirs)
        show(f"{name}, miRNAs by their count", result.counts)
        there = result.true_copies > 0
        error = np.abs(result.em_copies - result.true_copies)[there] / result.true_copies[there]
        print(
            f"  {there.sum()} miRNAs, counts by EM: {np.mean(error < 0.01):.1%} within 1 %, "
            f"{np.mean(error < 0.1):.1%} within 10 %; mean absolute relative error {error.mean():.4f}"
        )


if __name__ == "__main__":
    main()
