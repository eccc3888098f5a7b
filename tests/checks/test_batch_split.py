import pytest

from kavaspec.checks.batch_split import batch_split
from kavaspec.errors import Exit


def test_an_exact_split_passes():
    assert batch_split(32, 8, 4, 1) is None
    assert batch_split(64, 4, 4, 4) is None


@pytest.mark.parametrize(
    ("split", "message", "hint"),
    [
        (
            (32, 8, 2, 1),
            "micro_batch 8 x accumulation 2 x world 1 = 16, but train.global_batch is 32",
            "train.accumulation = 4",
        ),
        (
            (30, 4, 8, 1),
            "micro_batch 4 x accumulation 8 x world 1 = 32, but train.global_batch is 30",
            "train.global_batch = 28 or 32, or train.micro_batch = 3 or 5",
        ),
        (
            (32, 4, 2, 3),
            "micro_batch 4 x accumulation 2 x world 3 = 24, but train.global_batch is 32",
            "train.global_batch = 24 or 36, or train.world = 2 or 4",
        ),
    ],
    ids=["accumulation-is-wrong", "micro-does-not-divide", "world-does-not-divide"],
)
def test_any_other_is_refused_with_the_nearest_that_work(split, message, hint):
    problem = batch_split(*split)
    assert (problem.message, problem.hint) == (message, hint)
    assert (problem.exit, problem.key) == (Exit.UNSATISFIABLE, "train.global_batch")
