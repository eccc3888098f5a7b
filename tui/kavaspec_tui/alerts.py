"""What deserves a look: numbers that are not finite, and sudden jumps of the loss.

The baseline is stated, not learned: how far the losses of the last 200 steps of this attempt lay
from the running mean before them (their median, and 1.4826 times their median absolute deviation
as sigma). A loss more than 6 sigma, and more than 3 times the usual distance, above that is a
spike. One spike gives one alert, until 20 steps have passed without one.
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
BASELINE_LEAST = 50
SIGMAS, DISTANCES = 6.0, 3.0
QUIET_STEPS = 20
WATCHED = "loss"
KEEP = 0.9
"""Of the running means, at each step."""


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

    mean: float = 0.0
    distance: float = 0.0
    """Exponential means of the loss and of its distance to the mean before it, times `weight`."""
    weight: float = 0.0
    residuals: tuple[float, ...] = ()
    spike_step: int | None = None
    broken: frozenset[str] = frozenset()
    """Metrics whose newest value is not finite."""


class _Spikes:
    """The rule for spikes, while it looks at steps in order."""

    def __init__(self, before: Watch) -> None:
        self.mean, self.distance, self.weight = before.mean, before.distance, before.weight
        self.residuals = deque(before.residuals, maxlen=BASELINE_STEPS)
        self.spike_step = before.spike_step

    def see(self, loss: float, step: int, t: float) -> Alert | None:
        """Look at one finite loss."""
        alert, residual = None, 0.0
        if self.weight:
            residual = loss - self.mean / self.weight
            if residual * self.weight > DISTANCES * self.distance:
                alert = self._judge(residual, loss, step, t)
            self.residuals.append(residual)
        self.mean = KEEP * self.mean + (1 - KEEP) * loss
        self.distance = KEEP * self.distance + (1 - KEEP) * abs(residual)
        self.weight = KEEP * self.weight + (1 - KEEP)
        return alert

    def _judge(self, residual: float, loss: float, step: int, t: float) -> Alert | None:
        if len(self.residuals) < BASELINE_LEAST:
            return None
        middle, sigma = _baseline(self.residuals, loss)
        if residual <= middle + SIGMAS * sigma:
            return None
        again = self.spike_step is not None and step - self.spike_step <= QUIET_STEPS
        self.spike_step = step
        if again:
            return None
        text = (
            f"loss {si(loss)} at step {step} is {(residual - middle) / sigma:.0f} sigma "
            f"above its running mean {si(self.mean / self.weight)}"
        )
        return Alert(step=step, t=t, rule="spike", message=text)


def _baseline(residuals: Iterable[float], loss: float) -> tuple[float, float]:
    """Median and robust standard deviation; never zero, so that a constant loss has no spikes."""
    values = list(residuals)
    middle = median(values)
    deviation = 1.4826 * median(abs(value - middle) for value in values)
    return middle, max(deviation, 1e-3 * abs(loss), 1e-9)


def watch(before: Watch, rows: Iterable[tuple[float, Sample]]) -> tuple[Watch, list[Alert]]:
    """Look at steps in order, with the writer's time of each."""
    spikes, broken, alerts = _Spikes(before), before.broken, list[Alert]()
    for t, row in rows:
        now_broken = _broken(row)
        alerts += [_non_finite(name, row, t) for name in sorted(now_broken - broken)]
        broken = now_broken
        loss = row.metrics.get(WATCHED, math.nan)
        if math.isfinite(loss) and (spike := spikes.see(loss, row.step, t)) is not None:
            alerts.append(spike)
    after = Watch(
        mean=spikes.mean,
        distance=spikes.distance,
        weight=spikes.weight,
        residuals=tuple(spikes.residuals),
        spike_step=spikes.spike_step,
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
