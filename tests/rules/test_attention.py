import pytest

from kavaspec.decision import ANYTHING, Allowed
from kavaspec.rules.attention import attention

FUSED = "one fused kernel, without a 320 x 320 matrix for every head"


@pytest.mark.parametrize(
    ("device", "allowed", "value", "because"),
    [
        ("cuda", ANYTHING, "sdpa", FUSED),
        ("cpu", ANYTHING, "sdpa", FUSED),
        (
            "mps",
            ANYTHING,
            "sdpa",
            "it is fused on Metal for the teacher, and for the student the same as eager",
        ),
        ("cuda", Allowed(one_of=("eager",)), "eager", "the spec leaves only this"),
    ],
    ids=["cuda", "cpu", "mps", "asked-for"],
)
def test_attention(device, allowed, value, because):
    decision = attention(device, 320, allowed)
    assert (decision.value, decision.because) == (value, because)


def test_eager_is_turned_down():
    [no] = attention("cuda", 320).rejected
    assert (no.value, no.because) == ("eager", "keeps a 320 x 320 matrix for every head")
