"""micro_batch@2: by what a step really takes."""

import pytest

from kavaspec.decision import Allowed, Undecidable
from kavaspec.rules.micro_batch import micro_batch

GIB = 1 << 30
PLAIN = [[1, 7 * GIB], [4, 10 * GIB], [32, 38 * GIB]]
AGAIN = [[1, 6 * GIB], [4, 6 * GIB + GIB // 2], [32, 12 * GIB]]
A100 = {
    "global_batch": 32,
    "world": 1,
    "device": "cuda",
    "max_length": 512,
    "checkpointing": False,
    "parameters": 494_032_768,
    "gpu_memory": 80 * GIB,
    "unified": False,
    "host_memory": 128 * GIB,
    "overhead": None,
    "plain": PLAIN,
    "again": AGAIN,
    "table": ((40 * GIB, 8), (24 * GIB, 4), (8 * GIB, 2), (0, 1)),
}
CPU = A100 | {"device": "cpu", "gpu_memory": None, "unified": None, "host_memory": 64 * GIB}


@pytest.mark.parametrize(
    ("machine", "value", "because"),
    [
        (A100, 32, "32 x 512 tokens take 40.65 GiB of 76.00 GiB; they are all there are"),
        (
            A100 | {"gpu_memory": 24 * GIB},
            8,
            "8 x 512 tokens take 15.45 GiB of 22.80 GiB; 16 would take 23.85 GiB",
        ),
        (
            A100 | {"gpu_memory": 8 * GIB, "checkpointing": True},
            4,
            "4 x 512 tokens take 7.57 GiB of 7.60 GiB; 8 would take 8.40 GiB",
        ),
        (
            A100 | {"global_batch": 30, "gpu_memory": 24 * GIB},
            15,
            "15 x 512 tokens take 22.80 GiB of 22.80 GiB; 30 would take 38.55 GiB",
        ),
        (
            A100 | {"world": 4, "gpu_memory": 24 * GIB},
            8,
            "8 x 512 tokens take 15.45 GiB of 22.80 GiB; they are all there are",
        ),
        (
            A100 | {"allowed": Allowed(max=4)},
            4,
            "4 x 512 tokens take 11.25 GiB of 76.00 GiB; the spec allows at most 4",
        ),
        (CPU, 4, "4 x 512 tokens take 13.25 GiB of 57.60 GiB; 8 would be no faster on cpu"),
        (
            CPU | {"allowed": Allowed(min=8)},
            8,
            "8 x 512 tokens take 18.25 GiB of 57.60 GiB; 16 would be no faster on cpu",
        ),
        (
            A100 | {"gpu_memory": 24 * GIB, "overhead": {"device_bytes": 0, "allocator_percent": 0}},
            16,
            "16 x 512 tokens take 22.00 GiB of 22.80 GiB; 32 would take 38.00 GiB",
        ),
        (
            A100 | {"plain": None},
            8,
            "8 x 512 tokens fit in 80.0 GiB by the original's table; 8 divides 32",
        ),
    ],
)  # fmt: skip
def test_value_and_reason(machine, value, because):
    decision = micro_batch(**machine)
    assert (decision.value, decision.because) == (value, because)


def test_larger_divisors_are_turned_down_one_by_one():
    decision = micro_batch(**A100 | {"gpu_memory": 24 * GIB, "allowed": Allowed(max=16)})
    assert [(it.value, it.because) for it in decision.rejected] == [
        (16, "would take 23.85 GiB"),
        (32, "would take 40.65 GiB"),
    ]


def test_a_model_that_fits_nowhere_is_refused_with_what_would_help():
    with pytest.raises(Undecidable) as stop:
        micro_batch(**A100 | {"gpu_memory": 8 * GIB})
    assert stop.value.because == (
        "one row of 512 tokens takes 8.10 GiB, and of 8.00 GiB (fact.gpu.memory_bytes) 7.60 GiB "
        "may be taken"
    )
    assert stop.value.hint == (
        "a smaller data.max_length, model.teacher.quantization, train.lora.rank, or a larger device"
    )


def test_limits_that_nothing_meets_are_told_with_what_fits():
    with pytest.raises(Undecidable) as stop:
        micro_batch(**A100 | {"gpu_memory": 24 * GIB, "allowed": Allowed(min=16)})
    assert stop.value.because == (
        "of the divisors of 32 rows, 1, 2, 4, 8 fit in memory and the spec allows 16, 32"
    )


def test_processes_that_cannot_share_the_batch_are_refused():
    with pytest.raises(Undecidable, match="32 cannot be shared by 5 processes"):
        micro_batch(**A100 | {"world": 5})


def test_memory_that_nobody_knows_is_missing():
    with pytest.raises(Undecidable) as stop:
        micro_batch(**A100 | {"gpu_memory": None})
    assert stop.value.missing
