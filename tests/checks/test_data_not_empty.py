import pytest

from kavaspec.checks.data_not_empty import data_not_empty, eval_not_empty, rows_not_empty


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


def test_rows_with_text_pass():
    assert rows_not_empty("./data", ()) is None


def test_empty_rows_are_named():
    problem = rows_not_empty("./data", ("train.jsonl:4", "train.jsonl:9", "test.jsonl:2", "3 more"))
    assert problem.message == (
        "rows of ./data have an empty prompt or completion: "
        "train.jsonl:4, train.jsonl:9, test.jsonl:2, 3 more"
    )
    assert problem.hint == "write what is missing into these rows, or take them out"
    assert (problem.key, problem.severity) == ("data.source", "warning")
