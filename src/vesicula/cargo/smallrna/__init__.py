"""Small-RNA sequencing: FASTQ to counts of miRNA, isomiRs and other RNA, with what speaks against them."""

from vesicula.cargo.smallrna.collapse import ReadCounts, TrimSettings, collapse_fastq
from vesicula.cargo.smallrna.contamination import haemolysis_log2_ratio, saturation_curve
from vesicula.cargo.smallrna.detect import KitFound, find_kit
from vesicula.cargo.smallrna.kits import Kit, kit_named, kits
from vesicula.cargo.smallrna.quantify import References, SmallRnaCounts, quantify_fastq
from vesicula.cargo.smallrna.reference import MirnaReference, packaged_mirnas, read_fasta, read_mirnas

__all__ = [
    "Kit",
    "KitFound",
    "MirnaReference",
    "ReadCounts",
    "References",
    "SmallRnaCounts",
    "TrimSettings",
    "collapse_fastq",
    "find_kit",
    "haemolysis_log2_ratio",
    "kit_named",
    "kits",
    "packaged_mirnas",
    "quantify_fastq",
    "read_fasta",
    "read_mirnas",
    "saturation_curve",
]
