"""What one condition holds more of than another: moderated statistics, missing values, over-representation."""

from vesicula.cargo.enrichment.design import Design, SampleInfo, build_design
from vesicula.cargo.enrichment.missing import Absence, Missingness, absent_from_one, judge_missing
from vesicula.cargo.enrichment.moderated import Moderated, fit_linear, moderated_test
from vesicula.cargo.enrichment.multiple import benjamini_hochberg
from vesicula.cargo.enrichment.over import SetResult, over_represented

__all__ = [
    "Absence",
    "Design",
    "Missingness",
    "Moderated",
    "SampleInfo",
    "SetResult",
    "absent_from_one",
    "benjamini_hochberg",
    "build_design",
    "fit_linear",
    "judge_missing",
    "moderated_test",
    "over_represented",
]
