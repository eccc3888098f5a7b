import pytest

from kavaspec.decision import ANYTHING, Allowed, Decision
from kavaspec.rules.optimizer_state_dtype import optimizer_state_dtype

GIB = 2**30


def decided(
    memory: int,
    param_dtype: str = "float32",
    beta2: float = 0.999,
    allowed: Allowed = ANYTHING,
    *,
    rank: int = 0,
) -> Decision:
    """The original's pair: Qwen2.5 of 1.5B teaches one of 0.5B."""
    return optimizer_state_dtype(
        beta2,
        param_dtype,
        device="cuda",
        precision="bfloat16",
        quantization="none",
        placement="same_device",
        rank=rank,
        student=494_032_768,
        teacher=1_543_714_304,
        gpu_memory=memory,
        unified=False,
        host_memory=None,
        allowed=allowed,
    )


@pytest.mark.parametrize(
    ("beta2", "because", "not_bfloat16"),
    [
        (
            0.999,
            "a step moves the second moment by 1/1000, and bfloat16 holds 1/256",
            "holds steps from 1/256 only",
        ),
        (
            0.95,
            "it holds the second moment's steps of 1/20 with room to spare",
            "is close to its limit, 1/256",
        ),
        (
            0.0,
            "it holds the second moment's steps of 1/1 with room to spare",
            "is close to its limit, 1/256",
        ),
    ],
    ids=["default", "short-memory", "no-memory"],
)
def test_where_memory_is_not_short(beta2, because, not_bfloat16):
    decision = decided(80 * GIB, beta2=beta2)
    assert (decision.value, decision.because) == ("float32", because)
    assert {no.value: no.because for no in decision.rejected} == {
        "int8": "is off by up to 0.7 % of the largest of 256, and float32 fits",
        "bfloat16": not_bfloat16,
        "float16": "squares of small gradients are 0 in float16",
    }


def test_8_bits_where_32_leave_no_room():
    decision = decided(8 * GIB, "bfloat16")
    assert decision.value == "int8"
    assert decision.because == (
        "float32 takes 8.4 GiB of 8 GiB with all that stays, before any row; this takes 5.7 GiB"
    )
    assert {no.value: no.because for no in decision.rejected} == {
        "float32": "takes 8.4 GiB of 8 GiB with all that stays, before any row",
        "bfloat16": "takes twice the room of int8, and holds steps from 1/256 only",
        "float16": "squares of small gradients are 0 in float16",
    }


@pytest.mark.parametrize(
    ("memory", "param_dtype", "rank", "value"),
    [
        (12 * GIB, "float32", 0, "int8"),
        (12 * GIB, "bfloat16", 0, "float32"),
        (16 * GIB, "float32", 0, "float32"),
        (8 * GIB, "float32", 16, "float32"),
    ],
)
def test_what_the_weights_and_adapters_leave_decides(memory, param_dtype, rank, value):
    assert decided(memory, param_dtype, rank=rank).value == value


def test_bfloat16_can_be_asked_for():
    decision = decided(80 * GIB, allowed=Allowed(one_of=("bfloat16",)))
    assert (decision.value, decision.because) == ("bfloat16", "the spec leaves only this")
