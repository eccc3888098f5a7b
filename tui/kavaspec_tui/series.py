"""What was measured, as columns of numbers: a million steps, any stretch of them in microseconds.

    Curve            the rows that one State sees: immutable, O(1) to append to, O(1) to cut
     └─ Columns      shared and append-only: step, tokens, elapsed_s, and one Column per metric
         └─ Column   values, and the smallest and largest of every 64 of them

A Curve owns the first `rows` rows of its Columns. Two Curves may share Columns; when the older one
is extended, it copies its rows first. A resume goes back to a checkpoint: the Curve is cut there,
and the newest attempt wins.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from operator import le
from typing import Literal, TypeAlias

BLOCK = 64
NAN = math.nan
Axis: TypeAlias = Literal["step", "tokens", "time"]
AXES: tuple[Axis, ...] = ("step", "tokens", "time")
Extent: TypeAlias = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Sample:
    """One step, as a curve keeps it."""

    step: int
    tokens: int
    elapsed_s: float
    metrics: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Samples:
    """Many of them as columns: rising steps with the same metrics, at least one."""

    step: Sequence[int]
    tokens: Sequence[int]
    elapsed_s: Sequence[float]
    metrics: Mapping[str, array[float]]


def columns_of(rows: Iterable[Sample]) -> list[Samples]:
    """Rows as columns: in one piece as long as steps rise and metrics stay the same."""
    pieces: list[list[Sample]] = []
    for row in rows:
        last = pieces[-1][-1] if pieces else None
        if last and row.step > last.step and row.metrics.keys() == last.metrics.keys():
            pieces[-1].append(row)
        else:
            pieces.append([row])
    return [
        Samples(
            [row.step for row in piece],
            [row.tokens for row in piece],
            [row.elapsed_s for row in piece],
            {name: array("d", [row.metrics[name] for row in piece]) for name in piece[0].metrics},
        )
        for piece in pieces
    ]


class Column:
    """Numbers in order. Not a number and the infinities are holes: kept as NaN, drawn as gaps."""

    __slots__ = ("_high", "_low", "drawn", "holes", "values")

    def __init__(self, values: Iterable[float] = ()) -> None:
        self.values = array("d")
        self.holes = 0
        self.drawn: dict[tuple[Axis, float, float, int], tuple[int, list[Extent | None]]] = {}
        """What `raster.extents` found, and for how many rows. Makes it faster, changes nothing."""
        self._low, self._high = array("d"), array("d")
        self.extend(values)

    def extend(self, values: Iterable[float]) -> None:
        """Append."""
        new = values if isinstance(values, array) else array("d", values)
        if not all_finite(new):
            new = array("d", [value if math.isfinite(value) else NAN for value in new])
            self.holes += sum(map(math.isnan, new))
        self.values.extend(new)

    def extent(self, start: int, stop: int) -> Extent | None:
        """Smallest and largest finite value of `values[start:stop]`."""
        first, last = -(-start // BLOCK), stop // BLOCK
        if last > len(self._low):
            self._look_at_blocks()
        if first >= last:
            part = self._finite(start, stop)
            return (min(part), max(part)) if part else None
        edges = self._finite(start, first * BLOCK), self._finite(last * BLOCK, stop)
        low = min([min(part) for part in (*edges, self._low[first:last]) if part])
        high = max([max(part) for part in (*edges, self._high[first:last]) if part])
        return (low, high) if low <= high else None

    def _look_at_blocks(self) -> None:
        """Only for columns that somebody wants to see."""
        for start in range(BLOCK * len(self._low), len(self.values) - BLOCK + 1, BLOCK):
            block = self._finite(start, start + BLOCK)
            self._low.append(min(block, default=math.inf))
            self._high.append(max(block, default=-math.inf))

    def _finite(self, start: int, stop: int) -> list[float]:
        part = self.values[start:stop].tolist()
        return [value for value in part if not math.isnan(value)] if self.holes else part


def all_finite(values: Sequence[float]) -> bool:
    """Whether none is NaN or infinite. A finite sum proves it; a sum that is not may only be large."""
    return math.isfinite(sum(values)) or all(map(math.isfinite, values))


@dataclass(slots=True)
class Marks:
    """Where the rows of a column lie on the three x-axes; none of them ever falls."""

    step: array[float] = field(default_factory=lambda: array("d"))
    tokens: array[float] = field(default_factory=lambda: array("d"))
    time: array[float] = field(default_factory=lambda: array("d"))

    def extend(self, rows: Samples) -> None:
        """Append rows; a clock or counter that goes back stands still instead."""
        self.step.extend(array("d", rows.step))
        _extend_rising(self.tokens, array("d", rows.tokens))
        _extend_rising(self.time, array("d", rows.elapsed_s))

    def head(self, rows: int) -> Marks:
        """A copy of the first rows."""
        return Marks(self.step[:rows], self.tokens[:rows], self.time[:rows])

    def on(self, axis: Axis) -> array[float]:
        """The numbers of one axis."""
        return {"step": self.step, "tokens": self.tokens, "time": self.time}[axis]


def _extend_rising(column: array[float], values: array[float]) -> None:
    joined = column[-1:] + values
    rising = all(map(le, joined, joined[1:]))
    column.extend(values if rising else array("d", accumulate(joined, max))[-len(values) :])


class Smooth:
    """Debiased exponential mean of the raw values, continued as the column grows.

    It sees every sample, so zoom and drawing do not change it. Holes are skipped and stay holes.
    """

    __slots__ = ("_mean", "_weight", "alpha", "column")

    def __init__(self, alpha: float) -> None:
        self.alpha, self.column = alpha, Column()
        self._mean = self._weight = 0.0

    def follow(self, values: array[float]) -> Column:
        """The mean at each of `values`, which starts with those seen before."""
        keep, take = self.alpha, 1.0 - self.alpha
        mean, weight, means = self._mean, self._weight, []
        for value in values[len(self.column.values) :]:
            if not math.isnan(value):
                mean, weight = keep * mean + take * value, keep * weight + take
                means.append(mean / weight)
            else:
                means.append(NAN)
        self._mean, self._weight = mean, weight
        self.column.extend(means)
        return self.column


@dataclass(slots=True)
class Metric:
    """One column and its place on the x-axes. Dense metrics share the marks of all rows."""

    marks: Marks
    column: Column
    smooth: Smooth | None = None


@dataclass(frozen=True, slots=True)
class Series:
    """The part of one metric that a State may see: the first `rows` rows."""

    marks: Marks
    column: Column
    rows: int
    _metric: Metric

    def x(self, axis: Axis) -> array[float]:
        """Places of the rows. May be longer than `rows`."""
        return self.marks.on(axis)

    @property
    def last(self) -> float:
        """The newest value; NaN when it was not a number."""
        return self.column.values[self.rows - 1]

    def smoothed(self, alpha: float) -> Series:
        """The same rows, smoothed. Computed once and continued; only the last `alpha` is kept."""
        if self._metric.smooth is None or self._metric.smooth.alpha != alpha:
            self._metric.smooth = Smooth(alpha)
        column = self._metric.smooth.follow(self.column.values)
        return Series(self.marks, column, self.rows, self._metric)

    def at_step(self, step: float) -> int:
        """The row that was newest after `step` steps; the first one before there was any."""
        return max(0, min(bisect_right(self.marks.step, step, 0, self.rows), self.rows) - 1)


class Columns:
    """Append-only storage of many rows; only `Curve` writes to it."""

    __slots__ = ("marks", "metrics")

    def __init__(self) -> None:
        self.marks = Marks()
        self.metrics: dict[str, Metric] = {}

    def extend(self, rows: Samples) -> None:
        """Append rows. A metric that skipped some has marks of its own from then on."""
        before = len(self.marks.step)
        self.marks.extend(rows)
        for name, values in rows.metrics.items():
            metric = self.metrics.get(name)
            if metric is None:
                metric = self.metrics[name] = Metric(Marks() if before else self.marks, Column())
            if metric.marks is self.marks and len(metric.column.values) < before:
                metric.marks = self.marks.head(len(metric.column.values))
            if metric.marks is not self.marks:
                metric.marks.extend(rows)
            metric.column.extend(values)

    def head(self, rows: int) -> Columns:
        """A copy of the first rows."""
        copy = Columns()
        copy.marks = self.marks.head(rows)
        for name, metric in self.metrics.items():
            kept = self.rows_of(metric, rows)
            if kept:
                shared = metric.marks is self.marks
                marks = copy.marks if shared and kept == rows else metric.marks.head(kept)
                copy.metrics[name] = Metric(marks, Column(metric.column.values[:kept]))
        return copy

    def rows_of(self, metric: Metric, rows: int) -> int:
        """How many rows a metric has among the first `rows` of all."""
        if rows == 0:
            return 0
        if metric.marks is self.marks:
            return min(rows, len(metric.column.values))
        return bisect_right(metric.marks.step, self.marks.step[rows - 1])


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """An immutable view of the first `rows` rows."""

    columns: Columns = field(default_factory=Columns)
    rows: int = 0

    def add(self, more: Iterable[Sample]) -> Curve:
        """The same rows and `more`; where `more` goes back to an earlier step, it replaces."""
        curve = self
        for rows in columns_of(more):
            curve = curve.append(rows)
        return curve

    def append(self, rows: Samples) -> Curve:
        """The same as `add`, from columns."""
        curve = self
        last = curve.columns.marks.step[curve.rows - 1] if curve.rows else -math.inf
        if rows.step[0] <= last:
            curve = curve.before(rows.step[0])
        columns = curve.columns
        if len(columns.marks.step) != curve.rows:
            columns = columns.head(curve.rows)
        columns.extend(rows)
        return Curve(columns, curve.rows + len(rows.step))

    def before(self, step: int) -> Curve:
        """Only the rows of earlier steps."""
        return Curve(self.columns, bisect_left(self.columns.marks.step, step, 0, self.rows))

    def series(self, name: str) -> Series | None:
        """One metric, or None when no row has it."""
        metric = self.columns.metrics.get(name)
        rows = 0 if metric is None else self.columns.rows_of(metric, self.rows)
        return (
            None
            if metric is None or not rows
            else Series(metric.marks, metric.column, rows, metric)
        )

    @property
    def names(self) -> tuple[str, ...]:
        """Every metric that has a value, in order of appearance."""
        return tuple(
            n for n, m in self.columns.metrics.items() if self.columns.rows_of(m, self.rows)
        )

    def latest(self) -> dict[str, float]:
        """The newest value of every metric."""
        found = {name: self.series(name) for name in self.names}
        return {name: series.last for name, series in found.items() if series is not None}

    @property
    def steps(self) -> Sequence[float]:
        """The step of every row."""
        return self.columns.marks.step[: self.rows]
