"""What a cargo analysis says: as text with the verdict first, and as JSON."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from vesicula._version import __version__
from vesicula.cargo.effect import activity as scoring
from vesicula.cargo.effect.conditions import NAMED, CargoEvidence, Evidence, Side
from vesicula.cargo.effect.run import CargoEffect, notable_sets
from vesicula.cargo.effect.sets import BLEAZARD, FALSE_DISCOVERY_RATE, GODARD, Enrichment, SetAnswer, Spurious
from vesicula.evidence.model import Claim
from vesicula.mechanism.model import counted

SHOWN = 12
KIND_WORDS = {"mirna": ("miRNA", "miRNAs"), "protein": ("protein", "proteins")}
ORIGIN_WORDS = {"reactome": "Reactome", "go-bp-2021": "GO", "hallmark-7.0": "hallmark"}


def verdict_lines(found: CargoEffect) -> list[str]:
    """Return the verdict in sentences, the most important first."""
    lines = [measured_line(found)]
    lines += [enrichment_line(e, found.table.kind) for e in found.enrichments]
    if found.activity is not None:
        lines.append(_activity(found))
    if found.evidence is not None:
        lines += evidence_lines(found.evidence)
    return lines


def measured_line(found: CargoEffect) -> str:
    """Return in a sentence how much was measured and what of it was tested."""
    one, many = KIND_WORDS[found.table.kind]
    n = len(found.table.measured())
    text = f"{n} {one if n == 1 else many} measured"
    text += f" in {counted(len(found.table.samples), 'sample')}" if found.table.samples else ""
    text += f", {found.measured} of them compared" if found.table.effect is not None and found.measured < n else ""
    text += f", background of {found.measured}" if found.measured > n else ""
    if found.targets is not None:
        aimed = sum(found.table.keys[i] in found.targets.genes for i in found.table.measured())
        text += f", {aimed} of the table's with targets ({found.targets.origin})"
    return f"{text}. Tested: {'; '.join(f'{len(one.hits)} {one.what}' for one in found.lists)}."


def enrichment_line(e: Enrichment, kind: str) -> str:
    """Return in a sentence which pathways stand out, and what the usual tests would have called."""
    if e.refused:
        return f"Pathways ({e.what}): not tested, since {e.refused}."
    right = (
        "other measured miRNAs with as many targets"
        if kind == "mirna"
        else f"the {e.measured} proteins that could have been in the list"
    )
    called = e.called
    text = f"Pathways ({e.what}): {len(called)} of {len(e.answers)} gene sets stand out against {right}"
    text += f": {'; '.join(a.name for a in called[:4])}" if called else ""
    text += f". The whole genome as background would have called {e.genome_called}"
    if kind == "mirna":
        text += f", the usual test of target genes against all measured targets {e.gene_called}"
    if e.spurious:
        text += f"; {len(e.spurious)} of those of the genome do not stand out here, such as {e.spurious[0].name}"
    return text + "."


def _activity(found: CargoEffect) -> str:
    scores = found.activity
    if scores is None:
        return ""
    if found.comparison is not None and found.design is not None:
        p = found.comparison.adjusted_p
        n = int(np.sum(p < FALSE_DISCOVERY_RATE))
        best = [found.set_names[scores.set_ids[i]] for i in notable_sets(found, 3) if p[i] < FALSE_DISCOVERY_RATE]
        return (
            f"Activity: {n} of {len(scores.set_ids)} gene sets differ between {found.design.test} and "
            f"{found.design.reference}{': ' + '; '.join(best) if best else ''}."
        )
    return (
        f"Activity: {len(scores.set_ids)} gene sets were scored in {counted(len(scores.samples), 'sample')}; groups of "
        "samples were not compared (a sample sheet with two conditions is needed)."
    )


def evidence_lines(evidence: Evidence) -> list[str]:
    """Return what the claims say, in sentences."""
    sure = [c for c in evidence.cargo if c.sure]
    carried = [c for c in sure if "cargo" in c.roles]
    lines = [
        (
            f"Claims: of {evidence.looked_up} names looked up, {len(carried)} are cargo of claims"
            f" and {len(sure) - len(carried)} a target or pathway of claims alone"
            f" (further {len(evidence.cargo) - len(sure)} only as a family, the rarer arm or a longer name)."
            " That a batch carries what claims name does not say that it acts."
        )
    ]
    if evidence.condition:
        led = [c for c in sure if c.all_paths]
        against = sum(bool(p.contradicted_by) for c in led for p in c.paths)
        lines.append(
            f"To {evidence.condition}: {counted(sum(c.all_paths for c in led), 'path')} over "
            f"{counted(len(led), 'molecule')} of the batch"
            f"{' (' + ', '.join(c.label for c in led[:5]) + ')' if led else ''}"
            f"; {against} of those listed are contradicted by other claims."
        )
    lines.append(balance_line(evidence))
    return lines


def balance_line(evidence: Evidence) -> str:
    """Return in a sentence how the batch's cargo stands on the tumour balance, side beside side."""
    sides = [(c, s) for c in evidence.cargo for s in c.sides]
    promoting = dict.fromkeys(c.label for c, s in sides if set(s.promoting) - set(c.unsure))
    inhibiting = dict.fromkeys(c.label for c, s in sides if set(s.inhibiting) - set(c.unsure))
    both = [label for label in promoting if label in inhibiting]
    if not sides:
        return "Tumour balance: no claim about tumours names the batch's cargo."

    def some(labels: dict[str, None]) -> str:
        listed = list(labels)
        return f" ({', '.join(listed[:5])}{' and others' if len(listed) > 5 else ''})" if listed else ""

    return (
        f"Tumour balance, not netted: {counted(len(promoting), 'molecule')} in claims of promotion{some(promoting)}, "
        f"{len(inhibiting)} in claims of inhibition{some(inhibiting)}, {len(both)} in both. Claims of an inhibitor "
        "of the molecule stand on their own side; each sentence below says so."
    )


def text_report(found: CargoEffect) -> str:
    """Return the whole report as text."""
    out = ["VERDICT", *(f"  {line}" for line in verdict_lines(found))]
    out += ["", f"CARGO  {found.table.source.name}, SHA-256 {found.table.source.sha256[:16]}"]
    for one in found.lists:
        out.append(
            f"  {one.what}: {', '.join(list(one.hits.values())[:SHOWN])}{' ...' if len(one.hits) > SHOWN else ''}"
        )
    for e in found.enrichments:
        out += _enrichment_text(e)
    out += _activity_text(found)
    if found.evidence is not None:
        out += _evidence_text(found.evidence)
    out += ["", "TO KNOW", *(f"  {note}" for note in all_notes(found))]
    return "\n".join(out) + "\n"


def all_notes(found: CargoEffect) -> list[str]:
    """Return what a reader must know, each once."""
    notes = list(found.notes)
    notes += [n for e in found.enrichments for n in e.notes]
    notes += found.evidence.notes if found.evidence is not None else ()
    if found.table.kind == "mirna" and any(not e.refused for e in found.enrichments):
        notes.append(f"Chance for miRNAs: {BLEAZARD.text}, doi {BLEAZARD.doi}; {GODARD.text}, doi {GODARD.doi}.")
    if found.activity is not None:
        notes += [f"Activity: {scoring.METHOD.text}, doi {scoring.METHOD.doi}.", scoring.WARNING]
    return list(dict.fromkeys(notes))


def _enrichment_text(e: Enrichment) -> list[str]:
    if e.refused or not e.answers:
        return []
    out = ["", f"PATHWAYS, {e.what} (p: {e.method}; genome: what the whole genome would have given)"]
    out += [f"  {set_line(a)}" for a in (e.called or e.answers[:5])[:SHOWN]]
    if not e.called:
        out.append("  none of these stands out; the first five are shown")
    if e.spurious:
        out.append(f"  WOULD HAVE BEEN CALLED AGAINST THE WHOLE GENOME ALONE: {len(e.spurious)}, the worst:")
        out += [f"    {spurious_line(s)}" for s in e.spurious[:SHOWN]]
    return out


def set_line(a: SetAnswer) -> str:
    """Return a set as one line."""
    name = f"{a.name[:58]} [{ORIGIN_WORDS.get(a.origin, a.origin)}]"
    return (
        f"{name.ljust(70)} {a.hits_in_set}/{a.set_size}  {a.fold:.1f} times  p {a.p_value:.2g}  adjusted "
        f"{a.adjusted_p:.2g}  genome {number(a.genome_adjusted_p)}"
    )


def spurious_line(s: Spurious) -> str:
    """Return a set that only the genome would have called as one line."""
    ours = f"here {s.adjusted_p:.2g}" if math.isfinite(s.adjusted_p) else f"not tested: {s.measured} members measured"
    return f"{s.name[:58]} [{ORIGIN_WORDS.get(s.origin, s.origin)}]: adjusted p {s.genome_adjusted_p:.2g}, {ours}"


def number(value: float) -> str:
    """Print a p value, or a dash where there is none."""
    return f"{value:.2g}" if math.isfinite(value) else "-"


def _activity_text(found: CargoEffect) -> list[str]:
    scores = found.activity
    if scores is None:
        return []
    out = ["", f"ACTIVITY (t value of the slope{', relative to the mean of the samples' if scores.centred else ''})"]
    for i in notable_sets(found, SHOWN):
        cells = " ".join(f"{v:+5.1f}" if math.isfinite(v) else "    -" for v in scores.score[i][:16])
        name = found.set_names[scores.set_ids[i]][:48].ljust(48)
        tail = ""
        if found.comparison is not None:
            p = number(float(found.comparison.adjusted_p[i]))
            tail = f"  difference {found.comparison.fit.effect[i]:+.1f}, adjusted p {p}"
        out.append(f"  {name} {cells}{tail}")
    return out


def _evidence_text(evidence: Evidence) -> list[str]:
    out = ["", f"CLAIMS  store {evidence.version}{', paths to ' + evidence.condition if evidence.condition else ''}"]
    shown = [c for c in evidence.cargo if c.paths or not evidence.condition]
    for c in shown[: 2 * SHOWN]:
        out.append(f"  {c.label}: {c.standing}; named as {' and '.join(c.roles)}, {c.naming}{_printed(c)}")
        for p in c.paths[:3]:
            out += [f"    {p.text}", f"      {p.quality}"]
        if c.all_paths > 3:
            out.append(f"    and {c.all_paths - 3} more paths")
        out += [f"    TUMOURS {s.sentence}{unsure_side(c, s)}" for s in c.sides]
    if len(shown) > 2 * SHOWN:
        out.append(f"  and {len(shown) - 2 * SHOWN} more molecules, in --json and --html")
    out += ["", "CONDITIONS whose claims name the batch's cargo"]
    for row in evidence.conditions[:SHOWN]:
        effects = ", ".join(f"{n} {e}" for e, n in row.effects)
        out.append(f"  {row.condition}: {', '.join(row.cargo[:8])} ({effects}) [{', '.join(row.claims)}]")
    out += ["", "ROWS CITED", *(f"  {row_line(c)}" for c in evidence.rows)]
    return out


def _printed(c: CargoEvidence) -> str:
    return f" ({', '.join(c.printed)})" if c.naming != NAMED else ""


def unsure_side(c: CargoEvidence, side: Side) -> str:
    """Return a remark where all the rows of a side name something wider than the molecule."""
    rows = {*side.promoting, *side.inhibiting, *side.neither}
    return "" if rows - set(c.unsure) else " (These rows name a family, no arm or something longer; not counted.)"


def row_line(claim: Claim) -> str:
    """Return a row of the store as one line, with its references and doubts."""
    cited = "; ".join(
        f"{r.first_author} {r.year}".strip() + (f", doi {r.doi}" if r.doi else f", PMID {r.pmid}" if r.pmid else "")
        for r in claim.references
    )
    doubts = "".join(f"; doubt: {d.text}" for d in claim.doubts)
    what = f"{claim.condition}: {claim.effect_class}" if claim.condition else claim.effect_class
    kind = claim.study_type or "study type not stated"
    return f"{claim.record_id} ({claim.source}, {kind}): {what} [{cited or 'no reference stated'}]{doubts}"


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def json_report(found: CargoEffect) -> dict[str, Any]:
    """Return the report as plain data, numbers that do not exist as None."""
    table = found.table
    return {
        "vesicula": __version__,
        "verdict": verdict_lines(found),
        "source": {"name": table.source.name, "sha256": table.source.sha256, "size_bytes": table.source.size_bytes},
        "kind": table.kind,
        "measured": len(table.measured()),
        "background": found.measured,
        "samples": list(table.samples),
        "lists": [{"what": one.what, "cargo": list(one.hits.values())} for one in found.lists],
        "targets": None if found.targets is None else {
            "origin": found.targets.origin, "mirnas": len(found.targets.genes), "notes": list(found.targets.notes)},
        "pathways": [_enrichment_json(e) for e in found.enrichments],
        "activity": _activity_json(found),
        "overlap": [{"group": g.name, "cargo": len(g.cargo)} for g in found.groups],
        "claims": None if found.evidence is None else evidence_json(found.evidence),
        "notes": all_notes(found),
    }  # fmt: skip


def _enrichment_json(e: Enrichment) -> dict[str, Any]:
    return {
        "of": e.what,
        "cargo_tested": list(e.hits),
        "measured": e.measured,
        "method": e.method,
        "refused": e.refused,
        "tested": len(e.answers),
        "called": len(e.called),
        "called_by_whole_genome": e.genome_called,
        "called_by_test_of_target_genes": e.gene_called,
        "sets": [
            {"id": a.set_id, "name": a.name, "origin": a.origin, "hits_in_set": a.hits_in_set, "set_size": a.set_size,
             "hits": a.hits, "background": a.background, "fold": _finite(a.fold), "p_value": a.p_value,
             "adjusted_p_value": a.adjusted_p, "gene_adjusted_p_value": _finite(a.gene_adjusted_p),
             "genome_adjusted_p_value": _finite(a.genome_adjusted_p), "members": list(a.members)}
            for a in e.answers[: max(200, len(e.called))]
        ],
        "only_against_whole_genome": [
            {"id": s.set_id, "name": s.name, "origin": s.origin, "genome_adjusted_p_value": s.genome_adjusted_p,
             "adjusted_p_value": _finite(s.adjusted_p), "measured_members": s.measured}
            for s in e.spurious
        ],
    }  # fmt: skip


def _activity_json(found: CargoEffect) -> dict[str, Any] | None:
    a = found.activity
    if a is None:
        return None
    rows = []
    for i in notable_sets(found, 200):
        row: dict[str, Any] = {
            "id": a.set_ids[i], "name": found.set_names[a.set_ids[i]], "members": int(a.members[i]),
            "scores": [_finite(v) for v in a.score[i]], "p_values": [_finite(v) for v in a.p_value[i]],
            "adjusted_p_values": [_finite(v) for v in a.adjusted_p[i]],
        }  # fmt: skip
        if found.comparison is not None:
            row["difference"] = _finite(found.comparison.fit.effect[i])
            row["difference_p_value"] = _finite(found.comparison.p_value[i])
            row["difference_adjusted_p_value"] = _finite(found.comparison.adjusted_p[i])
        rows.append(row)
    return {
        "method": scoring.METHOD.text,
        "centred": a.centred,
        "draws": a.draws,
        "samples": list(a.samples),
        "sets": rows,
    }


def evidence_json(evidence: Evidence) -> dict[str, Any]:
    """Return what claims say as plain data."""
    return {
        "store": evidence.version,
        "condition": evidence.condition or None,
        "looked_up": evidence.looked_up,
        "cargo": [
            {"name": c.label, "standing": c.standing, "tested": c.in_list, "roles": list(c.roles),
             "printed": list(c.printed), "named": c.naming, "claims": list(c.claims),
             "claims_not_sure": list(c.unsure), "paths": c.all_paths,
             "paths_listed": [
                 {"text": p.text, "condition": p.condition, "outcome": p.outcome, "quality": p.quality,
                  "claims": list(p.claims), "contradicted_by": list(p.contradicted_by)} for p in c.paths],
             "tumour_balance": [
                 {"tumour": s.tumour, "sentence": s.sentence, "promoting": list(s.promoting),
                  "inhibiting": list(s.inhibiting), "neither": list(s.neither), "conflict": s.conflict}
                 for s in c.sides]}
            for c in evidence.cargo
        ],
        "conditions": [
            {"condition": r.condition, "cargo": list(r.cargo), "effects": dict(r.effects), "claims": list(r.claims)}
            for r in evidence.conditions
        ],
        "rows": [
            {"id": c.record_id, "source": c.source, "condition": c.condition, "effect_class": c.effect_class,
             "study_type": c.study_type, "doubts": [d.text for d in c.doubts],
             "references": [{"text": f"{r.first_author} {r.year}".strip(), "doi": r.doi, "pmid": r.pmid}
                            for r in c.references]}
            for c in evidence.rows
        ],
    }  # fmt: skip
