"""fact.data.empty_rows and fact.data.marked_answers, and rows that lack a column: real files, no torch."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kavaspec.errors import KavaError
from kavaspec.facts.texts import empty_rows, marked_answers, refuse_gaps, unknown_columns
from kavaspec.facts.wanted import ExperimentRequest
from kavaspec.sources.rows import read_rows

GOOD = {"question": "1+1", "answer": "#### 2"}


@pytest.fixture
def data(tmp_path: Path):
    """A function that writes train.jsonl and test.jsonl and reads them."""

    def make(train: list[object], test: list[object] | None = None, **asked: object):
        for name, rows in (("train", train), ("test", test or [GOOD])):
            lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
            (tmp_path / f"{name}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
        wanted = ExperimentRequest(data_source="./data", data_path=tmp_path, **asked)
        names = (wanted.split, wanted.eval_split)
        return wanted, {name: read_rows("./data", tmp_path, name) for name in names}

    return make


def refusal(wanted, splits):
    with pytest.raises(KavaError) as caught:
        refuse_gaps(wanted, splits)
    return caught.value.problems


def test_whole_rows_pass(data):
    refuse_gaps(*data([GOOD] * 3))


def test_a_row_that_lacks_a_column_is_named_with_file_and_line(data, tmp_path):
    [problem] = refusal(*data([GOOD, "", GOOD, {"question": "1+2"}]))  # a blank line is no row
    assert problem.message == (
        f"1 of 4 rows has no value for the column 'answer': {tmp_path}/train.jsonl:4"
    )
    assert (problem.code, problem.exit, problem.key) == ("KV0228", 7, "data.completion")
    assert problem.hint == (
        "write 'answer' into each of these rows (null is no value), or take them out"
    )


def test_a_null_is_no_text_and_the_first_places_stand_for_all(data, tmp_path):
    null = {**GOOD, "answer": None}
    [problem] = refusal(*data([GOOD, null, null, null, GOOD], [null]))
    assert problem.message == (
        f"4 of 6 rows have no value for the column 'answer': {tmp_path}/train.jsonl:2; "
        f"{tmp_path}/train.jsonl:3; {tmp_path}/train.jsonl:4; 1 more"
    )


def test_every_column_with_gaps_is_told_in_one_go(data):
    problems = refusal(*data([GOOD, {"answer": "#### 1"}, {"question": "?"}]))
    assert [(it.key, it.message.partition(":")[0]) for it in problems] == [
        ("data.completion", "1 of 4 rows has no value for the column 'answer'"),
        ("data.prompt", "1 of 4 rows has no value for the column 'question'"),
    ]


def test_part_of_a_split_counts_its_own_rows_and_names_lines_of_the_file(data, tmp_path):
    rows = [GOOD, GOOD, GOOD, {"question": "?"}]
    [problem] = refusal(*data(rows, split="train[2:]"))
    assert problem.message == (
        f"1 of 3 rows has no value for the column 'answer': {tmp_path}/train.jsonl:4"
    )
    refuse_gaps(*data(rows, split="train[:2]"))


def test_a_column_that_no_row_has_is_the_templates_mistake(data):
    wanted, splits = data([GOOD], prompt="{qestion}\n")
    assert unknown_columns(wanted, splits) == ["qestion"]
    refuse_gaps(wanted, splits)


def test_a_column_that_no_template_names_may_have_gaps(data):
    refuse_gaps(*data([{**GOOD, "hint": "x"}, {**GOOD, "hint": None}, GOOD]))


def test_empty_prompts_and_completions_are_named(data):
    silent, mute = {**GOOD, "answer": " "}, {**GOOD, "question": ""}
    seen = empty_rows(*data([GOOD, silent, "", mute], [GOOD, silent]))
    assert seen.value == ("train.jsonl:2", "train.jsonl:4", "test.jsonl:2")
    assert seen.evidence == "of 5 rows"


def test_of_many_empty_rows_the_first_are_named(data):
    seen = empty_rows(*data([GOOD, *[{**GOOD, "answer": ""}] * 30]))
    assert seen.value == ("train.jsonl:2", "train.jsonl:3", "train.jsonl:4", "27 more")


def test_no_row_is_empty(data):
    assert empty_rows(*data([GOOD, {**GOOD, "answer": 0}])).value == ()


def test_data_that_teaches_nothing_at_all_is_refused(data):
    with pytest.raises(KavaError) as caught:
        empty_rows(*data([{**GOOD, "answer": ""}] * 2))
    [problem] = caught.value.problems
    assert problem.message == "every completion of train is empty: answer holds no text in any row"
    assert (problem.code, problem.exit, problem.key) == ("KV0229", 7, "data.completion")
    assert problem.hint == "name the column that holds the text to learn"


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        (["#### 1", "so #### 2"], {"marked": 2, "in_a_row": 2}),
        (["#### 1", "2", "#### 3"], {"marked": 2, "in_a_row": 1}),
        (["1", "2"], {"marked": 0, "in_a_row": 0}),
    ],
)
def test_marks_are_counted_in_held_out_completions(data, answers, expected):
    wanted, splits = data([GOOD], [{**GOOD, "answer": text} for text in answers])
    seen = marked_answers(wanted, splits["test"])
    assert (seen.value, seen.evidence) == (
        expected,
        f"'####' in {len(answers)} completions of test",
    )


def test_a_mark_that_the_template_writes_counts(data):
    wanted, splits = data(
        [GOOD], [{**GOOD, "answer": "2"}], completion="A: {answer}", answer_after="A:"
    )
    assert marked_answers(wanted, splits["test"]).value == {"marked": 1, "in_a_row": 1}
