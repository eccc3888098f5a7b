"""micro_batch@1, which still decides where nobody could try a step."""

import pytest

from kavaspec.decision import ANYTHING, Allowed, Undecidable
from kavaspec.rules.old.micro_batch_1 import micro_batch

GIB = 1 << 30
TABLE = ((40 * GIB, 8), (24 * GIB, 4), (8 * GIB, 2), (0, 1))
QWEN_HALF_B = 494_032_768

A100 = {
    "global_batch": 32,
    "world": 1,
    "device": "cuda",
    "max_length": 512,
    "parameters": QWEN_HALF_B,
    "gpu_memory": 80 * GIB,
    "unified": False,
    "host_memory": 128 * GIB,
    "table": TABLE,
}
CPU = A100 | {"device": "cpu", "gpu_memory": None, "unified": None, "host_memory": 16 * GIB}


@pytest.mark.parametrize(
    ("machine", "value", "because"),
    [
        (A100, 8, "8 x 512 tokens fit in 80.0 GiB by the original's table; 8 divides 32"),
        (
            A100 | {"gpu_memory": 24 * GIB},
            4,
            "4 x 512 tokens fit in 24.0 GiB by the original's table; 4 divides 32",
        ),
        (
            A100 | {"gpu_memory": 8 * GIB},
            2,
            "2 x 512 tokens fit in 8.0 GiB by the original's table; 2 divides 32",
        ),
        (
            A100 | {"gpu_memory": 6 * GIB},
            1,
            "1 x 512 tokens fit in 6.0 GiB by the original's table; 1 divides 32",
        ),
        (
            A100 | {"max_length": 320},
            8,
            "12 x 320 tokens fit in 80.0 GiB by the original's table; 8 divides 32",
        ),
        (
            A100 | {"global_batch": 30},
            6,
            "8 x 512 tokens fit in 80.0 GiB by the original's table; 6 divides 30",
        ),
        (
            A100 | {"global_batch": 32, "world": 2},
            8,
            "8 x 512 tokens fit in 80.0 GiB by the original's table; 8 divides 16",
        ),
        (
            A100 | {"parameters": 8_000_000_000, "max_length": 4096},
            1,
            "1 x 4096 tokens fit in 80.0 GiB by the original's table; 1 divides 32",
        ),
        (CPU, 2, "2 x 512 tokens fit in 16.0 GiB by the original's table; 2 divides 32"),
        (
            CPU | {"max_length": 96, "parameters": 1_000_000},
            32,
            "5269 x 96 tokens fit in 16.0 GiB by the original's table; all 32 fit",
        ),
        (
            A100 | {"device": "cuda", "unified": True, "host_memory": 30 * GIB},
            4,
            "4 x 512 tokens fit in 30.0 GiB by the original's table; 4 divides 32",
        ),
        (
            A100 | {"device": "mps", "gpu_memory": None, "host_memory": 64 * GIB},
            8,
            "8 x 512 tokens fit in 64.0 GiB by the original's table; 8 divides 32",
        ),
    ],
    ids=[
        "original-40",
        "original-24",
        "original-8",
        "original-less",
        "shorter-rows",
        "only-divisors",
        "two-processes",
        "never-less-than-one",
        "cpu",
        "tiny-student",
        "unified-memory",
        "mps",
    ],
)
def test_micro_batch(machine, value, because):
    decision = micro_batch(**machine)
    assert (decision.value, decision.because) == (value, because)


def test_the_arithmetic_is_shown():
    shown = [(t.formula, t.value) for t in micro_batch(**(A100 | {"max_length": 320})).terms]
    assert shown == [
        ("max(1, 8 * 512 * 494032768 // (320 * 494032768))", 12),
        ("32 // 1", 32),
        ("32 // 4", 8),
    ]


def test_larger_divisors_are_turned_down():
    assert [(no.value, no.because) for no in micro_batch(**A100).rejected] == [
        (16, "only 8 fit"),
        (32, "only 8 fit"),
    ]


def test_a_limit_of_the_spec_is_honoured_and_said():
    decision = micro_batch(**A100, allowed=Allowed(max=4))
    assert decision.value == 4
    assert [(no.value, no.because) for no in decision.rejected] == [
        (8, "the spec allows at most 4"),
        (16, "only 8 fit"),
        (32, "only 8 fit"),
    ]


@pytest.mark.parametrize(
    ("change", "allowed", "because", "hint"),
    [
        (
            {},
            Allowed(min=16),
            "of the divisors of 32 rows, 1, 2, 4, 8 fit in memory and the spec allows 16, 32",
            "allow train.micro_batch = 8, or write the number that you know to fit",
        ),
        (
            {},
            Allowed(one_of=(3, 5)),
            "of the divisors of 32 rows, 1, 2, 4, 8 fit in memory and the spec allows none of them",
            "allow train.micro_batch = 8, or write the number that you know to fit",
        ),
        (
            {"world": 3},
            ANYTHING,
            "a global batch of 32 cannot be shared by 3 processes",
            "train.world = 2 or 4",
        ),
        (
            {"gpu_memory": None},
            ANYTHING,
            "fact.gpu.memory_bytes is not known, so nothing says what fits",
            "write train.micro_batch as a number",
        ),
    ],
    ids=["too-much-asked", "no-divisor-asked", "world-does-not-divide", "memory-unknown"],
)
def test_what_cannot_be_met_names_the_nearest(change, allowed, because, hint):
    with pytest.raises(Undecidable) as stop:
        micro_batch(**(A100 | change), allowed=allowed)
    assert (stop.value.because, stop.value.hint) == (because, hint)
    assert stop.value.missing is ("memory_bytes" in because)


@pytest.mark.parametrize(
    ("table", "value"),
    [((), 1), (((8 * GIB, 2), (40 * GIB, 8)), 8), (((200 * GIB, 64),), 1)],
    ids=["empty", "smallest-first", "nothing-small-enough"],
)
def test_any_table_can_be_read(table, value):
    decision = micro_batch(**(A100 | {"table": table}))
    assert decision.value == value


def test_long_lists_of_divisors_are_shortened():
    with pytest.raises(Undecidable) as stop:
        micro_batch(**(A100 | {"global_batch": 720, "max_length": 8}), allowed=Allowed(one_of=(7,)))
    assert stop.value.because == (
        "of the divisors of 720 rows, 1, 2, 3, ..., 180, 240, 360 fit in memory "
        "and the spec allows none of them"
    )


def test_at_most_three_larger_divisors_are_named():
    rejected = micro_batch(**(A100 | {"global_batch": 720})).rejected
    assert [no.value for no in rejected] == [9, 10, 12]


def test_a_larger_divisor_that_the_spec_skips_is_named_with_the_spec():
    rejected = micro_batch(**A100, allowed=Allowed(one_of=(2,))).rejected
    assert [(no.value, no.because) for no in rejected] == [
        (4, "the spec allows only [2]"),
        (8, "the spec allows only [2]"),
        (16, "only 8 fit"),
    ]
