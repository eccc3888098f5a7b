import pytest

from kavaspec.decision import Allowed, Undecidable
from kavaspec.rules.param_dtype import frozen_from, param_dtype


@pytest.mark.parametrize(
    ("learning_rate", "because"),
    [
        (2e-4, "in bfloat16, steps of 0.0002 vanish on weights from 1 / 16 up"),
        (5e-5, "in bfloat16, steps of 5e-05 vanish on weights from 1 / 64 up"),
        (0.5, "in bfloat16, steps of 0.5 vanish on weights from 256 up"),
    ],
    ids=["default", "original", "enormous"],
)
def test_param_dtype(learning_rate, because):
    decision = param_dtype(learning_rate)
    assert (decision.value, decision.because) == ("float32", because)


def test_the_others_have_their_reasons():
    assert {no.value: no.because for no in param_dtype(2e-4).rejected} == {
        "bfloat16": "steps of 0.0002 vanish on weights from 1 / 16 up",
        "float16": "gradients of float16 weights cannot be unscaled",
    }


@pytest.mark.parametrize(
    ("weight", "moves"), [(0.005, True), (0.01, True), (0.02, False), (0.1, False)]
)
def test_the_claim_agrees_with_what_bfloat16_was_seen_to_do(weight, moves):
    """bfloat16(0.02) - 5e-5 is bfloat16(0.02) again; 0.01 moves (measured with torch)."""
    assert (weight < frozen_from(5e-5)) is moves


def test_bfloat16_can_be_asked_for():
    decision = param_dtype(1e-3, Allowed(one_of=("bfloat16",)))
    assert decision.value == "bfloat16"
    assert decision.because == "the spec leaves only this; weights from 1 / 2 up will not move"


def test_float16_cannot():
    with pytest.raises(Undecidable) as stop:
        param_dtype(2e-4, Allowed(one_of=("float16",)))
    assert stop.value.because == (
        'no value is left (float32, bfloat16: the spec allows only ["float16"]; '
        "float16: gradients of float16 weights cannot be unscaled)"
    )
