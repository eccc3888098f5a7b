"""Four numbers for thousands of rows, and how many rows they prove."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kavaspec.quantiles import at_least, quantiles


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ([7], {"p50": 7, "p90": 7, "p99": 7, "max": 7}),
        ([4, 1, 3, 2], {"p50": 2, "p90": 4, "p99": 4, "max": 4}),
        (range(1, 101), {"p50": 50, "p90": 90, "p99": 99, "max": 100}),
    ],
    ids=["one", "four", "a-hundred"],
)
def test_each_is_the_length_of_a_row(counts, expected):
    assert quantiles(list(counts)) == expected


lengths = st.lists(st.integers(0, 50), min_size=1, max_size=300)


@given(lengths, st.integers(0, 51))
def test_no_more_rows_are_claimed_than_there_are(counts, length):
    assert at_least(quantiles(counts), length, len(counts)) <= sum(it >= length for it in counts)


@given(lengths)
def test_what_no_row_reaches_counts_none_and_the_longest_counts(counts):
    told = quantiles(counts)
    assert at_least(told, max(counts) + 1, len(counts)) == 0
    assert at_least(told, max(counts), len(counts)) >= 1
    assert 2 * at_least(told, told["p50"], len(counts)) >= len(counts)


def test_words_that_are_no_quantile_say_nothing():
    assert at_least({"prompt": 900, "p50": 3}, 4, 10) == 0
