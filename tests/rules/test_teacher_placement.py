import pytest

from kavaspec.decision import ANYTHING, Allowed, Decision
from kavaspec.rules.teacher_placement import teacher_placement

GSM8K_ROWS, SMOLLM2 = 7473, 134_515_008


def decided(
    device: str = "cpu",
    *,
    mask: str | None = "attention",
    steps: int = 466,
    rows: int | None = GSM8K_ROWS,
    parameters: int | None = SMOLLM2,
    allowed: Allowed = ANYTHING,
) -> Decision:
    """GSM8K in global batches of 32: 233 steps are a pass, and 17 rows of each are left out."""
    return teacher_placement(device, mask, steps, 32, rows, parameters, allowed)


def why_not_cached(decision: Decision) -> str:
    return next(no.because for no in decision.rejected if no.value == "cached")


def test_two_passes_on_a_cpu_are_read_from_disk():
    decision = decided()
    assert (decision.value, decision.because) == (
        "cached",
        "each row is read 2 times, and the teacher sees the same each time",
    )
    [term] = decision.terms
    assert (term.formula, term.value) == ("466 / max(1, 7473 // 32)", 2.0)
    assert {no.value: no.because for no in decision.rejected} == {
        "same_device": "would read every row again in each pass",
        "cpu": "is the same place",
    }


@pytest.mark.parametrize(
    ("changed", "because"),
    [
        ({"steps": 465}, "pays from 2 passes over the data on, and this is 1.996"),
        ({"steps": 100}, "pays from 2 passes over the data on, and this is 0.4292"),
        ({"device": "cuda"}, "is not known to be faster than cuda"),
        ({"mask": "none"}, "keeps tokens, and padding is compared too"),
        ({"mask": None}, "compares keys and values, and this objective has none"),
        ({"rows": None}, "takes disk for every row, and nothing shows that it pays"),
        ({"parameters": None}, "takes disk for every row, and nothing shows that it pays"),
        ({"parameters": 1_240_192}, "does not pay for a teacher of 1240192 parameters"),
    ],
)
def test_else_the_teacher_stands_beside_the_student(changed: dict, because: str):
    decision = decided(**changed)
    device = changed.get("device", "cpu")
    assert (decision.value, decision.because) == (
        "same_device",
        f"its cache is compared on {device} at every step",
    )
    assert why_not_cached(decision) == because


@pytest.mark.parametrize("value", ["cpu", "cached"])
def test_another_place_can_be_asked_for(value: str):
    decision = decided("cuda", allowed=Allowed(one_of=(value,)))
    assert (decision.value, decision.because) == (value, "the spec leaves only this")


@pytest.mark.parametrize(
    ("device", "because"), [("cuda", "is slower than cuda"), ("cpu", "is the same place")]
)
def test_the_cpu_is_turned_down(device: str, because: str):
    assert {no.value: no.because for no in decided(device).rejected}["cpu"] == because
