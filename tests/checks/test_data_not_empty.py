import pytest

from kavaspec.checks.data_not_empty import data_not_empty, eval_not_empty


@pytest.mark.parametrize(
    ("rows", "tail"), [(32, "drop"), (1, "wrap")], ids=["one-batch", "wrapped"]
)
def test_enough_rows_pass(rows, tail):
    assert data_not_empty(10, rows, 32, tail) is None


def test_rows_that_do_not_fill_a_global_batch_are_refused():
    problem = data_not_empty(10, 20, 32, "drop")
    assert problem.message == (
        "train.steps is 10, but the 20 rows of data.split do not fill one global batch of 32"
    )
    assert problem.hint == 'train.global_batch = 20 or less, or data.tail = "wrap"'
    assert problem.key == "train.global_batch"


def test_no_rows_are_refused():
    problem = data_not_empty(10, 0, 32, "wrap")
    assert problem.message == "data.split has no rows for 10 steps"
    assert (problem.key, problem.hint) == ("data.split", "name another split")


def test_one_held_out_row_passes():
    assert eval_not_empty("test", 1) is None


def test_no_held_out_row_is_refused():
    problem = eval_not_empty("test[:0]", 0)
    assert problem.message == 'data.eval_split = "test[:0]" has no rows'
    assert (problem.key, problem.hint) == ("data.eval_split", "name another split")
