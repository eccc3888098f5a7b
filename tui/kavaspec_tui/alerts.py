"""What deserves a look: numbers that are not finite, and sudden jumps of the loss.

The baseline is stated, not learned: how far the losses of the last 200 steps of this attempt lay
from the running mean before them (their median, and 1.4826 times their median absolute deviation
as sigma). A loss more than 6 sigma, and more than 3 times the usual distance, above that is a
spike. One spike gives one alert, until 20 steps have passed without one.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from kavaspec_tui.series import Samples, all_finite
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

    def see(
        self, losses: Iterable[float], steps: Sequence[int], times: Sequence[float]
    ) -> list[Alert]:
        """Look at losses; what is not finite is passed over."""
        found: list[Alert] = []
        mean, distance, weight = self.mean, self.distance, self.weight
        keep, take, remember = KEEP, 1 - KEEP, self.residuals.append
        lowest, highest = -math.inf, math.inf
        for row, loss in enumerate(losses):
            if not lowest < loss < highest:
                continue
            residual = 0.0
            if weight:
                residual = loss - mean / weight
                if residual * weight > DISTANCES * distance:
                    found += self._judged(residual, loss, steps[row], times[row], mean / weight)
                remember(residual)
            mean = keep * mean + take * loss
            distance = keep * distance + take * (residual if residual > 0.0 else -residual)
            weight = keep * weight + take
        self.mean, self.distance, self.weight = mean, distance, weight
        return found

    def _judged(
        self, residual: float, loss: float, step: int, t: float, mean: float
    ) -> list[Alert]:
        if len(self.residuals) < BASELINE_LEAST:
            return []
        middle, sigma = _baseline(self.residuals, loss)
        if residual <= middle + SIGMAS * sigma:
            return []
        again = self.spike_step is not None and step - self.spike_step <= QUIET_STEPS
        self.spike_step = step
        if again:
            return []
        text = (
            f"loss {si(loss)} at step {step} is {(residual - middle) / sigma:.0f} sigma "
            f"above its running mean {si(mean)}"
        )
        return [Alert(step=step, t=t, rule="spike", message=text)]


def _baseline(residuals: Iterable[float], loss: float) -> tuple[float, float]:
    """Median and robust standard deviation; never zero, so that a constant loss has no spikes."""
    values = sorted(residuals)
    middle = median(values)
    deviation = 1.4826 * median([abs(value - middle) for value in values])
    return middle, max(deviation, 1e-3 * abs(loss), 1e-9)


def watch(before: Watch, rows: Samples, times: Sequence[float]) -> tuple[Watch, list[Alert]]:
    """Look at steps in order, with the writer's time of each."""
    broken, alerts = _non_finite(before.broken, rows, times)
    spikes = _Spikes(before)
    alerts += spikes.see(rows.metrics.get(WATCHED, ()), rows.step, times)
    after = Watch(
        mean=spikes.mean,
        distance=spikes.distance,
        weight=spikes.weight,
        residuals=tuple(spikes.residuals),
        spike_step=spikes.spike_step,
        broken=broken,
    )
    return after, sorted(alerts, key=lambda alert: alert.step)


def _non_finite(
    broken: frozenset[str], rows: Samples, times: Sequence[float]
) -> tuple[frozenset[str], list[Alert]]:
    """Alerts where a metric begins not to be finite, and those that are not at the end."""
    spoiled = {name: values for name, values in rows.metrics.items() if not all_finite(values)}
    if not spoiled:
        return frozenset(), []
    alerts = []
    for row, (step, t) in enumerate(zip(rows.step, times, strict=True)):
        now = frozenset(name for name, values in spoiled.items() if not math.isfinite(values[row]))
        for name in sorted(now - broken):
            text = f"{name} is {si(spoiled[name][row])} at step {step}"
            alerts.append(Alert(step=step, t=t, rule="non_finite", message=text))
        broken = now
    return broken, alerts
