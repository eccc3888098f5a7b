import pytest

from kavaspec.decision import ANYTHING, Allowed, Undecidable
from kavaspec.rules.gradient_checkpointing import gradient_checkpointing

NO_CACHE = "transformers returns no cache under checkpointing, and kv compares the cache"
ONLY_ON = Allowed(one_of=(True,))


@pytest.mark.parametrize(
    ("kind", "allowed", "value", "because"),
    [
        ("kv", ANYTHING, False, NO_CACHE),
        ("ce", ANYTHING, False, "activations are kept until measured memory says otherwise"),
        ("ce", ONLY_ON, True, "the spec leaves only this"),
    ],
    ids=["kv", "ce", "asked-for"],
)
def test_gradient_checkpointing(kind, allowed, value, because):
    decision = gradient_checkpointing(kind, allowed)
    assert (decision.value, decision.because) == (value, because)


@pytest.mark.parametrize(
    ("kind", "because"),
    [
        ("kv", NO_CACHE),
        ("ce", "computes every activation twice, and nothing shows that memory is short"),
    ],
    ids=["kv", "ce"],
)
def test_on_is_turned_down(kind, because):
    [no] = gradient_checkpointing(kind).rejected
    assert (no.value, no.because) == (True, because)


def test_kv_cannot_have_it():
    with pytest.raises(Undecidable) as stop:
        gradient_checkpointing("kv", ONLY_ON)
    assert stop.value.because == (
        f"no value is left (false: the spec allows only [true]; true: {NO_CACHE})"
    )
    assert stop.value.hint == "train.gradient_checkpointing = false"
