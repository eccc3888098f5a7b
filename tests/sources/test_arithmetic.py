"""builtin:arithmetic makes the same rows everywhere, they are right, and test is held out."""

from __future__ import annotations

import json
import operator
import os
import re
import subprocess
import sys
from hashlib import sha256

import pytest

from kavaspec.errors import Exit, KavaError
from kavaspec.sources import arithmetic
from kavaspec.sources.arithmetic import SHAPES, Dice, is_test, rows

SPLITS = ("train", "test")
OPERATORS = {"+": operator.add, "-": operator.sub, "*": operator.mul}
STEP = re.compile(r"(\d+)([-+*])(\d+)=(\d+)")
ANSWER = re.compile(r"#### (\d+)$")


MEANING = {
    "buys_and_gives": lambda a, b, c: a + b - c,
    "loses_and_finds": lambda a, b, c: a - b + c,
    "more_than": lambda a, b, c: (a + b) + c,
    "times_as_many": lambda a, b, c: a * b + c,
    "takes_from_holders": lambda a, b, c: a * b - c,
    "reads_every_day": lambda a, b, c: a * b + c,
    "has_left": lambda a, b, c: a * b + c,
    "buys_two_kinds": lambda a, b, c, d: a * b + c * d,
}


@pytest.fixture(scope="module")
def made():
    """Both splits, made once: nothing here changes them."""
    return {split: rows(split) for split in SPLITS}


def digest_of(rows_of_split):
    lines = "".join(json.dumps(row, sort_keys=True) + "\n" for row in rows_of_split)
    return sha256(lines.encode()).hexdigest()


def numbers_in(text):
    return tuple(map(int, re.findall(r"\d+", text)))


def worked(row):
    """What the steps of the answer compute, each from numbers that were there before it."""
    known = set(numbers_in(row["question"]))
    result = None
    for left, sign, right, claimed in STEP.findall(row["answer"]):
        assert {int(left), int(right)} <= known, row
        result = OPERATORS[sign](int(left), int(right))
        assert result == int(claimed), row
        known.add(result)
    return result


@pytest.mark.parametrize(
    ("split", "count", "digest"),
    [
        ("train", 20_000, "ad97c883aaf8ca25617a41381a76efd3a30d5e6e5e639ef40d96392e301466fb"),
        ("test", 1_000, "263ebf334e28614942958a2ae5b7aa67a0d81e208d990d03f9ce6b8dc88092f9"),
    ],
    ids=SPLITS,
)
def test_the_rows_are_the_same_on_every_machine_for_ever(made, split, count, digest):
    assert len(made[split]) == count
    assert digest_of(made[split]) == digest


@pytest.mark.slow
@pytest.mark.parametrize("hash_seed", ["0", "1"])
def test_the_rows_do_not_depend_on_the_process(made, hash_seed):
    code = "from kavaspec.sources.arithmetic import rows; print(rows('test')[-1]['question'])"
    python_path = os.pathsep.join(filter(None, sys.path))
    elsewhere = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": python_path},
        capture_output=True,
        text=True,
        check=True,
    )
    assert elsewhere.stdout.strip() == made["test"][-1]["question"]


def test_a_row_reads_like_this(made):
    assert made["test"][0] == {
        "question": "Ida has 3 coins. Tom has 6 more than Ida. Jon has 9. How many coins do Tom and Jon have together?",
        "answer": "Tom has 3+6=9 coins.\nTogether 9+9=18 coins.\n#### 18",
    }


@pytest.mark.parametrize("split", SPLITS)
def test_every_row_has_a_question_and_an_answer_and_nothing_else(made, split):
    assert {tuple(row) for row in made[split]} == {("question", "answer")}


@pytest.mark.parametrize("split", SPLITS)
def test_every_step_is_right_and_the_last_one_is_the_answer(made, split):
    for row in made[split]:
        answer = ANSWER.search(row["answer"])
        assert answer is not None, row
        assert worked(row) == int(answer[1]), row


def test_every_problem_takes_two_or_three_steps(made):
    steps = {len(STEP.findall(row["answer"])) for row in made["train"]}
    assert steps == {2, 3}


def test_every_result_has_one_or_two_digits(made):
    results = [int(ANSWER.search(row["answer"])[1]) for row in made["train"]]
    assert min(results) >= 1
    assert max(results) <= 99


def test_no_question_of_test_is_in_train(made):
    questions = {row["question"] for row in made["train"]}
    assert not [row for row in made["test"] if row["question"] in questions]


def test_not_even_the_numbers_of_a_test_question_are_in_train(made):
    trained = {numbers_in(row["question"]) for row in made["train"]}
    held_out = {numbers_in(row["question"]) for row in made["test"]}
    assert not trained & held_out
    assert all(map(is_test, held_out))
    assert not any(map(is_test, trained))


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
def test_a_shape_names_its_numbers_in_the_order_in_which_they_are_read(shape):
    for index in range(200):
        problem = shape(Dice(f"{index}"))
        assert problem.numbers == numbers_in(problem.question)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
def test_the_result_is_what_the_question_asks_for(shape):
    for index in range(200):
        problem = shape(Dice(f"{index}"))
        assert problem.result == MEANING[shape.__name__](*problem.numbers), problem.question


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
def test_every_shape_is_in_every_split(made, split, shape):
    """A shape is known by the words of its question: what is left without names and numbers."""
    words = {pattern(row["question"]) for row in made[split]}
    assert pattern(shape(Dice("any")).question) in words


def pattern(question):
    known = {*arithmetic.PEOPLE, *arithmetic.THINGS, *arithmetic.HOLDERS}
    return " ".join(word for word in re.findall(r"[A-Za-z]+", question) if word not in known)


def test_dice_throw_every_number_and_both_ends():
    throws = [Dice(f"{index}").number(3, 7) for index in range(500)]
    assert set(throws) == {3, 4, 5, 6, 7}


def test_two_are_never_the_same():
    pairs = {Dice(f"{index}").two("abc") for index in range(500)}
    assert pairs == {(a, b) for a in "abc" for b in "abc" if a != b}


def test_an_unknown_split_says_which_there_are():
    with pytest.raises(KavaError) as caught:
        rows("validation")
    (problem,) = caught.value.problems
    assert problem.message == "builtin:arithmetic has no split 'validation'"
    assert problem.hint == "its splits are train and test"
    assert problem.exit is Exit.UNSATISFIABLE
