import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kavaspec_tui.chart import Look, Mark, Subject, draw, sparkline
from kavaspec_tui.raster import ASCII, BLOCK, BRAILLE
from kavaspec_tui.rows import length, text_of
from kavaspec_tui.series import AXES, Curve, Sample

PLAIN = Look(smoothing=0.0, marker=ASCII)


def series(values, seconds=0.5):
    rows = [Sample(i + 1, (i + 1) * 100, i * seconds, {"loss": v}) for i, v in enumerate(values)]
    return Curve().add(rows).series("loss")


def subject(values, **changes):
    return Subject(**({"name": "loss", "series": series(values)} | changes))


def text(subject, look=PLAIN, width=40, height=10):
    return [text_of(row).rstrip() for row in draw(subject, look, width, height)]


def test_a_falling_line_falls():
    assert text(
        subject(range(9, 0, -1), marks=[Mark(step=3, sign="S"), Mark(step=7, sign="!")])
    ) == [
        "loss 1                            x step",
        "    10┤.",
        "      │''':...",
        "      │      '''':...",
        "     5┤             ''':...",
        "      │                   ''':....",
        "      │                          ''':...",
        "     0┤                                '",
        "      └────────S───────────────!────────",
        "                       5",
    ]


def test_an_alert_hides_a_checkpoint_and_never_the_other_way():
    marks = [Mark(step=5, sign=sign) for sign in "!SR"]
    baseline = text(subject(range(9), marks=marks))[-2]
    assert baseline.count("!") == 1
    assert "S" not in baseline
    assert "R" not in baseline


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("marker", [BRAILLE, BLOCK, ASCII], ids=lambda marker: marker.name)
@pytest.mark.parametrize("log_y", [False, True])
def test_a_chart_has_the_size_that_was_asked_for(axis, marker, log_y):
    look = Look(axis=axis, marker=marker, cursor=30)
    one = subject(
        [math.exp(-i / 20) for i in range(90)], log_y=log_y, marks=[Mark(step=40, sign="R")]
    )
    for width in range(1, 60, 7):
        for height in range(1, 20):
            rows = draw(one, look, width, height)
            assert [length(row) for row in rows] == [width] * height


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats() | st.floats(-10, 10), min_size=1, max_size=40),
    st.booleans(),
    st.none() | st.tuples(st.floats(-50, 100), st.floats(-50, 100)),
    st.none() | st.floats(-50, 100),
)
def test_no_numbers_make_it_fail(values, log_y, window, cursor):
    one = subject(values, log_y=log_y, marks=[Mark(step=-5, sign="S"), Mark(step=500, sign="!")])
    for axis in AXES:
        rows = draw(one, Look(window=window, cursor=cursor, axis=axis), 50, 12)
        assert [length(row) for row in rows] == [50] * 12


def test_before_the_first_value_it_waits():
    assert text(subject([], series=None))[:2] == [
        "loss …                            x step",
        "  waiting for the first value",
    ]


def test_one_value_is_one_dot():
    plane = [row[7:].strip() for row in text(subject([2.0]))[1:-2]]
    assert sorted(plane) == ["", "", "", "", "", "", "."]


def test_a_spike_is_drawn_to_the_edge_and_flattens_nothing():
    values = [1.0 + 0.1 * (i % 2) for i in range(400)]
    values[200] = 900.0
    robust = text(subject(values), width=60)
    assert ":" in robust[1][8:]
    assert "1.1" in "\n".join(robust)
    full = text(subject(values), replace(PLAIN, robust=False), width=60)
    assert "500" in "\n".join(full)


def test_a_window_shows_only_its_steps():
    drawn = text(subject(range(100)), replace(PLAIN, window=(40, 60)))
    assert drawn[0] == "loss 99                    x step · zoom"
    assert drawn[-1].split() == ["40", "50", "60"]


def test_the_cursor_tells_the_value_under_it():
    look = replace(PLAIN, cursor=41.7)
    rows = draw(subject(range(100)), look, 40, 10)
    assert text_of(rows[0]).startswith("loss @41 40 ")
    turned = [[piece for piece, role in row if role in ("cursor", "guide")] for row in rows[1:-2]]
    assert all(len(cells) == 1 for cells in turned)


def test_the_mean_lies_on_top_of_the_values():
    rows = draw(subject([1, 5] * 50), Look(smoothing=0.9), 40, 10)
    roles = {role for row in rows for _, role in row}
    assert {"raw", "smooth"} <= roles
    only = draw(subject([1, 5] * 50), Look(smoothing=0.9, layers="smooth"), 40, 10)
    assert "raw" not in {role for row in only for piece, role in row if piece.strip()}
    assert "smooth" not in {
        role for row in draw(subject([1, 5] * 50), Look(layers="raw"), 40, 10) for _, role in row
    }


def test_a_metric_without_noise_is_not_smoothed():
    assert "mean" not in text(subject([1, 5], noisy=False), Look())[0]
    assert "mean" in text(subject([1, 5]), Look())[0]


def test_in_ascii_the_mean_has_a_sign_of_its_own():
    assert "*" in "\n".join(text(subject([1, 5] * 50), Look(marker=ASCII)))


def test_the_time_axis_has_round_times():
    one = subject(range(100), series=series(range(100), seconds=30))
    assert text(one, replace(PLAIN, axis="time"), width=60)[-1].split() == [
        "0s",
        "15m00s",
        "30m00s",
        "45m00s",
    ]


def test_a_logarithmic_axis_has_powers_of_ten():
    values = [10.0 ** -(i / 10) for i in range(50)]
    labels = [row[:6].strip() for row in text(subject(values, log_y=True))]
    assert [label for label in labels if label][1:] == ["1", "0.001", "1e-6"]


def test_sizes_have_ticks_that_are_round_in_binary():
    one = subject([i * 2**28 for i in range(40)], unit="bytes")
    labels = [row[:6].strip() for row in text(one)[1:]]
    assert [label for label in labels if label] == ["10G", "5G", "0B"] or "5G" in labels


@pytest.mark.parametrize("marker", [BLOCK, ASCII], ids=lambda marker: marker.name)
def test_a_sparkline_rises_with_its_values(marker):
    line = sparkline(series(range(64)), 9, marker)
    glyphs = " ▁▂▃▄▅▆▇█" if marker is BLOCK else " .:-=+*#@"
    assert [glyphs.index(c) for c in line] == sorted(glyphs.index(c) for c in line)
    assert len(line) == 9
    assert sparkline(None, 4, marker) == "    "
