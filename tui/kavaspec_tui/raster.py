"""From a curve to cells of text: exact, whatever the number of points.

For every sub-column of the picture the vertical extent of the polyline is the smallest and largest
of the samples inside it and of its values at the two edges:

        e0      e1      e2          no sample is dropped and none is invented, so a spike of one
    ────┼───●───┼───────┼──●        sample in a million is there at every zoom. A hole (NaN) has no
        │    ╲  │       │ ╱         neighbours to connect to: it stays a gap.
        │     ╲─┼───────┼╱
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from kavaspec_tui.series import Axis, Extent, Series

Extents = Sequence[Extent | None]
Span = tuple[int, int]
"""Top and bottom pixel row of one sub-column, top is 0."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Marker:
    """How pixels become characters: `across` x `down` pixels per cell, bit `row * across + column`."""

    name: str
    across: int
    down: int
    glyphs: str
    """The character for every combination of bits; nothing is a space, whatever the font."""


def _braille() -> str:
    dots = (0x01, 0x08, 0x02, 0x10, 0x04, 0x20, 0x40, 0x80)
    codes = [sum(dot for bit, dot in enumerate(dots) if bits >> bit & 1) for bits in range(256)]
    return " " + "".join(chr(0x2800 + code) for code in codes[1:])


BRAILLE = Marker(name="braille", across=2, down=4, glyphs=_braille())
BLOCK = Marker(name="block", across=2, down=2, glyphs=" ▘▝▀▖▌▞▛▗▚▐▜▄▙▟█")
ASCII = Marker(name="ascii", across=1, down=2, glyphs=" '.:")


def extents(series: Series, axis: Axis, x0: float, x1: float, columns: int) -> list[Extent | None]:
    """What the polyline covers in each of `columns` equal parts of `x0 < x1`.

    The answer is kept with the column: when the same question comes again and only rows were
    added, only the parts that they touch are looked at.
    """
    key, drawn = (axis, x0, x1, columns), series.column.drawn
    rows, found = drawn.get(key, (0, []))
    if rows > series.rows:
        rows, found = 0, []
    if rows < series.rows:
        x = series.x(axis)
        keep = int((x[rows - 1] - x0) / (x1 - x0) * columns) - 1 if rows else 0
        keep = max(0, min(keep, len(found) - 1))
        found = found[:keep] + _extents(series, x, x0, x1, columns, keep)
        if len(drawn) >= KEPT:
            drawn.clear()
        drawn[key] = series.rows, found
    return found


KEPT = 8
"""Answers that are kept for one column: its chart, its sparkline, and those of the last zooms."""


def _extents(  # the last five are one question
    series: Series, x: array[float], x0: float, x1: float, columns: int, first: int
) -> list[Extent | None]:
    """The extents of the columns from `first` on."""
    column, rows = series.column, series.rows
    edges = [x0 + (x1 - x0) * i / columns for i in range(first, columns + 1)]
    starts = [bisect_left(x, edge, 0, rows) for edge in edges]
    heights = [_height(x, column.values, rows, i, e) for i, e in zip(starts, edges, strict=True)]
    stops = [*starts[1:-1], bisect_right(x, edges[-1], 0, rows)]
    return [
        _join(column.extent(start, stop) if stop > start else None, heights[i], heights[i + 1])
        for i, (start, stop) in enumerate(zip(starts[:-1], stops, strict=True))
    ]


def _height(x: array[float], y: array[float], rows: int, right: int, edge: float) -> float | None:
    """Where the line that comes from the left meets `edge`; None outside of it and in a gap.

    `x[right - 1] < edge <= x[right]`.
    """
    if right == 0 or right >= rows:
        return None
    share = (edge - x[right - 1]) / (x[right] - x[right - 1])
    value = (
        y[right] + 0.0 * y[right - 1]
        if share == 1.0
        else y[right - 1] * (1.0 - share) + y[right] * share
    )
    return None if math.isnan(value) else value


def _join(extent: Extent | None, left: float | None, right: float | None) -> Extent | None:
    known = [v for v in (*(extent or ()), left, right) if v is not None]
    return (min(known), max(known)) if known else None


def log10(found: Extents) -> list[Extent | None]:
    """The extents on a logarithmic axis: exact, because the logarithm is monotone.

    What is not positive lies infinitely far below.
    """
    return [
        None
        if part is None or part[1] <= 0
        else (math.log10(part[0]) if part[0] > 0 else -math.inf, math.log10(part[1]))
        for part in found
    ]


def spans(found: Extents, y0: float, y1: float, pixels: int) -> list[Span | None]:
    """Pixel rows of each extent on the range `y0 < y1`; what lies outside stays at the edge."""
    scale = (pixels - 1) / (y1 - y0)
    return [
        None
        if part is None
        else (_pixel(part[1], y1, scale, pixels), _pixel(part[0], y1, scale, pixels))
        for part in found
    ]


def _pixel(value: float, y1: float, scale: float, pixels: int) -> int:
    place = (y1 - value) * scale
    return 0 if place <= 0 else pixels - 1 if place >= pixels - 1 else round(place)


def pack(drawn: Sequence[Span | None], rows: int, marker: Marker) -> list[list[int]]:
    """The bits of every cell, by text row, from the spans of the sub-columns."""
    width = -(-len(drawn) // marker.across)
    cells = [[0] * width for _ in range(rows)]
    for place, span in enumerate(drawn):
        if span is None:
            continue
        cell, side = divmod(place, marker.across)
        top, bottom = span
        for row in range(top // marker.down, bottom // marker.down + 1):
            first = max(top - row * marker.down, 0)
            last = min(bottom - row * marker.down, marker.down - 1)
            for level in range(first, last + 1):
                cells[row][cell] |= 1 << level * marker.across + side
    return cells
