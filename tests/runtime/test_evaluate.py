"""What the student is judged by."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from transformers import DynamicCache

from kavaspec.errors import KavaError
from kavaspec_runtime.build import build
from kavaspec_runtime.data import Row
from kavaspec_runtime.evaluate import (
    answers,
    exact_match,
    final_answer,
    held_out,
    hold_against,
    left_padded,
)
from kavaspec_runtime.settings import Settings


def built(world, **changed):
    return build(Settings.of(world.lock(**changed), "here"), world.here, tell=lambda text: None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2 + 2 = 4\n#### 4", "4"),
        ("####  18  \nand more", "18"),
        ("#### 1 then #### 2", "2"),
        ("no answer", None),
        ("####", ""),
    ],
)
def test_the_final_answer_is_the_rest_of_the_line_after_the_last_mark(text, expected):
    assert final_answer(text, "####") == expected


def test_rows_that_cannot_be_judged_are_refused_before_training(world):
    with pytest.raises(KavaError) as caught:
        built(world, eval__answer_after="Answer:")
    [problem] = caught.value.problems
    assert (problem.exit, problem.key) == (7, "eval.answer_after")
    assert problem.message == (
        "row 0 of the held-out rows has no 'Answer:' in its completion, so its answer cannot be judged"
    )
    hold_against([], "Answer:")


def test_held_out_rows_without_any_label_are_refused_before_training(world, monkeypatch):
    monkeypatch.setattr("kavaspec_runtime.data.Feed.hold_labels", lambda *_: None)
    with pytest.raises(KavaError) as caught:
        built(world, data__max_length=8, eval__rows=3)
    [problem] = caught.value.problems
    assert problem.message.startswith(
        "the student is judged on rows of test without any token to predict: nothing follows their "
        "prompts within data.max_length = 8. Rows, counted from 0: 0, 1, 2"
    )
    assert (problem.code, problem.exit) == ("KV0812", 7)


def test_training_rows_without_any_label_are_refused_before_anything_is_loaded(world):
    with pytest.raises(KavaError) as caught:
        built(world, data__max_length=8)
    [problem] = caught.value.problems
    assert problem.message.startswith("step 1 trains on rows of train")
    assert (problem.code, problem.exit) == ("KV0812", 7)


def test_prompts_end_together():
    ids, mask = left_padded([(5, 6, 7), (8,)], 1, torch.device("cpu"))
    assert ids.tolist() == [[5, 6, 7], [1, 1, 8]]
    assert mask.tolist() == [[1, 1, 1], [0, 0, 1]]


def one_by_one(student, prompt, steps: int) -> list[int]:
    """Greedy without padding, by the whole model."""
    ids, cache, written = torch.tensor([prompt]), DynamicCache(), []
    for _ in range(steps):
        out = student(input_ids=ids, past_key_values=cache, use_cache=True)
        ids = out.logits[:, -1:].argmax(-1)
        if ids.item() == 0:
            break
        written.append(ids.item())
    return written


@torch.no_grad()
def test_answers_in_a_batch_are_the_answers_alone(world):
    parts = built(world)
    models = parts.trainer.models
    models.eval()
    rows = [
        Row(ids=prompt, first_label=1, prompt=prompt, completion="")
        for prompt in [(9, 10, 11, 12), (20,), (31, 32)]
    ]
    exam = replace(parts.exam, max_new_tokens=8)
    expected = [parts.tokenizer.decode(one_by_one(models.student, row.prompt, 8)) for row in rows]
    assert answers(models, rows, exam) == expected


def test_exact_match_counts_equal_answers(world, monkeypatch):
    from kavaspec_runtime import evaluate

    parts = built(world)
    right = [row.completion for row in parts.exam.questions]
    wrong = ["#### 1000000"] * len(right)
    for written, expected in [(right, 1.0), (wrong, 0.0), (["nothing"] * len(right), 0.0)]:
        left = list(written)

        def write(models, rows, exam, left=left):
            return [left.pop(0) for _ in rows]

        monkeypatch.setattr(evaluate, "answers", write)
        assert exact_match(parts.trainer.models, parts.exam, lambda: None) == {
            "exact_match": expected
        }


def test_without_questions_there_is_no_exact_match(world):
    parts = built(world, eval__exact_match_rows=0)
    assert exact_match(parts.trainer.models, parts.exam, lambda: None) == {}


def test_held_out_numbers_do_not_depend_on_the_batch(world):
    parts = built(world)
    models, objective = parts.trainer.models, parts.trainer.objective
    found = [held_out(models, objective, replace(parts.exam, batch=batch)) for batch in (2, 4, 8)]
    for other in found[1:]:
        assert other == pytest.approx(found[0], rel=1e-4)


def test_cross_entropy_is_a_mean_over_labels(world):
    parts = built(world)
    models = parts.trainer.models
    models.eval()
    total, labels = 0.0, 0
    for row in parts.exam.rows:
        ids = torch.tensor([row.ids])
        with torch.no_grad():
            logits = models.student(input_ids=ids).logits[0, row.first_label - 1 : -1]
        wanted = ids[0, row.first_label :]
        total += torch.nn.functional.cross_entropy(logits, wanted, reduction="sum").item()
        labels += len(wanted)
    found = held_out(models, parts.trainer.objective, parts.exam)
    assert found["ce"] == pytest.approx(total / labels, rel=1e-5)


def test_a_stop_is_obeyed_between_two_batches_of_questions(world):
    parts = built(world)
    exam = replace(parts.exam, batch=2)
    assert len(exam.questions) > exam.batch
    asked = iter([None])
    stop = lambda: next(asked, "SIGTERM")
    assert exact_match(parts.trainer.models, exam, stop) == "SIGTERM"
