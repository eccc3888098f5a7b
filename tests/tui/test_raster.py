import math
from array import array

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kavaspec_tui import raster, scale
from kavaspec_tui.raster import ASCII, BLOCK, BRAILLE
from kavaspec_tui.series import Column, Marks, Metric, Series


def extents(x, y, x0, x1, columns, rows=None):
    """Through points (x, y), of which the first `rows` may be seen."""
    marks = Marks(*(array("d", x) for _ in range(3)))
    column = y if isinstance(y, Column) else Column(y)
    series = Series(marks, column, len(x) if rows is None else rows, Metric(marks, column))
    return raster.extents(series, "step", x0, x1, columns)


VALUES = st.floats(-1e3, 1e3) | st.just(math.nan)


def slow_extents(x, y, x0, x1, columns):
    """What a pencil would cover: every point, and every stretch between two neighbours, clipped."""
    edges = [x0 + (x1 - x0) * i / columns for i in range(columns + 1)]
    found = [set() for _ in range(columns)]
    for i, (px, py) in enumerate(zip(x, y, strict=True)):
        if math.isnan(py):
            continue
        for c in range(columns):
            last = c == columns - 1
            if edges[c] <= px < edges[c + 1] or (last and px == edges[-1]):
                found[c].add(py)
            if px == edges[c + 1] and i and not math.isnan(y[i - 1]):
                found[c].add(py)
        if i + 1 < len(x) and not math.isnan(y[i + 1]):
            for c in range(columns):
                for edge in (edges[c], edges[c + 1]):
                    if px < edge < x[i + 1]:
                        share = (edge - px) / (x[i + 1] - px)
                        found[c].add(py * (1.0 - share) + y[i + 1] * share)
    return [(min(part), max(part)) if part else None for part in found]


@st.composite
def curves(draw):
    y = draw(st.lists(VALUES, min_size=1, max_size=150))
    gaps = draw(st.lists(st.integers(1, 4), min_size=len(y), max_size=len(y)))
    x = [float(sum(gaps[: i + 1])) for i in range(len(gaps))]
    return x, y


@settings(max_examples=200)
@given(curves(), st.data())
def test_the_fast_raster_covers_exactly_what_a_pencil_would(curve, data):
    x, y = curve
    x0 = data.draw(st.floats(x[0] - 5, x[-1]))
    x1 = data.draw(st.floats(x0 + 0.5, x[-1] + 10))
    columns = data.draw(st.integers(1, 40))
    fast = extents(x, y, x0, x1, columns)
    assert fast == slow_extents(x, y, x0, x1, columns)


@settings(max_examples=200)
@given(curves(), st.data())
def test_asking_again_after_more_rows_gives_what_asking_once_gives(curve, data):
    x, y = curve
    x0 = data.draw(st.floats(x[0] - 5, x[-1]))
    x1 = data.draw(st.floats(x0 + 0.5, x[-1] + 10))
    column = Column(y)
    for rows in data.draw(st.lists(st.integers(1, len(x)), max_size=6)):
        assert extents(x, column, x0, x1, 33, rows) == extents(x[:rows], y[:rows], x0, x1, 33)


@given(curves(), st.integers(1, 60))
def test_no_sample_is_ever_lost(curve, columns):
    """A spike of one sample is inside its column, at every zoom."""
    x, y = curve
    x1 = x[-1] + 1.0
    found = extents(x, y, x[0], x1, columns)
    for px, py in zip(x, y, strict=True):
        if not math.isnan(py):
            column = min(int((px - x[0]) / (x1 - x[0]) * columns), columns - 1)
            near = [part for part in found[max(column - 1, 0) : column + 2] if part is not None]
            assert any(low <= py <= high for low, high in near)


def test_one_spike_among_a_million():
    y = [0.0] * 1_000_000
    y[654_321] = 7.0
    found = extents(range(1_000_000), y, 0, 999_999, 200)
    assert [i for i, part in enumerate(found) if part == (0.0, 7.0)] == [130]


def test_not_a_number_is_a_gap():
    y = [1, 1, 1, math.nan, math.nan, math.nan, 1, 1, 1]
    assert extents(range(9), y, 0, 9, 9) == [(1, 1)] * 3 + [None] * 3 + [(1, 1)] * 3


def test_a_lone_sample_between_two_holes_is_a_dot():
    y = [math.nan, 4.0, math.nan]
    assert extents(range(3), y, 0, 3, 6) == [None, None, (4, 4), None, None, None]


def test_only_the_rows_that_a_state_may_see_are_drawn():
    assert extents(range(4), [1, 2, 3, 99], 0, 4, 4, rows=3) == [(1, 2), (2, 3), (3, 3), None]


def test_the_logarithm_is_taken_of_extents():
    found = raster.log10([(1.0, 100.0), None, (-1.0, 10.0), (-2.0, -1.0)])
    assert found == [(0.0, 2.0), None, (-math.inf, 1.0), None]


def test_values_outside_the_range_stay_at_the_edge():
    assert raster.spans([(-50.0, 50.0), (5.0, 99.0), (-math.inf, 0.0), None], 0.0, 10.0, 11) == [
        (0, 10),
        (0, 5),
        (10, 10),
        None,
    ]


@given(
    st.lists(
        st.none() | st.tuples(st.integers(0, 15), st.integers(0, 15)).map(sorted).map(tuple),
        max_size=9,
    )
)
@pytest.mark.parametrize("marker", [BRAILLE, BLOCK, ASCII], ids=lambda marker: marker.name)
def test_a_packed_cell_has_exactly_the_pixels_of_its_spans(marker, spans):
    rows = 16 // marker.down
    cells = raster.pack(spans, rows, marker)
    for place, span in enumerate(spans):
        cell, side = divmod(place, marker.across)
        for pixel in range(16):
            row, level = divmod(pixel, marker.down)
            lit = bool(cells[row][cell] >> (level * marker.across + side) & 1)
            assert lit == (span is not None and span[0] <= pixel <= span[1])


@pytest.mark.parametrize(
    ("marker", "bits", "glyph"),
    [
        (BRAILLE, 0b00000001, "⠁"),
        (BRAILLE, 0b00000010, "⠈"),
        (BRAILLE, 0b11000000, "⣀"),
        (BRAILLE, 0b11111111, "⣿"),
        (BLOCK, 0b0011, "▀"),
        (BLOCK, 0b1100, "▄"),
        (BLOCK, 0b0101, "▌"),
        (BLOCK, 0b0010, "▝"),
        (ASCII, 0b01, "'"),
        (ASCII, 0b10, "."),
    ],
)
def test_bits_run_from_top_left_to_bottom_right(marker, bits, glyph):
    assert marker.glyphs[bits] == glyph


@given(st.floats(-1e300, 1e300), st.floats(-1e300, 1e300), st.integers(1, 40))
@example(2.2250738585072014e-308, 2.225073858507e-311, 1)
def test_ticks_are_few_and_inside(a, b, wanted):
    low, high = min(a, b), max(a, b)
    found = scale.ticks(low, high, wanted)
    slack = (high - low) * 1e-6 + abs(low) * 1e-9
    assert all(low - slack <= tick <= high + slack for tick in found)
    assert len(found) <= 4 * wanted + 2


def test_ticks_are_round():
    assert scale.ticks(0, 10, 5) == [0, 2, 4, 6, 8, 10]
    assert scale.ticks(1, 288, 5) == [100, 200]
    assert scale.ticks(3, 3, 5) == [3]
    assert scale.ticks(math.nan, 1, 5) == []


def test_a_robust_range_leaves_one_spike_out_and_the_full_range_does_not():
    found = [(1.0, 2.0)] * 199 + [(1.0, 500.0)]
    assert scale.robust_range(found) == (1.0, 2.0)
    assert scale.full_range(found) == (1.0, 500.0)


@given(st.floats(-1e307, 1e307), st.floats(-1e307, 1e307))
def test_a_padded_range_contains_what_it_pads(a, b):
    low, high = scale.padded((min(a, b), max(a, b)))
    assert low <= min(a, b) <= max(a, b) <= high
    assert low < high


@given(
    st.floats(allow_nan=False, allow_infinity=False),
    st.floats(allow_nan=False, allow_infinity=False),
)
def test_the_width_of_a_padded_range_is_always_a_number(a, b):
    low, high = scale.padded((min(a, b), max(a, b)))
    assert 0 < high - low < math.inf


def test_a_growing_axis_rests_between_steps_of_an_eighth():
    ends = {scale.headroom(0, last)[1] for last in range(64, 129)}
    assert sorted(ends) == [64, 72, 80, 88, 96, 104, 112, 120, 128]
