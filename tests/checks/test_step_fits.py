import pytest

from kavaspec.checks.step_fits import step_fits

GIB = 1 << 30
PLAIN = [[1, 7 * GIB], [4, 10 * GIB], [32, 38 * GIB]]
AGAIN = [[1, 6 * GIB], [4, 6 * GIB + GIB // 2], [32, 12 * GIB]]
CARD = {
    "checkpointing": False,
    "device": "cuda",
    "max_length": 512,
    "parameters": 494_032_768,
    "gpu_memory": 24 * GIB,
    "unified": False,
    "host_memory": 500 * GIB,
    "overhead": None,
    "plain": PLAIN,
    "again": AGAIN,
    "table": ((40 * GIB, 8), (24 * GIB, 4), (8 * GIB, 2), (0, 1)),
}


def test_what_fits_passes():
    assert step_fits(8, **CARD) is None


def test_tensors_that_are_more_than_there_is_are_refused_with_what_fits():
    problem = step_fits(32, **CARD)
    assert problem.severity == "error"
    assert problem.message == (
        "the tensors of a step with 32 x 512 tokens take 38.00 GiB, more than 24.00 GiB "
        "(fact.gpu.memory_bytes)"
    )
    assert problem.hint == "train.micro_batch = 8"


def test_what_only_assumptions_exclude_is_worth_a_word():
    problem = step_fits(16, **CARD)
    assert (problem.severity, problem.code) == ("warning", "KV0731")
    assert problem.message == (
        "a step with 16 x 512 tokens is estimated to take 23.85 GiB, and of 24.00 GiB "
        "(fact.gpu.memory_bytes) 22.80 GiB may be taken"
    )
    assert problem.hint == "train.micro_batch = 8; or try it: kavaspec run --smoke 3"


@pytest.mark.parametrize(
    ("rows", "memory", "hint"),
    [
        (4, 8 * GIB, "train.gradient_checkpointing = true"),
        (32, 7 * GIB + GIB // 2, "train.gradient_checkpointing = true and train.micro_batch = 1"),
        (
            4,
            6 * GIB,
            "a smaller data.max_length, model.teacher.quantization, train.lora.rank, or a larger device",
        ),
    ],
)
def test_the_smallest_change_that_fits_is_offered(rows, memory, hint):
    assert step_fits(rows, **CARD | {"gpu_memory": memory}).hint == hint


def test_with_activations_computed_again_more_rows_fit():
    assert step_fits(32, **CARD | {"checkpointing": True}) is None


def test_where_nobody_tried_the_original_s_table_is_held_against_it():
    problem = step_fits(5, **CARD | {"plain": None})
    assert problem.message == (
        "train.micro_batch is 5, but by the original's table 4 x 512 tokens fit in 24.0 GiB "
        "(fact.gpu.memory_bytes)"
    )
    assert step_fits(5, **CARD | {"plain": None, "table": None}) is None


def test_unknown_memory_refuses_nothing():
    assert step_fits(32, **CARD | {"gpu_memory": None}) is None
