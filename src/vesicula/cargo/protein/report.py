"""What a proteome analysis says, as text with the verdict first, as JSON, and as a table."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from vesicula._version import __version__
from vesicula.cargo.enrichment import SetResult
from vesicula.cargo.enrichment.moderated import METHOD
from vesicula.cargo.protein.analyse import FALSE_DISCOVERY_RATE, Comparison, Proteome
from vesicula.cargo.protein.misev import CATEGORIES, CATEGORY_WORDS, MARKER_RULE, NO_LIMIT, SamplePurity
from vesicula.cargo.protein.table import KIND_WORDS
from vesicula.core.errors import AnalysisError
from vesicula.core.finding import Verdict

TSV_COLUMNS = (
    "id", "genes", "accessions", "effect_log2", "low_log2", "high_log2", "t", "p_value", "adjusted_p_value", "df",
    "units_test", "units_reference", "only_in", "absence_adjusted_p_value",
)  # fmt: skip


def verdict_lines(result: Proteome, names: Mapping[str, str] = MappingProxyType({})) -> list[str]:
    """Return the verdict, a few sentences, most important first.

    Parameters
    ----------
    result : Proteome
        What was found.
    names : mapping of str to str
        Names of gene sets by identifier.
    """
    met = sum(p.verdict is Verdict.MET for p in result.purity)
    n = len(result.purity)
    failed = [p.sample for p in result.purity if p.verdict is not Verdict.MET]
    some = f" Not so: {', '.join(failed[:4])}{' and more' if len(failed) > 4 else ''}." if failed else ""
    lines = [
        f"Vesicle proteins: {met} of {n} samples hold at least three, one transmembrane and one cytosolic among them."
        + some,
        _co_isolates(result.purity),
    ]
    if len(result.conditions) > 1 and any(c.apob_share or c.albumin_share for c in result.conditions):
        order = ", ".join(f"{c.condition} {100 * c.apob_share:.2g} % ({c.units})" for c in result.conditions)
        albumin = sorted(result.conditions, key=lambda c: (-c.albumin_share, c.condition))
        order += "; albumin: " + ", ".join(f"{c.condition} {100 * c.albumin_share:.2g} %" for c in albumin)
        lines.append(f"By condition (mean of so many biological samples), ApoB: {order}.")
    if result.comparison is not None:
        lines += _comparison_lines(result.comparison, names)
    lines.append(result.removed.text)
    return lines


def _co_isolates(samples: tuple[SamplePurity, ...]) -> str:
    shares = [(p.apob_share, p.albumin_share, p.shares.get("3")) for p in samples]
    known = [(a, b, c) for a, b, c in shares if a is not None and b is not None and c is not None]
    if not known:
        return "Co-isolates: the values are ratios, or all empty, and do not tell how much of the signal they are."

    def span(k: int) -> str:
        column = [100 * row[k] for row in known]
        return f"{min(column):.2g} to {max(column):.2g} %" if max(column) else "not found"

    gone = (
        " Neither ApoB nor albumin is in the table: that proves purity only if nobody filtered them out before "
        "(lists of contaminants hold albumin)."
        if not any(a or b for a, b, _ in known)
        else ""
    )
    return (
        f"Co-isolates, share of the signal: ApoB {span(0)}, albumin {span(1)}, category 3 in all {span(2)}.{gone} "
        f"{NO_LIMIT}"
    )


def _comparison_lines(c: Comparison, names: Mapping[str, str]) -> list[str]:
    tested = np.isfinite(c.moderated.p_value)
    higher, lower = (int(sum(tested[i] for i in c.changed(sign))) for sign in (1, -1))
    lines = [
        (
            f"{c.design.columns[-1]}: of {int(tested.sum())} proteins tested, {higher} are higher and {lower} lower "
            f"(false discovery rate {100 * FALSE_DISCOVERY_RATE:g} %). {_absence_text(c)}"
        ),
        f"Missing values: {c.missing.text}",
    ]
    if not np.isnan(c.values).any():
        lines.append(
            "Not one value of the table is missing. If somebody filled the gaps before, copies and draws count as "
            "measurements here, and the p values are too small: ask how the table was made."
        )
    for word, sets in (("higher", c.up), ("lower", c.down)):
        found = [s for s in sets if s.adjusted_p < FALSE_DISCOVERY_RATE]
        if sets:
            lines.append(
                f"Gene sets among the {word}: {len(found)} of {len(sets)} tested, against the {c.mapped} genes "
                f"measured{': ' + '; '.join(names.get(s.set_id, s.set_id) for s in found[:5]) if found else ''}."
            )
    if c.up or c.down:
        lines.append(avoided_text(c))
    return lines


def _absence_text(c: Comparison) -> str:
    only, home = len(c.absence.rows), c.absence.only_in
    if not only:
        return "None is found in one condition only."
    split = f"{home.count(c.design.test)} in {c.design.test}, {home.count(c.design.reference)} in {c.design.reference}"
    if c.missing.mechanism == "filled":
        return f"{only} are found in one condition only ({split}); not judged: the table no longer tells."
    called = int((c.absence.adjusted_p < FALSE_DISCOVERY_RATE).sum())
    return (
        f"{only} are found in one condition only ({split}); {called} of them are too strong to have been missed by "
        "chance, and count as higher or lower for the gene sets."
    )


def avoided_text(c: Comparison) -> str:
    """Return how many more gene sets the whole genome as background would have called."""
    more = sum(len(c.only_by_genome(sign)) for sign in (1, -1))
    return (
        f"Against the whole genome ({c.genome_size} genes) {more} more gene sets would have been called: "
        "what the measurement can see, not what differs."
    )


def text_report(result: Proteome, names: Mapping[str, str]) -> str:
    """Return the whole report as text: verdict, purity table, signature, lists, largest changes, gene sets.

    Parameters
    ----------
    result : Proteome
        What was found.
    names : mapping of str to str
        Names of gene sets by identifier.
    """
    table = result.table
    out = ["VERDICT", *(f"  {line}" for line in verdict_lines(result, names)), ""]
    out += [f"TABLE  {', '.join(s.name for s in table.sources[:3])}{' ...' if len(table.sources) > 3 else ''}"]
    out += [f"  {table.software}; {KIND_WORDS[table.kind]}{', log2' if table.log2 else ''}"]
    out += [f"  note: {text}" for text in dict.fromkeys(n.message for n in table.notes)]
    out += ["", "PURITY (proteins found per MISEV category, and share of the signal in %)"]
    width = max(len(p.sample) for p in result.purity)
    out.append(f"  {'sample'.ljust(width)}  groups   c1   c2   c3   c4   c5   c3 %  ApoB %   Alb %  verdict")
    for p in result.purity:
        counts = " ".join(f"{len(p.found[c]):4d}" for c in CATEGORIES)
        shares = (p.shares.get("3"), p.apob_share, p.albumin_share)
        cells = " ".join("      -" if s is None else f"{100 * s:7.2f}" for s in shares)
        out.append(f"  {p.sample.ljust(width)}  {p.proteins:6d} {counts} {cells}  {p.verdict.value}")
    out += [f"  c{c}: {CATEGORY_WORDS[c]}" for c in CATEGORIES]
    plus = [m for m in result.signature if m.sign == "+" and m.of == "vesicle"]
    there, gone = (", ".join(m.marker for m in plus if m.found is f) or "none" for f in (True, False))
    out += ["", f"MSC SIGNATURE  found {there}; not found {gone} (no score is published)"]
    minus = [m.marker for m in result.signature if m.sign == "-" and m.found]
    out.append(f"  markers that MSCs lack, found: {', '.join(minus) or 'none'}")
    for o in result.overlaps:
        top = f"; {len(o.top_found)} of its {len(o.top)} most reported" if o.top else ""
        out.append(f"LIST {o.list_name}: reports {o.reported} of {o.groups} groups{top}")
    if result.comparison is not None:
        out += _comparison_text(result, result.comparison, names)
    return "\n".join(out) + "\n"


def _comparison_text(result: Proteome, c: Comparison, names: Mapping[str, str]) -> list[str]:
    m = c.moderated
    blocks = f", blocks: {', '.join(c.design.blocks)}" if c.design.blocks else ""
    out = ["", f"DIFFERENCES {c.design.columns[-1]} ({len(c.design.units)} units{blocks}); log2 effect, 95 % interval"]
    order = sorted((i for i, p in enumerate(m.p_value) if math.isfinite(p)), key=lambda i: float(m.p_value[i]))[:15]
    for i in order:
        group = result.table.groups[i]
        name = ";".join(group.genes[:3]) or group.id
        out.append(
            f"  {name[:24].ljust(24)} {m.fit.effect[i]:+7.2f} ({m.low[i]:+.2f} to {m.high[i]:+.2f})  "
            f"adjusted p {m.adjusted_p[i]:.2g}"
        )
    for word, sets in (("HIGHER", c.up), ("LOWER", c.down)):
        found = [s for s in sets if s.adjusted_p < FALSE_DISCOVERY_RATE][:10]
        out += [f"GENE SETS {word}"] if found else []
        out += [
            f"  {names.get(s.set_id, s.set_id)[:60].ljust(60)} {s.hits_in_set}/{s.set_size}  "
            f"{s.fold:.1f} times  adjusted p {s.adjusted_p:.2g}"
            for s in found
        ]
    return out


def json_report(result: Proteome, names: Mapping[str, str] = MappingProxyType({})) -> dict[str, Any]:
    """Return the report as plain data, numbers that do not exist as None.

    Parameters
    ----------
    result : Proteome
        What was found.
    names : mapping of str to str
        Names of gene sets by identifier.
    """
    table = result.table
    return {
        "vesicula": __version__,
        "verdict": verdict_lines(result, names),
        "sources": [{"name": s.name, "sha256": s.sha256, "size_bytes": s.size_bytes} for s in table.sources],
        "software": table.software,
        "kind": table.kind,
        "log2": table.log2,
        "notes": [{"code": n.code, "message": n.message} for n in table.notes],
        "removed": {
            k: getattr(result.removed, k)
            for k in ("total", "kept", "decoys", "contaminants", "only_by_site", "empty")
        },
        "purity": [
            {
                "sample": p.sample,
                "proteins": p.proteins,
                "found": {c: list(p.found[c]) for c in CATEGORIES},
                "shares": p.shares,
                "apob_share": p.apob_share,
                "albumin_share": p.albumin_share,
                "other_species_share": p.other_species_share,
                "verdict": p.verdict.value,
                "statement": p.statement,
            }
            for p in result.purity
        ],
        "conditions": [
            {"condition": c.condition, "units": c.units, "apob_share": c.apob_share,
             "albumin_share": c.albumin_share, "category_3_share": c.category_3_share}
            for c in result.conditions
        ],
        "marker_rule": MARKER_RULE.text,
        "signature": [
            {"of": m.of, "marker": m.marker, "gene": m.gene, "sign": m.sign, "found": m.found, "source": m.source}
            for m in result.signature
        ],
        "lists": [
            {"name": o.list_name, "groups": o.groups, "reported": o.reported, "top": len(o.top),
             "top_found": list(o.top_found)}
            for o in result.overlaps
        ],
        "comparison": None if result.comparison is None else _comparison_json(result, result.comparison, names),
    }  # fmt: skip


def _comparison_json(result: Proteome, c: Comparison, names: Mapping[str, str]) -> dict[str, Any]:
    rows = [dict(zip(TSV_COLUMNS, row, strict=True)) for row in rows_of(result)]
    return {
        "test": c.design.test,
        "reference": c.design.reference,
        "units": list(c.design.units),
        "blocks": list(c.design.blocks),
        "method": METHOD.text,
        "prior_df": c.moderated.prior_df if math.isfinite(c.moderated.prior_df) else None,
        "prior_variance": c.moderated.prior_variance,
        "missing": {
            "mechanism": c.missing.mechanism,
            "fraction": c.missing.missing_fraction,
            "fraction_among_strongest": c.missing.at_random_fraction,
            "slope_per_log2": c.missing.slope,
            "slope_error": c.missing.slope_error,
            "text": c.missing.text,
        },
        "background_genes": c.mapped,
        "gene_sets": {
            word: [_set_json(s, names) for s in sets[:200]] for word, sets in (("higher", c.up), ("lower", c.down))
        },
        "only_with_whole_genome": {
            word: [_set_json(s, names) for s in c.only_by_genome(sign)] for word, sign in (("higher", 1), ("lower", -1))
        },
        "whole_genome_genes": c.genome_size,
        "proteins": rows,
    }


def _set_json(s: SetResult, names: Mapping[str, str]) -> dict[str, Any]:
    return {
        "id": s.set_id,
        "name": names.get(s.set_id, s.set_id),
        "hits_in_set": s.hits_in_set,
        "set_size": s.set_size,
        "hits": s.hits,
        "background": s.background,
        "fold": s.fold,
        "p_value": s.p_value,
        "adjusted_p_value": s.adjusted_p,
        "members": list(s.members),
    }


def rows_of(result: Proteome) -> list[list[object]]:
    """Return one row per protein group under `TSV_COLUMNS`; None where there is no number.

    Raises
    ------
    AnalysisError
        When nothing was compared.
    """
    c = result.comparison
    if c is None:
        raise AnalysisError("nothing was compared: give conditions to compare")
    m = c.moderated
    absent = zip(c.absence.rows, c.absence.only_in, c.absence.adjusted_p, strict=True)
    only = {int(row): (where, float(chance)) for row, where, chance in absent}
    rows: list[list[object]] = []
    for i, group in enumerate(result.table.groups):
        where, chance = only.get(i, (None, None))
        numbers = (m.fit.effect[i], m.low[i], m.high[i], m.t[i], m.p_value[i], m.adjusted_p[i])
        rows.append([
            group.id, ";".join(group.genes), ";".join(group.accessions),
            *(float(x) if math.isfinite(x) else None for x in numbers),
            float(m.fit.df[i]), int(m.fit.n_test[i]), int(m.fit.n_reference[i]), where, chance,
        ])  # fmt: skip
    return rows
