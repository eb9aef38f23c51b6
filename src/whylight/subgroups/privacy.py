"""Which groups are not shown because they are few people, and which others would tell their figures by subtraction."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Bools = NDArray[np.bool_]
Combination = tuple[int, ...]


def hidden(
    values: Mapping[Combination, NDArray[np.int32]], n: Mapping[Combination, NDArray[np.int64]], k: int
) -> dict[Combination, Bools]:
    """Which groups to leave out so that none of fewer than k rows can be read, or worked out from its neighbours.

    A group is left out where it has fewer than k rows, where a group that it is part of is left out, and where it would be the one
    that tells another's figures: of the parts of a shown group, those left out are two or more, and k rows or more together.

    Args:
        values: by combination of columns, (c, d) the groups.
        n: likewise, (c,) their rows.
        k: the fewest rows shown; 0 or 1 shows all.

    Returns:
        (c,) for each combination, true where the group is left out.

    Source: complementary suppression as in Hundepool and others, Statistical disclosure control, 2012, chapter 4; by this rule,
    which is stricter than it need be, rather than by search.
    """
    found: dict[Combination, Bools] = {}
    for combination in sorted(values, key=len):
        rows, size = values[combination], n[combination]
        gone = size < k
        found[combination] = gone
        if not combination or k < 2:
            continue
        parents = []
        for drop in range(len(combination)):
            above = combination[:drop] + combination[drop + 1 :]
            if above not in found:
                continue
            code = _number(np.delete(rows, drop, axis=1), values[above])
            gone |= found[above][code]
            parents.append(code)
        while _hide_more(gone, size, parents, k):
            pass
    return found


def _hide_more(gone: Bools, size: NDArray[np.int64], parents: list[NDArray[np.int64]], k: int) -> bool:
    more = False
    for code in parents:
        count = np.bincount(code, gone)
        total = np.bincount(code, np.where(gone, size, 0))
        left = np.bincount(code, ~gone)
        for parent in np.flatnonzero((count > 0) & ((count < 2) | (total < k)) & (left > 0)):
            shown = np.flatnonzero((code == parent) & ~gone)
            gone[shown[size[shown].argmin()]] = True
            more = True
    return more


def _number(rows: NDArray[np.int32], among: NDArray[np.int32]) -> NDArray[np.int64]:
    """The place of each row among those."""
    if rows.shape[1] == 0:
        return np.zeros(len(rows), np.int64)
    sizes = among.max(axis=0).astype(np.int64) + 1
    code = np.ravel_multi_index(tuple(among.T.astype(np.int64)), tuple(sizes))
    order = np.argsort(code)
    wanted = np.ravel_multi_index(tuple(rows.T.astype(np.int64)), tuple(sizes))
    return np.asarray(order[np.searchsorted(code[order], wanted)])
