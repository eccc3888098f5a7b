"""One metric as a picture of text: title, curve, axes, marks. The same for a screen and for a pipe.

loss 2.431 · mean 2.447 ▼                             x step · log y
   10┤⢧
     │⠈⢧⡀                   ⡇
    5┤  ⠉⠒⠤⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣇⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀
     └────S────S────S─R──S────S───────────────────────   S checkpoint  R resume  ! alert
     0    2k     4k     6k     8k
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal, TypeAlias

from kavaspec_tui import raster, scale, units
from kavaspec_tui.raster import BRAILLE, Marker
from kavaspec_tui.rows import Role, Row, justify, split
from kavaspec_tui.series import Axis, Extent, Series

LABEL = 7
"""Columns left of the y-axis, its line included."""
SMOOTHINGS = (0.0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999)
Layers: TypeAlias = Literal["both", "raw", "smooth"]
LAYERS: tuple[Layers, ...] = ("both", "smooth", "raw")


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """How the charts of a screen are shown; shared, so that they stay side by side."""

    axis: Axis = "step"
    smoothing: float = 0.9
    layers: Layers = "both"
    robust: bool = True
    window: tuple[float, float] | None = None
    """First and last step shown; None shows everything."""
    cursor: float | None = None
    """A step; every chart shows its value there."""
    marker: Marker = BRAILLE


@dataclass(frozen=True, kw_only=True, slots=True)
class Mark:
    """Something that happened at a step."""

    step: int
    sign: Literal["S", "R", "!"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Subject:
    """What one chart is about."""

    name: str
    series: Series | None
    unit: str = ""
    better: str = ""
    marks: Sequence[Mark] = ()
    log_y: bool = False
    noisy: bool = True
    """Whether its running mean says more than the values themselves."""

    def smoothing(self, look: Look) -> float:
        """How much this metric is smoothed; 0 when it is not."""
        return look.smoothing if self.noisy and look.layers != "raw" else 0.0


@dataclass(frozen=True, slots=True)
class _Frame:
    """The plane of the curve: its size in cells and its ranges."""

    width: int
    height: int
    x: Extent
    y: Extent
    log_y: bool

    def column(self, x: float) -> int | None:
        """The cell column of an x-value, None when it is not shown."""
        share = (x - self.x[0]) / (self.x[1] - self.x[0])
        return None if not 0 <= share <= 1 else min(int(share * self.width), self.width - 1)

    def row(self, y: float, marker: Marker) -> int:
        """The cell row of a y-value."""
        pixels = self.height * marker.down
        return round((self.y[1] - y) / (self.y[1] - self.y[0]) * (pixels - 1)) // marker.down


def draw(subject: Subject, look: Look, width: int, height: int) -> list[Row]:
    """`height` rows, each `width` cells wide."""
    if width < 1 or height < 1:
        return []
    rows = [_title(subject, look, width)]
    if height >= 4 and width >= LABEL + 8:
        rows += _body(subject, look, width, height - 1)
    elif height >= 2:
        rows.append([(sparkline(subject.series, width, look.marker), "raw")])
    blank: Row = [(" " * width, "text")]
    return (rows + [blank] * height)[:height]


def _title(subject: Subject, look: Look, width: int) -> Row:
    left: Row = [(subject.name, "title"), (" ", "text"), (_reading(subject, look), "value")]
    right = f"x {look.axis}{' · log y' if subject.log_y else ''}{' · zoom' if look.window else ''}"
    return justify(left, [(right, "faint")], width)


def _reading(subject: Subject, look: Look) -> str:
    """The newest value, or the one under the cursor, and its running mean."""
    series = subject.series
    if series is None:
        return "…"
    row = series.rows - 1 if look.cursor is None else series.at_step(look.cursor)
    where = "" if look.cursor is None else f"@{place(series.x(look.axis)[row], look.axis)} "
    text = where + units.quantity(series.column.values[row], subject.unit)
    if subject.smoothing(look):
        mean = series.smoothed(subject.smoothing(look)).column.values[row]
        text += f" · mean {units.quantity(mean, subject.unit)}"
    return text + {"up": " ▲", "down": " ▼"}.get(subject.better, "")


def place(x: float, axis: Axis) -> str:
    """A number on an x-axis."""
    return units.duration(x) if axis == "time" else units.si(x)


def _body(subject: Subject, look: Look, width: int, height: int) -> list[Row]:
    series = subject.series
    if series is None:
        return [[("  waiting for the first value".ljust(width)[:width], "faint")]]
    below = 2 if height >= 6 else 1
    plane = width - LABEL, height - below
    x = x_range(series, look)
    raw, smooth = _curves(subject, series, look, x, plane[0] * look.marker.across)
    shown = [*raw, *smooth]
    y = scale.padded(scale.robust_range(shown) if look.robust else scale.full_range(shown))
    frame = _Frame(plane[0], plane[1], x, y, subject.log_y)
    rows = _plane(frame, raw, smooth, look, _labels(frame, subject, look.marker))
    rows = [_with_cursor(row, _cursor_column(series, look, frame)) for row in rows]
    if below == 2:
        rows.append(_baseline(subject, look, series, frame))
    return [*rows, _x_labels(look, frame)]


def x_range(series: Series, look: Look) -> Extent:
    """The x-values at the left and right edge; the window is in steps, the axis need not be."""
    x = series.x(look.axis)
    if look.window is None:
        return scale.headroom(x[0], x[series.rows - 1])
    first, last = (_on_axis(series, look.axis, step) for step in look.window)
    return (first, last) if last > first else (first, first + 1.0)


def _on_axis(series: Series, axis: Axis, step: float) -> float:
    """Where a step lies on an axis, in proportion between its neighbours and beyond the ends."""
    if axis == "step":
        return step
    steps, x, last = series.marks.step, series.x(axis), series.rows - 1
    left = min(series.at_step(step), max(last - 1, 0))
    right = min(left + 1, last)
    if steps[right] == steps[left]:
        return x[left]
    share = (step - steps[left]) / (steps[right] - steps[left])
    return x[left] + (x[right] - x[left]) * share


def _curves(
    subject: Subject, series: Series, look: Look, x: Extent, columns: int
) -> tuple[list[Extent | None], list[Extent | None]]:
    """Extents of the raw and of the smoothed curve; empty lists for what is not shown."""
    smoothing = subject.smoothing(look)
    wanted: list[Series | None] = [
        None if look.layers == "smooth" and smoothing else series,
        series.smoothed(smoothing) if smoothing else None,
    ]
    found = [[] if one is None else raster.extents(one, look.axis, *x, columns) for one in wanted]
    if subject.log_y:
        found = [raster.log10(one) for one in found]
    return found[0], found[1]


def _plane(
    frame: _Frame,
    raw: Sequence[Extent | None],
    smooth: Sequence[Extent | None],
    look: Look,
    labels: dict[int, str],
) -> list[Row]:
    pixels = frame.height * look.marker.down
    low = raster.pack(raster.spans(raw, *frame.y, pixels), frame.height, look.marker)
    high = raster.pack(raster.spans(smooth, *frame.y, pixels), frame.height, look.marker)
    empty = [0] * frame.width
    return [
        _label(labels.get(i)) + _cells(low[i] or empty, high[i] or empty, look.marker)
        for i in range(frame.height)
    ]


def _label(text: str | None) -> Row:
    shown = (text or "").rjust(LABEL - 1)[: LABEL - 1]
    return [(shown + ("┤" if text else "│"), "axis")]


def _cells(raw: Sequence[int], smooth: Sequence[int], marker: Marker) -> Row:
    """A cell belongs to one curve, the smoothed one first, so that colours do not mix."""
    row: Row = []
    pairs, glyphs = zip(raw, smooth, strict=True), marker.glyphs
    for is_smooth, run in groupby(pairs, key=lambda pair: pair[1] > 0):
        text = "".join([glyphs[high or low] for low, high in run])
        if is_smooth and marker is raster.ASCII:
            text = "*" * len(text)  # without colour the mean needs a sign of its own
        row.append((text, "smooth" if is_smooth else "raw"))
    return row


def _labels(frame: _Frame, subject: Subject, marker: Marker) -> dict[int, str]:
    """Text row -> number, for the round numbers on the y-axis."""
    wanted = max(2, frame.height // 2)
    if frame.log_y:
        values = [(math.log10(v), v) for v in _log_ticks(*frame.y, wanted)]
    else:
        grain = units.grain(max(map(abs, frame.y)), subject.unit)
        values = [
            (v * grain, v * grain)
            for v in scale.ticks(frame.y[0] / grain, frame.y[1] / grain, wanted)
        ]
    return {frame.row(at, marker): _short(value, subject.unit) for at, value in values}


def _log_ticks(low: float, high: float, wanted: int) -> list[float]:
    powers = range(max(math.floor(low), -300), min(math.ceil(high), 300) + 1)
    every = [f * 10.0**p for p in powers for f in (1, 2, 5) if low <= p + math.log10(f) <= high]
    tens = [10.0**p for p in powers if low <= p <= high]
    if len(tens) > wanted:
        return tens[:: -(-len(tens) // wanted)]
    return every if len(every) <= 2 * wanted or len(tens) < 2 else tens


def _short(value: float, unit: str) -> str:
    """At most six characters."""
    if unit in units.BYTES and abs(value) >= 1024:
        return units.size(value).replace(" ", "").removesuffix("iB")
    return next(
        (t for d in (4, 3, 2, 1) if len(t := units.si(value, d)) < LABEL), units.si(value, 1)
    )


def _cursor_column(series: Series, look: Look, frame: _Frame) -> int | None:
    if look.cursor is None:
        return None
    return frame.column(_on_axis(series, look.axis, look.cursor))


def _with_cursor(row: Row, column: int | None) -> Row:
    """The row with a thin line at one cell of the plane; where the curve is, the cell is turned over."""
    if column is None:
        return row
    left, rest = split(row, LABEL + column)
    pieces, right = split(rest, 1)
    cell = "".join(text for text, _ in pieces)
    return [*left, (cell, "cursor") if cell.strip() else ("│", "guide"), *right]


def _baseline(subject: Subject, look: Look, series: Series, frame: _Frame) -> Row:
    """The x-axis, with a letter where something happened; an alert hides a checkpoint."""
    signs: dict[int, str] = {}
    for mark in sorted(subject.marks, key=lambda mark: "SR!".index(mark.sign)):
        column = frame.column(_on_axis(series, look.axis, mark.step))
        if column is not None:
            signs[column] = mark.sign
    cells = [signs.get(i, "─") for i in range(frame.width)]
    row: Row = [(" " * (LABEL - 1) + "└", "axis")]
    role: Callable[[str], Role] = lambda c: "axis" if c == "─" else "bad" if c == "!" else "mark"  # noqa: E731
    return row + [("".join(run), kind) for kind, run in groupby(cells, key=role)]


def _x_labels(look: Look, frame: _Frame) -> Row:
    cells = [" "] * (LABEL + frame.width)
    for value in _x_ticks(look, frame):
        text, column = place(value, look.axis), frame.column(value)
        if column is None:
            continue
        start = min(max(LABEL + column - len(text) // 2, LABEL - 1), len(cells) - len(text))
        around = cells[max(start - 1, 0) : start + len(text) + 1]
        if all(cell == " " for cell in around):
            cells[start : start + len(text)] = text
    return [("".join(cells), "axis")]


def _x_ticks(look: Look, frame: _Frame) -> list[float]:
    wanted = max(2, frame.width // 12)
    if look.axis != "time":
        return scale.ticks(*frame.x, wanted)
    rough = (frame.x[1] - frame.x[0]) / wanted
    step = next((s for s in _ROUND_SECONDS if s >= rough), None)
    if step is None:
        return scale.ticks(*frame.x, wanted)
    first = math.ceil(frame.x[0] / step)
    return [i * step for i in range(first, math.floor(frame.x[1] / step) + 1)]


_ROUND_SECONDS = (
    1,
    2,
    5,
    10,
    15,
    30,
    60,
    120,
    300,
    600,
    900,
    1800,
    3600,
    7200,
    14_400,
    21_600,
    43_200,
    86_400,
)


SPARKS = " ▁▂▃▄▅▆▇█"
ASCII_SPARKS = " .:-=+*#@"


def sparkline(series: Series | None, width: int, marker: Marker = BRAILLE) -> str:
    """The mean height of every column as one character each."""
    if series is None or width < 1:
        return " " * width
    x = series.x("step")
    found = raster.extents(series, "step", *scale.headroom(x[0], x[series.rows - 1]), width)
    low, high = scale.robust_range(found)
    glyphs = ASCII_SPARKS if marker is raster.ASCII else SPARKS
    return "".join(glyphs[_level(part, low, high)] for part in found)


def _level(part: Extent | None, low: float, high: float) -> int:
    if part is None:
        return 0
    middle = (part[0] + part[1]) / 2
    share = 0.5 if high <= low else (middle - low) / (high - low)
    return 1 + min(7, max(0, int(share * 8)))
