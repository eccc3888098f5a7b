"""`{column}` stands for that column of a row."""

from __future__ import annotations

import pytest

from kavaspec.template import NoValue, columns_of, filled, says_nothing


def test_columns_are_named_once_in_their_order():
    assert columns_of("{b} {a} {b} {1} {{c}}") == ["b", "a", "c"]


def test_other_braces_stay():
    assert filled("{a} {{b}} {1}", {"a": "x", "b": "y"}) == "x {y} {1}"
    assert filled("{a}", {"a": "{b}"}) == "{b}"


@pytest.mark.parametrize("value", [0, 3, False, ""])
def test_any_value_but_null_is_text(value):
    assert filled("<{n}>", {"n": value}) == f"<{value}>"


@pytest.mark.parametrize("row", [{"a": "x"}, {"a": "x", "n": None}], ids=["missing", "null"])
def test_a_missing_column_and_a_null_are_no_text(row):
    with pytest.raises(NoValue) as caught:
        filled("{a} {n}", row)
    assert caught.value.column == "n"


@pytest.mark.parametrize(
    ("template", "row", "nothing"),
    [
        ("{a}", {"a": ""}, True),
        ("{a}", {"a": " \n"}, True),
        ("#### {a}", {"a": ""}, True),
        ("{a} {b}", {"a": "", "b": "x"}, False),
        ("{a}", {"a": 0}, False),
        ("always the same", {"a": ""}, False),
    ],
)
def test_a_row_says_nothing_where_all_that_is_named_is_empty(template, row, nothing):
    assert says_nothing(template, row) is nothing
