import pytest

from kavaspec.decision import ANYTHING, Allowed
from kavaspec.rules.torch_compile import torch_compile


@pytest.mark.parametrize(
    ("allowed", "value", "because"),
    [
        (ANYTHING, False, "batches have many lengths up to 320, and each compiles anew"),
        (Allowed(one_of=(True,)), True, "the spec leaves only this"),
    ],
    ids=["off", "asked-for"],
)
def test_torch_compile(allowed, value, because):
    decision = torch_compile(320, allowed)
    assert (decision.value, decision.because) == (value, because)


def test_on_is_turned_down():
    [no] = torch_compile(320).rejected
    assert (no.value, no.because) == (
        True,
        "recompiles for every length, 8 times at most, and is not proved here",
    )
