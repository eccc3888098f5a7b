import pytest

from kavaspec.decision import ANYTHING, Allowed, Undecidable
from kavaspec.rules.reproducibility import reproducibility

ROCM = "fused attention on ROCm ignores the deterministic flag (pytorch#197771)"
MPS = "deterministic mode on MPS stops in the embedding's backward"


@pytest.mark.parametrize(
    ("device", "allowed", "value", "because"),
    [
        ("cpu", ANYTHING, "bitwise", "a fixed number of threads adds up in a fixed order"),
        (
            "cuda",
            ANYTHING,
            "bitwise",
            "deterministic kernels and a fixed cuBLAS workspace give the same bits",
        ),
        ("rocm", ANYTHING, "data_exact", ROCM),
        ("mps", ANYTHING, "data_exact", MPS),
        ("cpu", Allowed(one_of=("statistical",)), "statistical", "the spec leaves only this"),
    ],
    ids=["cpu", "cuda", "rocm", "mps", "asked-for-less"],
)
def test_reproducibility(device, allowed, value, because):
    decision = reproducibility(device, allowed)
    assert (decision.value, decision.because) == (value, because)


def test_a_stronger_promise_is_turned_down_with_its_reason():
    assert {no.value: no.because for no in reproducibility("mps").rejected} == {
        "bitwise": MPS,
        "statistical": "promises less than this device can give",
    }


def test_a_promise_that_cannot_be_kept_is_not_made():
    with pytest.raises(Undecidable) as stop:
        reproducibility("rocm", Allowed(one_of=("bitwise",)))
    assert stop.value.because == (
        f"no value is left (bitwise: {ROCM}; "
        'data_exact, statistical: the spec allows only ["bitwise"])'
    )


def test_a_weaker_promise_is_turned_down():
    assert {no.value: no.because for no in reproducibility("cpu").rejected} == {
        "data_exact": "promises less than this device can give",
        "statistical": "promises less than this device can give",
    }
