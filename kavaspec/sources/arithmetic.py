"""builtin:arithmetic: word problems with worked steps, made by counting, the same on every machine.

    question  Mia has 7 apples. Mia buys 5 more and gives 4 to Ben. How many apples does Mia have?
    answer    Mia has 7+5=12 apples.
              Mia has 12-4=8 apples.
              #### 8

Row `index` of a split is a pure function of (split, index): a SHA-256 of them is the die that is
thrown. A problem belongs to `test` when a SHA-256 of the numbers in its question says so; all other
problems belong to `train`. So no test question, not even its numbers in that order, is ever trained on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import count
from typing import TypeVar

from kavaspec.errors import Exit, fail

T = TypeVar("T")

ROWS = {"train": 20_000, "test": 1_000}
"""Rows of each split."""

TEST_SHARE = 10
"""One in so many combinations of numbers is kept for `test`."""

PEOPLE = ("Ada", "Ben", "Eva", "Ida", "Jon", "Kim", "Leo", "Mia", "Noa", "Sam", "Tom", "Zoe")
THINGS = ("apples", "books", "cards", "coins", "eggs", "pens", "shells", "stamps")
HOLDERS = ("bags", "boxes", "packs", "rows")


class Dice:
    """Throws that depend on nothing but `seed`."""

    def __init__(self, seed: str) -> None:
        self._rest = int.from_bytes(sha256(seed.encode()).digest(), "big")

    def number(self, low: int, high: int) -> int:
        """A number from `low` to `high`, both included."""
        self._rest, throw = divmod(self._rest, high - low + 1)
        return low + throw

    def pick(self, choices: Sequence[T]) -> T:
        return choices[self.number(0, len(choices) - 1)]

    def two(self, choices: Sequence[T]) -> tuple[T, T]:
        """Two different ones."""
        first = self.number(0, len(choices) - 1)
        second = self.number(0, len(choices) - 2)
        return choices[first], choices[second + (second >= first)]


@dataclass(frozen=True, kw_only=True, slots=True)
class WordProblem:
    """One word problem. `numbers` are those of the question, in the order in which they are read."""

    numbers: tuple[int, ...]
    question: str
    steps: tuple[str, ...]
    result: int

    def row(self) -> dict[str, str]:
        return {
            "question": self.question,
            "answer": "\n".join([*self.steps, f"#### {self.result}"]),
        }


def rows(split: str) -> Sequence[dict[str, str]]:
    """All rows of `train` or `test`, with the columns `question` and `answer`.

    Raises:
        KavaError: exit 8 when there is no such split.
    """
    if split not in ROWS:
        message = f"builtin:arithmetic has no split {split!r}"
        raise fail(
            message, Exit.UNSATISFIABLE, code="KV0221", hint=f"its splits are {' and '.join(ROWS)}"
        )
    return [_row(split, index) for index in range(ROWS[split])]


def is_test(numbers: Sequence[int]) -> bool:
    """Whether a problem with these numbers is held out."""
    digest = sha256(" ".join(map(str, numbers)).encode()).digest()
    return int.from_bytes(digest, "big") % TEST_SHARE == 0


def _row(split: str, index: int) -> dict[str, str]:
    """The first problem of a sequence fixed by (split, index) that belongs to the split."""
    throws = (Dice(f"arithmetic@1 {split} {index} {attempt}") for attempt in count())
    problems = (dice.pick(SHAPES)(dice) for dice in throws)
    return next(each for each in problems if is_test(each.numbers) == (split == "test")).row()


def plus(a: int, b: int) -> str:
    return f"{a}+{b}={a + b}"


def minus(a: int, b: int) -> str:
    return f"{a}-{b}={a - b}"


def times(a: int, b: int) -> str:
    return f"{a}*{b}={a * b}"


def buys_and_gives(dice: Dice) -> WordProblem:
    who, other = dice.two(PEOPLE)
    things = dice.pick(THINGS)
    a, b = dice.number(2, 9), dice.number(2, 9)
    c = dice.number(2, min(a + b - 1, 9))
    return WordProblem(
        numbers=(a, b, c),
        question=f"{who} has {a} {things}. {who} buys {b} more and gives {c} to {other}. "
        f"How many {things} does {who} have?",
        steps=(f"{who} has {plus(a, b)} {things}.", f"{who} has {minus(a + b, c)} {things}."),
        result=a + b - c,
    )


def loses_and_finds(dice: Dice) -> WordProblem:
    who = dice.pick(PEOPLE)
    things = dice.pick(THINGS)
    a, c = dice.number(5, 20), dice.number(2, 9)
    b = dice.number(2, min(a - 1, 9))
    return WordProblem(
        numbers=(a, b, c),
        question=f"{who} had {a} {things}, lost {b} and found {c}. "
        f"How many {things} does {who} have?",
        steps=(f"{who} has {minus(a, b)} {things}.", f"{who} has {plus(a - b, c)} {things}."),
        result=a - b + c,
    )


def more_than(dice: Dice) -> WordProblem:
    who, other = dice.two(PEOPLE)
    third = dice.pick([each for each in PEOPLE if each not in (who, other)])
    things = dice.pick(THINGS)
    a, b, c = dice.number(2, 9), dice.number(2, 9), dice.number(2, 9)
    return WordProblem(
        numbers=(a, b, c),
        question=f"{who} has {a} {things}. {other} has {b} more than {who}. {third} has {c}. "
        f"How many {things} do {other} and {third} have together?",
        steps=(f"{other} has {plus(a, b)} {things}.", f"Together {plus(a + b, c)} {things}."),
        result=a + b + c,
    )


def times_as_many(dice: Dice) -> WordProblem:
    who, other = dice.two(PEOPLE)
    things = dice.pick(THINGS)
    a, b, c = dice.number(2, 9), dice.number(2, 3), dice.number(2, 9)
    return WordProblem(
        numbers=(a, b, c),
        question=f"{who} has {a} {things}. {other} has {b} times as many and {c} more. "
        f"How many {things} does {other} have?",
        steps=(f"{other} has {times(a, b)} {things}.", f"Then {plus(a * b, c)} {things}."),
        result=a * b + c,
    )


def takes_from_holders(dice: Dice) -> WordProblem:
    who = dice.pick(PEOPLE)
    things, holders = dice.pick(THINGS), dice.pick(HOLDERS)
    a, b = dice.number(2, 5), dice.number(2, 6)
    c = dice.number(2, min(a * b - 1, 9))
    return WordProblem(
        numbers=(a, b, c),
        question=f"There are {a} {holders} of {b} {things}. {who} takes {c} {things}. "
        f"How many {things} are left?",
        steps=(f"There are {times(a, b)} {things}.", f"Left are {minus(a * b, c)} {things}."),
        result=a * b - c,
    )


def reads_every_day(dice: Dice) -> WordProblem:
    who = dice.pick(PEOPLE)
    a, b, c = dice.number(2, 6), dice.number(2, 5), dice.number(2, 9)
    return WordProblem(
        numbers=(a, b, c),
        question=f"{who} reads {a} pages a day for {b} days and then {c} more. "
        "How many pages is that?",
        steps=(f"{who} reads {times(a, b)} pages.", f"Then {plus(a * b, c)} pages."),
        result=a * b + c,
    )


def has_left(dice: Dice) -> WordProblem:
    who = dice.pick(PEOPLE)
    things = dice.pick(THINGS)
    a, b, c = dice.number(2, 5), dice.number(2, 6), dice.number(2, 9)
    return WordProblem(
        numbers=(a, b, c),
        question=f"{who} buys {a} {things} for {b} dollars each and has {c} dollars left. "
        f"How many dollars did {who} have?",
        steps=(f"The {things} cost {times(a, b)} dollars.", f"Before {plus(a * b, c)} dollars."),
        result=a * b + c,
    )


def buys_two_kinds(dice: Dice) -> WordProblem:
    who = dice.pick(PEOPLE)
    these, those = dice.two(THINGS)
    a, b, c, d = dice.number(2, 5), dice.number(2, 6), dice.number(2, 3), dice.number(2, 3)
    return WordProblem(
        numbers=(a, b, c, d),
        question=f"{who} buys {a} {these} for {b} dollars each and {c} {those} for {d} dollars "
        "each. How many dollars is that?",
        steps=(
            f"The {these} cost {times(a, b)} dollars.",
            f"The {those} cost {times(c, d)} dollars.",
            f"Together {plus(a * b, c * d)} dollars.",
        ),
        result=a * b + c * d,
    )


SHAPES: tuple[Callable[[Dice], WordProblem], ...] = (
    buys_and_gives,
    loses_and_finds,
    more_than,
    times_as_many,
    takes_from_holders,
    reads_every_day,
    has_left,
    buys_two_kinds,
)
"""Every kind of problem. The order is part of the data: a new one makes new rows."""
