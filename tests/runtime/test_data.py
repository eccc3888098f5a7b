"""Rows of text become tokens and labels."""

from __future__ import annotations

import pytest

from kavaspec.errors import KavaError
from kavaspec_runtime import load
from kavaspec_runtime.data import GlobalBatch, Row, Template, fill, ids_digest, pad, totals


@pytest.fixture
def tokenizer(made):
    return load.tokenizer_of(made / "student")


def template(tokenizer, *, loss_on="completion", max_length=64) -> Template:
    return Template(
        prompt="{question}\n",
        completion="{answer}",
        loss_on=loss_on,
        max_length=max_length,
        tokenizer=tokenizer,
    )


COLUMNS = {"question": "1+1?", "answer": "2"}


def test_a_row_is_prompt_completion_and_end_of_text(tokenizer):
    row = template(tokenizer).rows([COLUMNS], "rows")[0]
    assert tokenizer.decode(row.ids) == "1+1?\n2<end>"
    assert tokenizer.decode(row.prompt) == "1+1?\n"
    assert tokenizer.decode(row.ids[row.first_label :]) == "2<end>"
    assert row.labels == 2


def test_all_tokens_but_the_first_can_be_labels(tokenizer):
    row = template(tokenizer, loss_on="all").rows([COLUMNS], "rows")[0]
    assert (row.first_label, row.labels) == (1, len(row.ids) - 1)


def test_long_rows_are_cut_and_may_have_no_labels_left(tokenizer):
    row = template(tokenizer, max_length=3).rows([COLUMNS], "rows")[0]
    assert (len(row.ids), row.labels) == (3, 0)
    assert tokenizer.decode(row.prompt) == "1+1?\n"


def test_an_empty_prompt_leaves_the_first_token_without_a_label(tokenizer):
    one = Template(
        prompt="", completion="{answer}", loss_on="completion", max_length=9, tokenizer=tokenizer
    )
    assert one.rows([COLUMNS], "rows")[0].first_label == 1


def test_other_braces_stay():
    assert fill("{a} {{b}} {1}", {"a": "x", "b": "y"}, "row 0", "data.prompt") == "x {y} {1}"
    assert fill("{a}", {"a": "{b}"}, "row 0", "data.prompt") == "{b}"
    assert fill("{n}", {"n": 3}, "row 0", "data.prompt") == "3"


def test_a_missing_column_names_row_and_columns(tokenizer):
    with pytest.raises(KavaError) as caught:
        template(tokenizer).rows([COLUMNS, {"question": "x", "solution": "y"}], "./data train")
    [problem] = caught.value.problems
    assert (problem.exit, problem.key) == (7, "data.completion")
    assert (
        problem.message == "row 1 of ./data train has no column answer: it has question, solution"
    )
    assert problem.hint == "name one of its columns in data.prompt and data.completion"


def rows() -> list[Row]:
    return [
        Row(ids=(5, 6, 7, 0), first_label=2, prompt=(5, 6), completion=""),
        Row(ids=(8, 0), first_label=1, prompt=(8,), completion=""),
    ]


def test_padding_stands_on_the_right_and_is_no_label():
    batch = pad(rows(), (3, 9), pad_id=1, pad_to=None)
    assert batch.ids_BT.tolist() == [[5, 6, 7, 0], [8, 0, 1, 1]]
    assert batch.mask_BT.int().tolist() == [[1, 1, 1, 1], [1, 1, 0, 0]]
    assert batch.label_BT.int().tolist() == [[0, 0, 1, 1], [0, 1, 0, 0]]
    assert batch.rows == (3, 9)


def test_totals_are_known_before_anything_is_computed():
    found = totals(rows(), None)
    assert (found.labels, found.tokens, found.places) == (3, 6, 6)
    assert totals(rows(), 10).places == 20


def test_the_digest_of_a_batch_sees_tokens_and_their_order_but_no_padding():
    def digest(rows, pad_to):
        batch = pad(rows, tuple(range(len(rows))), pad_id=1, pad_to=pad_to)
        return ids_digest(GlobalBatch(micro=(batch,), totals=totals(rows, None), rows=(0, 1)))

    assert digest(rows(), None) == digest(rows(), 10)
    assert digest(rows(), None) != digest(rows()[::-1], None)
