"""gradient_checkpointing@1, which still decides where nobody could try a step."""

import pytest

from kavaspec.decision import ANYTHING, Allowed
from kavaspec.rules.old.gradient_checkpointing_1 import gradient_checkpointing


@pytest.mark.parametrize(
    ("allowed", "value", "because"),
    [
        (ANYTHING, False, "activations are kept until measured memory says otherwise"),
        (Allowed(one_of=(True,)), True, "the spec leaves only this"),
    ],
    ids=["off", "asked-for"],
)
def test_gradient_checkpointing(allowed, value, because):
    decision = gradient_checkpointing(allowed)
    assert (decision.value, decision.because) == (value, because)


def test_on_is_turned_down():
    [no] = gradient_checkpointing().rejected
    assert (no.value, no.because) == (
        True,
        "computes every activation twice, and nothing shows that memory is short",
    )
