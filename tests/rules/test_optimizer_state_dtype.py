import pytest

from kavaspec.decision import Allowed
from kavaspec.rules.optimizer_state_dtype import optimizer_state_dtype


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
def test_optimizer_state_dtype(beta2, because, not_bfloat16):
    decision = optimizer_state_dtype(beta2)
    assert (decision.value, decision.because) == ("float32", because)
    assert {no.value: no.because for no in decision.rejected} == {
        "bfloat16": not_bfloat16,
        "float16": "squares of small gradients are 0 in float16",
    }


def test_bfloat16_can_be_asked_for():
    decision = optimizer_state_dtype(0.999, Allowed(one_of=("bfloat16",)))
    assert (decision.value, decision.because) == ("bfloat16", "the spec leaves only this")
