"""How fast a run goes, and when it will be done."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median, quantiles

from kavaspec_tui.series import Curve

RECENT_ROWS = 200
WARM_UP_ROWS = 10
"""First rows of an attempt: compilation and cold caches say nothing about the rest."""
GAP = 3.0
"""A row that took this many times the median had a pause in it: an evaluation, a checkpoint."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Pace:
    """Seconds per optimizer step."""

    step_s: float
    """Median without pauses."""
    spread_s: float
    """Half the interquartile range."""
    pause_s: float
    """Evaluations and checkpoints, spread over all steps."""

    def eta_s(self, steps_left: int) -> tuple[float, float]:
        """Time for `steps_left` steps, and how uncertain it is."""
        return steps_left * (self.step_s + self.pause_s), steps_left * self.spread_s


def pace_of(curve: Curve, attempt_row: int) -> Pace | None:
    """The pace of the last 200 rows of an attempt without its first 10; None before there are two."""
    warm = WARM_UP_ROWS if curve.rows - attempt_row > 2 * WARM_UP_ROWS else 0
    first = max(attempt_row + warm, curve.rows - RECENT_ROWS - 1)
    time = curve.columns.marks.time[first : curve.rows]
    step = curve.columns.marks.step[first : curve.rows]
    spans = [
        (t1 - t0, s1 - s0) for t0, t1, s0, s1 in zip(time, time[1:], step, step[1:], strict=False)
    ]
    if not spans:
        return None
    each = [seconds / steps for seconds, steps in spans]
    middle = median(each)
    if middle <= 0:
        return None
    excess = sum(max(s - middle * n, 0.0) for s, n in spans if s > GAP * middle * n)
    calm = [value for value in each if value <= GAP * middle]
    quarter = quantiles(calm, n=4) if len(calm) >= 4 else [middle] * 3
    return Pace(
        step_s=middle,
        spread_s=(quarter[2] - quarter[0]) / 2,
        pause_s=excess / sum(steps for _, steps in spans),
    )
