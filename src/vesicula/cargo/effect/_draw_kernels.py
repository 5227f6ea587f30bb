"""The inner loop of the permutation of miRNAs, compiled."""

# ruff: noqa: ANN401 - a kernel takes plain arrays

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def score_selections(
    chosen: Any, target_at: Any, target: Any, member_at: Any, member: Any, in_set: Any, out: Any
) -> None:
    """Fill `out`, shape (selections, sets), with the excess of distinct targets in each set, in deviations.

    `chosen` has shape (selections, miRNAs); the targets of miRNA i are ``target[target_at[i]:target_at[i + 1]]``, the
    sets of gene g ``member[member_at[g]:member_at[g + 1]]``, and `in_set` holds the sets' sizes.
    """
    genes = member_at.size - 1
    sets = in_set.size
    stamp = np.zeros(genes, dtype=np.int64)
    found = np.zeros(sets, dtype=np.int64)
    for d in range(chosen.shape[0]):
        found[:] = 0
        n = 0
        for c in range(chosen.shape[1]):
            mirna = chosen[d, c]
            for j in range(target_at[mirna], target_at[mirna + 1]):
                gene = target[j]
                if stamp[gene] != d + 1:
                    stamp[gene] = d + 1
                    n += 1
                    for k in range(member_at[gene], member_at[gene + 1]):
                        found[member[k]] += 1
        for s in range(sets):
            share = in_set[s] / genes
            variance = n * share * (1.0 - share) * (genes - n) / max(genes - 1, 1)
            out[d, s] = (found[s] - n * share) / np.sqrt(variance) if variance > 0 else 0.0
