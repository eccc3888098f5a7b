import pytest

from kavaspec.decision import Undecidable
from kavaspec.rules.steps import steps


@pytest.mark.parametrize(
    ("epochs", "rows", "tail", "value", "because"),
    [
        (
            None,
            7473,
            "drop",
            233,
            "one epoch (the spec names none) of 7473 rows in global batches of 32 is 233 steps",
        ),
        (2, 7473, "drop", 466, "2 x 233 steps: an epoch is 7473 rows in global batches of 32"),
        (2, 7473, "wrap", 468, "2 x 234 steps: an epoch is 7473 rows in global batches of 32"),
        (1, 64, "drop", 2, "1 x 2 steps: an epoch is 64 rows in global batches of 32"),
        (1, 64, "wrap", 2, "1 x 2 steps: an epoch is 64 rows in global batches of 32"),
        (1, 20, "wrap", 1, "1 x 1 steps: an epoch is 20 rows in global batches of 32"),
    ],
    ids=["one-by-default", "dropped", "wrapped", "full", "full-and-wrapped", "less-than-a-batch"],
)
def test_steps(epochs, rows, tail, value, because):
    decision = steps(epochs, rows, 32, tail)
    assert (decision.value, decision.because) == (value, because)


def test_dropped_rows_are_said():
    [no] = steps(2, 7473, 32, "drop").rejected
    assert no.value == 468
    assert no.because == '17 rows of each epoch do not fill a global batch (data.tail = "drop")'


def test_wrapping_is_said():
    [no] = steps(2, 7473, 32, "wrap").rejected
    assert no.value == 466
    assert no.because == 'would leave 17 rows of each epoch unread (data.tail = "wrap")'


def test_nothing_is_rejected_when_the_batches_are_full():
    assert steps(3, 64, 32, "drop").rejected == ()


def test_less_than_one_global_batch_is_no_epoch():
    with pytest.raises(Undecidable) as stop:
        steps(1, 20, 32, "drop")
    assert stop.value.because == "20 rows do not fill one global batch of 32"
    assert stop.value.hint == 'train.global_batch = 20 or less, or data.tail = "wrap"'


def test_no_rows_are_no_epoch():
    with pytest.raises(Undecidable) as stop:
        steps(1, 0, 32, "wrap")
    assert (stop.value.because, stop.value.hint) == ("data.split has no rows", "name another split")


def test_the_arithmetic_is_shown():
    shown = [(term.name, term.formula, term.value) for term in steps(2, 7473, 32, "wrap").terms]
    assert shown == [
        ("steps of an epoch", "(7473 + 31) // 32", 234),
        ("steps", "234 * 2", 468),
    ]
