import pytest

from kavaspec.decision import ANYTHING, Allowed, Decision, Undecidable
from kavaspec.rules.param_dtype import frozen_from, param_dtype

GIB = 2**30


def on_a_large_card(learning_rate: float, allowed: Allowed = ANYTHING) -> Decision:
    return decided(80 * GIB, learning_rate, allowed)


def decided(
    memory: int,
    learning_rate: float = 2e-4,
    allowed: Allowed = ANYTHING,
    *,
    precision: str = "bfloat16",
    quantization: str = "none",
    rank: int = 0,
    state_dtype: str = "int8",
) -> Decision:
    """The original's pair: Qwen2.5 of 1.5B teaches one of 0.5B."""
    return param_dtype(
        learning_rate,
        state_dtype,
        device="cuda",
        precision=precision,
        quantization=quantization,
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
    ("learning_rate", "because"),
    [
        (2e-4, "in bfloat16, steps of 0.0002 vanish on weights from 1 / 16 up"),
        (5e-5, "in bfloat16, steps of 5e-05 vanish on weights from 1 / 64 up"),
        (0.5, "in bfloat16, steps of 0.5 vanish on weights from 256 up"),
    ],
    ids=["default", "original", "enormous"],
)
def test_where_memory_is_not_short(learning_rate, because):
    decision = on_a_large_card(learning_rate)
    assert (decision.value, decision.because) == ("float32", because)


def test_the_others_have_their_reasons():
    assert {no.value: no.because for no in on_a_large_card(2e-4).rejected} == {
        "bfloat16": "steps of 0.0002 are made in the mean only: rounded stochastically on weights from "
        "1 / 16 up",
        "float16": "gradients of float16 weights cannot be unscaled",
    }


@pytest.mark.parametrize(
    ("weight", "moves"), [(0.005, True), (0.01, True), (0.02, False), (0.1, False)]
)
def test_the_claim_agrees_with_what_bfloat16_was_seen_to_do(weight, moves):
    """bfloat16(0.02) - 5e-5 is bfloat16(0.02) again; 0.01 moves (measured with torch)."""
    assert (weight < frozen_from(5e-5)) is moves


def test_the_originals_pair_has_room_on_8_gib_with_weights_of_16_bits():
    decision = decided(8 * GIB)
    assert decision.value == "bfloat16"
    assert decision.because == (
        "float32 takes 8.4 GiB of 8 GiB before any row; this takes 5.7 GiB, rounded stochastically"
    )
    assert [(term.name, term.formula, term.value) for term in decision.terms] == [
        (
            "bytes that stay with float32 weights and int8 moments",
            "5943831744 + 3087428608",
            9031260352,
        ),
        (
            "bytes that stay with bfloat16 weights and int8 moments",
            "2979635136 + 3087428608",
            6067063744,
        ),
        ("bytes for what stays", "8589934592 * 3 // 4", 6442450944),
    ]
    assert {no.value: no.because for no in decision.rejected} == {
        "float32": "takes 8.4 GiB of 8 GiB before any row",
        "float16": "gradients of float16 weights cannot be unscaled",
    }


@pytest.mark.parametrize(
    ("memory", "quantization", "rank", "precision", "value"),
    [
        (12 * GIB, "none", 0, "bfloat16", "float32"),
        (8 * GIB, "nf4", 0, "bfloat16", "bfloat16"),
        (9 * GIB, "nf4", 0, "bfloat16", "float32"),
        (8 * GIB, "none", 16, "bfloat16", "float32"),
        (8 * GIB, "none", 0, "float32", "float32"),
        (8 * GIB, "none", 0, "float16", "float32"),
    ],
)
def test_what_the_teacher_and_adapters_leave_decides(memory, quantization, rank, precision, value):
    """Weights of 16 bits only where 16 bits are computed in, or they would be cast at every use."""
    found = decided(memory, quantization=quantization, rank=rank, precision=precision)
    assert found.value == value


def test_moments_that_the_spec_asks_for_are_counted():
    """float32 ones leave no room for float32 weights on 10 GiB, 8-bit ones do not stand in the way."""
    assert decided(12 * GIB, state_dtype="int8").value == "float32"
    assert decided(12 * GIB, state_dtype="float32").value == "bfloat16"


def test_with_adapters_nothing_is_said_of_moments():
    decision = decided(5 * GIB, rank=16)
    assert decision.value == "bfloat16"
    assert decision.because == (
        "float32 takes 5.6 GiB of 5 GiB before any row; this takes 3.8 GiB, rounded stochastically"
    )
    assert [term.name for term in decision.terms] == [
        "bytes that stay with float32 weights",
        "bytes that stay with bfloat16 weights",
        "bytes for what stays",
    ]


def test_float32_can_be_insisted_on():
    decision = decided(8 * GIB, allowed=Allowed(one_of=("float32",)))
    assert (decision.value, decision.because) == ("float32", "the spec leaves only this")


def test_bfloat16_can_be_asked_for():
    decision = on_a_large_card(1e-3, Allowed(one_of=("bfloat16",)))
    assert decision.value == "bfloat16"
    assert decision.because == "the spec leaves only this; updates are rounded stochastically"


def test_float16_cannot():
    with pytest.raises(Undecidable) as stop:
        on_a_large_card(2e-4, Allowed(one_of=("float16",)))
    assert stop.value.because == (
        'no value is left (float32, bfloat16: the spec allows only ["float16"]; '
        "float16: gradients of float16 weights cannot be unscaled)"
    )
