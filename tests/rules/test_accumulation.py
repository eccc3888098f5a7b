import pytest

from kavaspec.decision import Undecidable
from kavaspec.rules.accumulation import accumulation


@pytest.mark.parametrize(
    ("global_batch", "micro_batch", "world", "value", "because"),
    [
        (32, 8, 1, 4, "32 = 8 (micro_batch) x 4 x 1 (world)"),
        (32, 32, 1, 1, "32 = 32 (micro_batch) x 1 x 1 (world)"),
        (64, 4, 4, 4, "64 = 4 (micro_batch) x 4 x 4 (world)"),
    ],
    ids=["one-process", "all-at-once", "four-processes"],
)
def test_accumulation(global_batch, micro_batch, world, value, because):
    decision = accumulation(global_batch, micro_batch, world)
    assert (decision.value, decision.because) == (value, because)


@pytest.mark.parametrize(
    ("global_batch", "micro_batch", "world", "because", "hint"),
    [
        (
            30,
            4,
            1,
            "global_batch = 30 is not a multiple of 4 (micro_batch) x 1 (world) = 4",
            "train.global_batch = 28 or 32, or train.micro_batch = 3 or 5",
        ),
        (
            32,
            4,
            3,
            "global_batch = 32 is not a multiple of 4 (micro_batch) x 3 (world) = 12",
            "train.global_batch = 24 or 36, or train.world = 2 or 4",
        ),
        (
            24,
            6,
            8,
            "global_batch = 24 is not a multiple of 6 (micro_batch) x 8 (world) = 48",
            "train.global_batch = 48, or train.micro_batch = 3, or train.world = 4",
        ),
        (
            2,
            4,
            1,
            "global_batch = 2 is not a multiple of 4 (micro_batch) x 1 (world) = 4",
            "train.global_batch = 4, or train.micro_batch = 2",
        ),
    ],
    ids=["micro-does-not-divide", "world-does-not-divide", "too-much-together", "too-big"],
)
def test_an_indivisible_batch_names_the_nearest_that_work(
    global_batch, micro_batch, world, because, hint
):
    with pytest.raises(Undecidable) as stop:
        accumulation(global_batch, micro_batch, world)
    assert (stop.value.because, stop.value.hint) == (because, hint)
