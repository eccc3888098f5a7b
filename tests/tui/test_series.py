import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kavaspec_tui.appended import Appended, appended
from kavaspec_tui.series import BLOCK, Column, Curve, Sample

NUMBERS = st.floats(-1e6, 1e6) | st.sampled_from([math.nan, math.inf, -math.inf])


def sample(step, **metrics):
    return Sample(step, step * 10, step * 0.5, metrics)


@given(st.lists(NUMBERS, max_size=5 * BLOCK), st.data())
def test_the_extent_of_any_stretch_equals_that_of_its_values(values, data):
    column = Column(values)
    start = data.draw(st.integers(0, len(values)))
    stop = data.draw(st.integers(start, len(values)))
    finite = [v for v in values[start:stop] if math.isfinite(v)]
    assert column.extent(start, stop) == ((min(finite), max(finite)) if finite else None)


@pytest.mark.parametrize("place", range(1, 5 * BLOCK, 13))
def test_one_value_decides_wherever_it_stands(place):
    values = [0.0] * (5 * BLOCK + 1)
    for value in (-1.0, 1.0):
        values[place] = value
        assert Column(values).extent(1, 5 * BLOCK) == (min(value, 0.0), max(value, 0.0))


@given(st.lists(NUMBERS, max_size=300), st.lists(st.integers(0, 300), max_size=4))
def test_blocks_do_not_depend_on_how_the_values_arrived(values, cuts):
    whole, parts, start = Column(values), Column(), 0
    for cut in [*sorted(cuts), len(values)]:
        parts.extend(values[start:cut])
        start = max(start, cut)
    n = len(values)
    for i in range(0, n, 7):
        assert whole.extent(i, min(i + 70, n)) == parts.extent(i, min(i + 70, n))


def test_a_curve_is_extended_without_changing_the_old_one():
    old = Curve().add([sample(1, loss=3.0)])
    new = old.add([sample(2, loss=2.0)])
    assert (old.rows, new.rows) == (1, 2)
    assert old.latest() == {"loss": 3.0}
    assert new.columns is old.columns


def test_extending_an_old_curve_again_leaves_the_first_extension_alone():
    old = Curve().add([sample(1, loss=3.0)])
    first = old.add([sample(2, loss=2.0)])
    second = old.add([sample(2, loss=9.0)])
    assert first.latest() == {"loss": 2.0}
    assert second.latest() == {"loss": 9.0}


def test_steps_that_go_back_replace_what_came_after():
    curve = Curve().add([sample(n, loss=float(n)) for n in range(1, 6)])
    curve = curve.add([sample(3, loss=30.0), sample(4, loss=40.0)])
    assert list(curve.steps) == [1, 2, 3, 4]
    assert list(curve.series("loss").column.values) == [1, 2, 30, 40]


def test_a_metric_that_skips_rows_keeps_its_own_places():
    curve = Curve().add(
        [sample(1, loss=1.0, ce=5.0), sample(2, loss=2.0), sample(3, loss=3.0, ce=6.0, late=7.0)]
    )
    assert list(curve.series("ce").x("step")) == [1, 3]
    assert list(curve.series("late").x("step")) == [3]
    assert list(curve.series("loss").x("step")) == [1, 2, 3]
    before = curve.before(3)
    assert before.latest() == {"loss": 2.0, "ce": 5.0}
    assert before.names == ("loss", "ce")
    again = before.add([sample(3, ce=8.0)])
    assert list(again.series("ce").x("step")) == [1, 3]
    assert again.latest() == {"loss": 2.0, "ce": 8.0}


@given(st.lists(st.tuples(st.integers(1, 30), st.sets(st.sampled_from("abc"))), max_size=40))
def test_a_curve_is_what_a_simple_table_would_be(steps):
    table: dict[int, dict[str, float]] = {}
    curve = Curve()
    for value, (number, names) in enumerate(steps):
        table = {n: row for n, row in table.items() if n < number}
        table[number] = dict.fromkeys(names, float(value))
        curve = curve.add([sample(number, **table[number])])
    together = Curve().add(
        sample(n, **dict.fromkeys(names, float(v))) for v, (n, names) in enumerate(steps)
    )
    for one in (curve, together):
        assert list(one.steps) == sorted(table)
        for name in "abc":
            points = [(n, table[n][name]) for n in sorted(table) if name in table[n]]
            series = one.series(name)
            found = (
                []
                if series is None
                else list(zip(series.x("step"), series.column.values, strict=False))
            )
            assert found[: 0 if series is None else series.rows] == points


def test_a_clock_that_goes_back_stands_still():
    rows = [Sample(1, 10, 5.0, {"a": 1}), Sample(2, 8, 3.0, {"a": 1}), Sample(3, 30, 6.0, {"a": 1})]
    series = Curve().add(rows).series("a")
    assert list(series.x("time")) == [5, 5, 6]
    assert list(series.x("tokens")) == [10, 10, 30]


class TestSmoothing:
    """A debiased exponential mean of the raw values."""

    def smooth(self, values, alpha):
        curve = Curve().add([sample(i + 1, a=v) for i, v in enumerate(values)])
        return list(curve.series("a").smoothed(alpha).column.values)

    def test_two_points_exactly(self):
        assert self.smooth([1.0, 2.0], 0.5) == pytest.approx(
            [1.0, (0.5 * 0.5 * 1 + 0.5 * 2) / 0.75]
        )

    @given(st.floats(-1e6, 1e6), st.sampled_from([0.5, 0.9, 0.999]))
    def test_a_constant_stays_constant(self, value, alpha):
        assert self.smooth([value] * 20, alpha) == pytest.approx([value] * 20)

    def test_a_hole_is_skipped_and_stays_a_hole(self):
        with_hole, without = self.smooth([1.0, math.nan, 3.0], 0.9), self.smooth([1.0, 3.0], 0.9)
        assert math.isnan(with_hole[1])
        assert [with_hole[0], with_hole[2]] == without

    @given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=50), st.integers(0, 50))
    def test_it_does_not_depend_on_when_it_was_asked_for(self, values, cut):
        curve = Curve().add([sample(i + 1, a=v) for i, v in enumerate(values[:cut])])
        if curve.rows:
            curve.series("a").smoothed(0.9)
        curve = curve.add([sample(i + 1, a=v) for i, v in enumerate(values) if i >= cut])
        assert list(curve.series("a").smoothed(0.9).column.values) == self.smooth(values, 0.9)


def test_the_row_at_a_step():
    series = Curve().add([sample(n, a=0.0) for n in (10, 20, 30)]).series("a")
    assert [series.at_step(s) for s in (5, 10, 15, 30, 99)] == [0, 0, 0, 2, 2]


def test_a_growing_list_never_changes_under_its_owner():
    one = appended(["a"])
    two = one.add("b")
    other = one.add("c", "d")
    assert (list(one), list(two), list(other)) == (["a"], ["a", "b"], ["a", "c", "d"])
    assert two.last(1) == ["b"]
    assert two.last(9) == ["a", "b"]
    assert two[-1] == "b"
    assert two[0:1] == ["a"]
    assert Appended() == appended([])
    with pytest.raises(IndexError):
        one[1]
