"""Quantiles of lengths: four numbers that stand for thousands of rows, and what can be told from them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType

PERCENT: Mapping[str, int] = MappingProxyType({"p50": 50, "p90": 90, "p99": 99, "max": 100})


def quantiles(counts: Sequence[int]) -> dict[str, int]:
    """Nearest-rank quantiles: each is the length of some row."""
    ordered = sorted(counts)
    return {name: ordered[_rank(percent, len(ordered)) - 1] for name, percent in PERCENT.items()}


def at_least(lengths: Mapping[str, int], length: int, rows: int) -> int:
    """How many of `rows` rows are certainly as long as `length`, by the quantiles of all of them.

    A quantile is the length of a row, so that row and all longer ones count.
    """
    sure = [
        rows - _rank(percent, rows) + 1
        for name, percent in PERCENT.items()
        if name in lengths and lengths[name] >= length
    ]
    return max(sure, default=0)


def _rank(percent: int, rows: int) -> int:
    """Which row in rising order, counted from 1."""
    return max(math.ceil(percent * rows / 100), 1)
