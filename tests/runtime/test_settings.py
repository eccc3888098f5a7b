"""The runtime reads what is locked, and nothing that is not."""

from __future__ import annotations

import pytest

from kavaspec.errors import KavaError
from kavaspec.lock.model import Block, Lock, Target
from kavaspec_runtime.settings import Settings


def settings(**values) -> Settings:
    return Settings(
        values={key.replace("__", "."): value for key, value in values.items()},
        provisional=frozenset(),
    )


def test_a_key_that_is_not_locked_is_an_error_not_a_default():
    with pytest.raises(KavaError) as caught:
        settings().whole("train.steps")
    [problem] = caught.value.problems
    assert (problem.exit, problem.key) == (5, "train.steps")
    assert problem.message == "train.steps is not decided by this lock"
    assert problem.hint == "run `kavaspec lock` with this version of kavaspec"


@pytest.mark.parametrize(
    ("read", "value", "expected"),
    [
        ("text", 3, "train.x is 3, expected a text"),
        ("flag", 1, "train.x is 1, expected true or false"),
        ("whole", True, "train.x is true, expected a whole number"),
        ("whole", 1.0, "train.x is 1.0, expected a whole number"),
        ("number", "1", "train.x is 1, expected a number"),
        ("texts", ("a", 1), "train.x is [a, 1], expected a list of texts"),
        ("wholes", (1, 2.0), "train.x is [1, 2.0], expected a list of whole numbers"),
        ("wholes", 1, "train.x is 1, expected a list"),
        ("widths", "7168", "train.x is 7168, expected a list"),
    ],
)
def test_a_value_of_another_type_is_a_broken_lock(read, value, expected):
    with pytest.raises(KavaError) as caught:
        getattr(settings(train__x=value), read)("train.x")
    assert caught.value.exit_code == 6
    assert str(caught.value) == expected


def test_values_come_out_with_their_types():
    found = settings(a="x", b=True, c=3, d=2.5, e=None, f=("q", "k"), g=(1, 2), h=7)
    assert (found.text("a"), found.flag("b"), found.whole("c")) == ("x", True, 3)
    assert (found.number("c"), found.number("d")) == (3.0, 2.5)
    assert (found.limit("e"), found.limit("d")) == (None, 2.5)
    assert (found.texts("f"), found.wholes("g")) == (("q", "k"), (1, 2))
    assert (found.widths("g"), found.widths("h")) == ((1, 2), (7,))


def test_a_target_adds_its_decisions_and_says_what_is_provisional():
    lock = Lock(
        version=1,
        set={},
        facts={},
        experiment={"train.steps": Block(value=5, by="spec")},
        targets={
            "a": Target(
                facts={},
                decisions={
                    "train.micro_batch": Block(value=2, by="micro_batch@1", provisional=True)
                },
            )
        },
    )
    found = Settings.of(lock, "a")
    assert (found.whole("train.steps"), found.whole("train.micro_batch")) == (5, 2)
    assert found.provisional == {"train.micro_batch"}
