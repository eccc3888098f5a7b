"""Axes: which range is shown, and where the numbers on it go."""

from __future__ import annotations

import math
from collections.abc import Sequence

from kavaspec_tui.series import Extent

ROBUST_PERMILLE = 5
"""Share of the columns that a robust range leaves out on each side: one spike flattens no curve."""


def ticks(low: float, high: float, wanted: int) -> list[float]:
    """Round numbers (1, 2 or 5 times a power of ten) inside `low..high`, about `wanted` of them."""
    if not (math.isfinite(low) and math.isfinite(high) and high > low):
        return [low] if math.isfinite(low) else []
    if high - low < 1e-290:
        return [low, high]  # next to the smallest floats there are no round numbers
    step = _round_step((high - low) / max(1, wanted))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    if not math.isfinite(step) or last - first > 4 * max(1, wanted):
        return [low, high]  # the range is narrower than floats can divide
    return [i * step for i in range(first, last + 1)]


def _round_step(raw: float) -> float:
    power = math.floor(math.log10(raw)) if raw > 0 else -300
    unit = 10.0 ** max(power, -300)
    return next((unit * f for f in (1, 2, 5) if raw <= unit * f * (1 + 1e-9)), unit * 10)


def full_range(found: Sequence[Extent | None]) -> Extent:
    """Smallest to largest value shown."""
    lows = [part[0] for part in found if part is not None and math.isfinite(part[0])]
    highs = [part[1] for part in found if part is not None]
    return (min([*lows, *highs]), max(highs)) if highs else (0.0, 1.0)


def robust_range(found: Sequence[Extent | None]) -> Extent:
    """The full range without the extreme columns on each side; they are drawn at the edge."""
    lows = sorted(part[0] for part in found if part is not None and math.isfinite(part[0]))
    highs = sorted(part[1] for part in found if part is not None)
    if not lows:
        return full_range(found)
    skip = math.ceil(len(highs) * ROBUST_PERMILLE / 1000) if len(highs) >= 20 else 0
    return lows[min(skip, len(lows) - 1)], highs[-1 - skip]


LARGEST = 4e307
"""Ranges end here, so that their width is still a number; what lies beyond is drawn at the edge."""


def padded(found: Extent) -> Extent:
    """A little air above and below, on round numbers, so that the axis moves rarely."""
    low, high = (max(-LARGEST, min(value, LARGEST)) for value in found)
    air = (high - low) * 0.04 or abs(high) * 0.05 or 0.5
    low, high = low - air, high + air
    step = _round_step((high - low) / 8)
    low, high = math.floor(low / step) * step, math.ceil(high / step) * step
    return low, high if high > low else math.nextafter(low, math.inf)


def headroom(first: float, last: float) -> Extent:
    """A growing x-range that ends on a grid of eighths: old columns stay where they are."""
    span = max(last - first, 1.0)
    grid = 2.0 ** math.floor(math.log2(span)) / 8
    return first, first + math.ceil(span / grid) * grid
