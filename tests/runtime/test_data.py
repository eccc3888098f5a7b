"""Rows of text become tokens and labels."""

from __future__ import annotations

import pytest

from kavaspec.errors import KavaError
from kavaspec_runtime import load
from kavaspec_runtime.data import (
    Feed,
    GlobalBatch,
    Row,
    Template,
    fill,
    hold_labels,
    ids_digest,
    pad,
    totals,
)
from kavaspec_runtime.order import Order


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
    assert problem.message == (
        "row 1 of ./data train has no value for the column 'answer'; it has question, solution"
    )
    assert problem.hint == "write 'answer' into the row (null is no value), or take the row out"


def test_a_null_is_not_the_text_none():
    with pytest.raises(KavaError) as caught:
        fill(
            "{answer}",
            {"question": "x", "answer": None},
            "row 1 of ./data train",
            "data.completion",
        )
    [problem] = caught.value.problems
    assert (problem.code, problem.exit, problem.key) == ("KV0228", 7, "data.completion")
    assert problem.message == "row 1 of ./data train has no value for the column 'answer' (null)"


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


# ---- rows without a label


def cut(prompt: int, length: int) -> Row:
    """A row of a prompt of so many tokens, cut at a length."""
    return Row(ids=(5,) * length, first_label=prompt, prompt=(5,) * prompt, completion="x")


def test_rows_of_which_one_has_a_label_pass():
    hold_labels([cut(9, 8), cut(7, 8)], (0, 1), "train", "step 1 trains on", 8)


def test_rows_without_a_label_are_refused_by_name():
    with pytest.raises(KavaError) as caught:
        hold_labels([cut(9, 8), cut(12, 8)], (31, 4), "train", "step 12 trains on", 8)
    [problem] = caught.value.problems
    assert problem.message == (
        "step 12 trains on rows of train without any token to predict: nothing follows their "
        "prompts within data.max_length = 8. Rows, counted from 0: 31, 4"
    )
    assert problem.hint == (
        "data.max_length = 10 leaves one of them a token; left out of kava.toml, it cuts no row that "
        "the student can read"
    )
    assert (problem.code, problem.exit, problem.key) == ("KV0812", 7, "data.max_length")


def test_of_many_rows_the_first_are_named():
    with pytest.raises(KavaError) as caught:
        hold_labels([cut(9, 8)] * 32, range(32), "train", "step 1 trains on", 8)
    assert caught.value.problems[0].message.endswith(
        "Rows, counted from 0: 0, 1, 2, 3, 4, 5, 6, 7 and 24 more"
    )


def feed_of(rows: list[Row]) -> Feed:
    order = Order(
        lengths=[len(row.ids) for row in rows], global_batch=2, window=4, tail="drop", seed=0
    )
    return Feed(
        rows=rows, order=order, micro_batch=1, pad_id=1, pad_to=None, split="train", max_length=8
    )


def test_a_global_batch_without_a_label_is_refused_where_it_is_made_and_before_training():
    feed = feed_of([cut(2, 4), cut(2, 4), cut(9, 8), cut(9, 8)])
    bad = next(step for step in (0, 1) if 2 in feed.order.rows(step))
    assert feed.global_batch(1 - bad).totals.labels == 4
    for ask in (lambda: feed.global_batch(bad), lambda: feed.hold_labels(2)):
        with pytest.raises(KavaError) as caught:
            ask()
        [problem] = caught.value.problems
        assert problem.message.startswith(f"step {bad + 1} trains on rows of train without any")
    feed.hold_labels(bad)  # a step that is never done


def test_before_training_no_step_is_looked_at_where_every_row_has_a_label(monkeypatch):
    feed = feed_of([cut(2, 4)] * 4)
    monkeypatch.setattr(Order, "rows", lambda *_: pytest.fail("the order was asked"))
    feed.hold_labels(10**9)
