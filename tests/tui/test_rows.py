from hypothesis import given
from hypothesis import strategies as st

from kavaspec_tui import rows
from kavaspec_tui.raster import ASCII, BLOCK, BRAILLE

TEXT = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cs", "Cc", "Mn", "Me", "Cf", "Lo")),
    max_size=12,
)
ROWS = st.lists(st.tuples(TEXT | st.text("aé漢字 ", max_size=9), st.just("text")), max_size=4)


@given(ROWS, st.integers(0, 30))
def test_a_fitted_row_has_exactly_the_width(row, width):
    assert rows.length(rows.fit(row, width)) == width


@given(ROWS, st.integers(0, 30))
def test_a_split_row_loses_no_cell(row, at):
    left, right = rows.split(row, at)
    assert rows.length(left) == min(at, rows.length(row))
    assert rows.length(left) + rows.length(right) == rows.length(row)


def test_what_does_not_fit_ends_with_an_ellipsis():
    assert rows.text_of(rows.fit([("learning rate", "text")], 8)) == "learnin…"


def test_a_wide_character_across_the_cut_becomes_a_space():
    assert rows.text_of(rows.fit([("漢字漢字", "text")], 4)) == "漢 …"


def test_the_right_part_gives_way():
    left, right = [("loss 2.4", "title")], [("x step", "faint")]
    assert rows.text_of(rows.justify(left, right, 20)) == "loss 2.4      x step"
    assert rows.text_of(rows.justify(left, right, 12)) == "loss 2.4    "


def test_ascii_keeps_every_cell():
    assert rows.ascii_text("● LIVE ━━╸── ±5m … ▁▂█ 漢é") == "* LIVE ==--- +5m ~ _.# ???"


def test_every_sign_that_we_draw_has_an_ascii_twin_of_one_cell():
    from kavaspec_tui.chart import SPARKS
    from kavaspec_tui.status import Status

    drawn = "".join(status.sign for status in Status) + SPARKS + "…·▲▼━╸─│└┤±×┃▸" + ASCII.glyphs
    assert "?" not in rows.ascii_text(drawn)
    assert len(rows.ascii_text(drawn)) == len(drawn)


def test_foreign_text_cannot_move_the_cursor():
    assert rows.clean("a\x1b[2Jb\r\n\tc\u202ed") == "a [2Jb   c d"


def test_markers_are_one_character_for_every_combination():
    for marker in (BRAILLE, BLOCK, ASCII):
        assert len(marker.glyphs) == 2 ** (marker.across * marker.down)
        assert marker.glyphs[0] == " "


def test_wrapping_breaks_at_spaces_and_long_words_anywhere():
    wrapped = rows.wrap("a small word and sha256:0123456789abcdef", 14, indent=2)
    assert [rows.text_of(row) for row in wrapped] == [
        "  a small word",
        "  and",
        "  sha256:01234",
        "  56789abcdef",
    ]


@given(st.text(max_size=60), st.integers(1, 40))
def test_wrapped_lines_never_exceed_the_width(text, width):
    assert all(rows.length(row) <= max(width, 2) for row in rows.wrap(text, width))
