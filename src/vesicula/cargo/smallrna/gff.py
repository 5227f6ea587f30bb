"""mirGFF3: one line an insert and mature (Desvignes et al. 2020, Bioinformatics 36:698 [from memory, unchecked])."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from vesicula.cargo.smallrna.assign import Codes, Hits, Ints, MirnaIndex

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUV"


def gff_header(index: MirnaIndex, sample: str) -> str:
    """Return the header lines of a file of one sample."""
    return (
        "## mirGFF3. VERSION 1.2\n"
        f"## source-ontology: {index.reference.name}\n"
        "## TOOLS: vesicula\n"
        f"## COLDATA: {sample}\n"
    )


def gff_lines(index: MirnaIndex, sequences: Sequence[str], hits: Hits, reads: Ints, codes: Codes) -> Iterator[str]:
    """Yield the lines of a batch: the simplest explanations of each insert, ties one line each.

    Shifts are signed as places on the hairpin: ``iso_5p:-1`` begins one nt before the mature, ``iso_3p:-1`` ends one
    nt before its end. The identifier is of our own making (length and bases in base 32), not a MINTplate.
    """
    best = np.flatnonzero(hits.best)
    ties = np.bincount(hits.insert[best], minlength=len(sequences))
    for i in best.tolist():
        r, locus = int(hits.insert[i]), index.reference.loci[hits.locus[i]]
        read, start = sequences[r], locus.start + int(hits.shift_5p[i])
        templated = len(read) - int(hits.added[i])
        variant = variant_of(hits, i)
        attributes = (
            f"Read={read}; UID=iso-{len(read)}-{_identifier(codes[r, : len(read)])}; Name={locus.mature}; "
            f"Parent={locus.hairpin}; Variant={variant}; Cigar={_cigar(read, templated, int(hits.mismatch_at[i]))}; "
            f"Expression={int(reads[r])}; Filter=Pass; Hits={int(ties[r])}"
        )
        kind = "ref_miRNA" if variant == "NA" else "isomiR"
        source = index.reference.name.replace(" ", "").replace(",", "_")
        yield "\t".join((
            locus.hairpin, source, kind, str(start + 1), str(start + templated), ".", "+", ".", attributes,
        )) + "\n"  # fmt: skip


def variant_of(hits: Hits, i: int) -> str:
    """Return mirGFF3's words for how an insert differs from the mature; ``NA`` for no difference."""
    words = []
    if hits.added[i]:
        words.append(f"iso_add3p:{int(hits.added[i])}")
    for name, shift in (("iso_5p", hits.shift_5p[i]), ("iso_3p", hits.shift_3p[i])):
        if shift:
            words.append(f"{name}:{int(shift):+d}")
    if hits.mismatch_at[i] >= 0:
        words.append(_region(int(hits.mismatch_at[i]) + int(hits.shift_5p[i]) + 1))
    return ",".join(sorted(words)) or "NA"


def _region(place: int) -> str:
    """Return the word for a changed base, by its place in the mature from 1."""
    if 2 <= place <= 7:
        return "iso_snv_seed"
    if place == 8:
        return "iso_snv_central_offset"
    if 9 <= place <= 12:
        return "iso_snv_central"
    return "iso_snv_central_supp" if 13 <= place <= 17 else "iso_snv"


def _cigar(read: str, templated: int, mismatch: int) -> str:
    """Return the read against the hairpin: matches counted, other bases spelt."""
    if mismatch < 0:
        text = _matches(templated)
    else:
        text = _matches(mismatch) + read[mismatch] + _matches(templated - mismatch - 1)
    return text + read[templated:]


def _matches(count: int) -> str:
    return "" if count == 0 else "M" if count == 1 else f"{count}M"


def _identifier(codes: Codes) -> str:
    """Return bases as a number in base 32."""
    number = 0
    for code in codes.tolist():
        number = number * 4 + code
    text = ""
    while number:
        number, digit = divmod(number, 32)
        text = _DIGITS[digit] + text
    return text or "0"
