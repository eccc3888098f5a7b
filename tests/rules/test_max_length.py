import pytest

from kavaspec.decision import ANYTHING, Allowed, Undecidable
from kavaspec.rules.max_length import max_length

LENGTHS = {"p50": 120, "p90": 190, "p99": 260, "max": 317}


@pytest.mark.parametrize(
    ("longest", "student_limit", "allowed", "value", "because"),
    [
        (317, 32768, ANYTHING, 320, "the longest row has 317 tokens; none is cut"),
        (320, 320, ANYTHING, 320, "the longest row has 320 tokens; none is cut"),
        (317, None, ANYTHING, 320, "the longest row has 317 tokens; none is cut"),
        (3, 2048, ANYTHING, 8, "the longest row has 3 tokens; none is cut"),
        (
            317,
            256,
            ANYTHING,
            256,
            "the student reads at most 256 tokens; rows of up to 317 tokens are cut",
        ),
        (
            317,
            256,
            Allowed(max=128),
            128,
            "the spec allows at most 128; rows of up to 317 tokens are cut",
        ),
    ],
    ids=[
        "rounded-up-to-8",
        "a-multiple-already",
        "student-limit-unknown",
        "never-below-8",
        "student-too-short",
        "spec-too-short",
    ],
)
def test_max_length(longest, student_limit, allowed, value, because):
    decision = max_length(LENGTHS | {"max": longest}, student_limit, allowed)
    assert (decision.value, decision.because) == (value, because)


def test_what_would_not_cut_is_among_the_rejected():
    [no] = max_length(LENGTHS, 256).rejected
    assert (no.value, no.because) == (320, "the student reads at most 256 tokens")


def test_rows_are_not_cut_to_nothing():
    with pytest.raises(Undecidable) as stop:
        max_length(LENGTHS, 32768, Allowed(max=4))
    assert stop.value.because == (
        "the spec allows at most 4, and rows of less than 8 tokens teach nothing"
    )


def test_a_length_that_nobody_needs_is_not_invented():
    with pytest.raises(Undecidable) as stop:
        max_length(LENGTHS, 32768, Allowed(min=512))
    assert stop.value.because == (
        "320 tokens suit the data and the student, but the spec asks for at least 512"
    )
    assert stop.value.hint == "write data.max_length as a number"


def test_without_the_longest_row_nothing_is_decided():
    with pytest.raises(Undecidable) as stop:
        max_length({"p50": 120}, 32768)
    assert stop.value.because == "the length of the longest row is not known"
    assert stop.value.missing


def test_the_arithmetic_is_shown():
    [term] = max_length(LENGTHS, None).terms
    assert (term.name, term.formula, term.value) == (
        "the longest row, up to a multiple of 8",
        "max(8, (317 + 7) // 8 * 8)",
        320,
    )


def test_eight_tokens_are_enough_to_cut_to():
    assert max_length(LENGTHS, None, Allowed(max=8)).value == 8
