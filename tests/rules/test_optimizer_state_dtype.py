import pytest

from kavaspec.decision import ANYTHING, Allowed, Decision
from kavaspec.rules.optimizer_state_dtype import optimizer_state_dtype

GIB = 2**30


def decided(
    memory: int,
    beta2: float = 0.999,
    allowed: Allowed = ANYTHING,
    *,
    rank: int = 0,
) -> Decision:
    """The original's pair: Qwen2.5 of 1.5B teaches one of 0.5B."""
    return optimizer_state_dtype(
        beta2,
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
    ("beta2", "because"),
    [
        (0.999, "a step moves the second moment by 1/1000, and bfloat16 holds 1/256"),
        (0.95, "it holds the second moment's steps of 1/20 with room to spare"),
        (0.0, "it holds the second moment's steps of 1/1 with room to spare"),
    ],
    ids=["default", "short-memory", "no-memory"],
)
def test_where_memory_is_not_short(beta2, because):
    decision = decided(80 * GIB, beta2=beta2)
    assert (decision.value, decision.because) == ("float32", because)
    assert {no.value: no.because for no in decision.rejected} == {
        "bfloat16": "holds shares from 1/256, and rounds smaller ones stochastically",
        "int8": "is off by up to 1.4 % of the largest of 256, right in the mean only",
        "float16": "squares of small gradients are 0 in float16",
    }


def test_8_bits_where_32_leave_no_room():
    decision = decided(8 * GIB)
    assert decision.value == "int8"
    assert decision.because == (
        "float32 takes 11.2 GiB of 8 GiB beside float32 weights, before any row; this takes 8.4 GiB"
    )
    assert {no.value: no.because for no in decision.rejected} == {
        "float32": "takes 11.2 GiB of 8 GiB beside float32 weights, before any row",
        "bfloat16": "takes twice the room of int8",
        "float16": "squares of small gradients are 0 in float16",
    }


@pytest.mark.parametrize(
    ("memory", "rank", "value"),
    [(12 * GIB, 0, "int8"), (16 * GIB, 0, "float32"), (8 * GIB, 16, "float32")],
)
def test_what_the_models_and_adapters_leave_decides(memory, rank, value):
    assert decided(memory, rank=rank).value == value


@pytest.mark.parametrize(
    ("memory", "asked", "value", "because"),
    [
        (80, ("bfloat16",), "bfloat16", "the spec rules out float32, and this has more bits than int8"),
        (80, ("int8", "bfloat16"), "bfloat16", "the spec rules out float32, and this has more bits than int8"),
        (80, ("int8",), "int8", "the spec leaves only this"),
        (8, ("float32", "bfloat16"), "bfloat16", "float32 takes 11.2 GiB of 8 GiB beside float32 weights, before any row; the spec rules out int8"),
        (8, ("float32",), "float32", "the spec leaves only this"),
    ],
)  # fmt: skip
def test_what_the_spec_leaves_is_taken_with_its_true_reason(memory, asked, value, because):
    decision = decided(memory * GIB, allowed=Allowed(one_of=asked))
    assert (decision.value, decision.because) == (value, because)
