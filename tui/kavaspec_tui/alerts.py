"""What deserves a look: numbers that are not finite, and sudden jumps of the loss.

The baseline is stated, not learned: median and median absolute deviation of the last 200 losses of
this attempt, taken again every 20 steps. A loss more than 6 robust standard deviations above the
median is a spike. One spike gives one alert, however many steps it lasts (up to 20).
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median

from kavaspec_tui.series import Sample
from kavaspec_tui.units import si

BASELINE_STEPS = 200
BASELINE_EVERY = 20
BASELINE_LEAST = 50
SIGMAS = 6.0
WATCHED = "loss"


@dataclass(frozen=True, kw_only=True, slots=True)
class Alert:
    """Something to look at, at a step."""

    step: int
    t: float
    rule: str
    """`non_finite`, `spike` or `error`."""
    message: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Watch:
    """What the rules remember between steps."""

    recent: tuple[float, ...] = ()
    middle: float = 0.0
    sigma: float = math.inf
    seen: int = 0
    spike_step: int | None = None
    broken: frozenset[str] = frozenset()
    """Metrics whose newest value is not finite."""


def watch(before: Watch, rows: Iterable[tuple[float, Sample]]) -> tuple[Watch, list[Alert]]:
    """Look at steps in order, with the writer's time of each."""
    recent = deque(before.recent, maxlen=BASELINE_STEPS)
    middle, sigma, seen = before.middle, before.sigma, before.seen
    spike_step, broken, alerts = before.spike_step, before.broken, []
    for t, row in rows:
        now_broken = _broken(row)
        alerts += [_non_finite(name, row, t) for name in sorted(now_broken - broken)]
        broken = now_broken
        loss = row.metrics.get(WATCHED, math.nan)
        if not math.isfinite(loss):
            continue
        if loss > middle + SIGMAS * sigma:
            if spike_step is None or row.step - spike_step > BASELINE_EVERY:
                alerts.append(_spike(loss, row, t, middle, sigma))
            spike_step = row.step
        recent.append(loss)
        seen += 1
        if seen >= BASELINE_LEAST and seen % BASELINE_EVERY == 0:
            middle, sigma = _baseline(recent)
    after = Watch(
        recent=tuple(recent),
        middle=middle,
        sigma=sigma,
        seen=seen,
        spike_step=spike_step,
        broken=broken,
    )
    return after, alerts


_NOTHING: frozenset[str] = frozenset()


def _broken(row: Sample) -> frozenset[str]:
    if all(map(math.isfinite, row.metrics.values())):
        return _NOTHING
    return frozenset(name for name, value in row.metrics.items() if not math.isfinite(value))


def _non_finite(name: str, row: Sample, t: float) -> Alert:
    text = f"{name} is {si(row.metrics[name])} at step {row.step}"
    return Alert(step=row.step, t=t, rule="non_finite", message=text)


def _spike(loss: float, row: Sample, t: float, middle: float, sigma: float) -> Alert:
    text = (
        f"loss {si(loss)} at step {row.step} is {(loss - middle) / sigma:.0f} sigma "
        f"above {si(middle)}, the median of the last {BASELINE_STEPS} steps"
    )
    return Alert(step=row.step, t=t, rule="spike", message=text)


def _baseline(recent: Iterable[float]) -> tuple[float, float]:
    """Median and robust standard deviation; never zero, so that a constant loss has no spikes."""
    values = list(recent)
    middle = median(values)
    deviation = 1.4826 * median(abs(value - middle) for value in values)
    return middle, max(deviation, 1e-3 * abs(middle), 1e-9)
