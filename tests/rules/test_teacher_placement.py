import pytest

from kavaspec.decision import ANYTHING, Allowed
from kavaspec.rules.teacher_placement import teacher_placement


@pytest.mark.parametrize(
    ("device", "allowed", "value", "because"),
    [
        ("cuda", ANYTHING, "same_device", "its cache is compared on cuda at every step"),
        ("cuda", Allowed(one_of=("cpu",)), "cpu", "the spec leaves only this"),
    ],
    ids=["beside-the-student", "asked-for"],
)
def test_teacher_placement(device, allowed, value, because):
    decision = teacher_placement(device, allowed)
    assert (decision.value, decision.because) == (value, because)


@pytest.mark.parametrize(
    ("device", "because"), [("cuda", "is slower than cuda"), ("cpu", "is the same place")]
)
def test_the_cpu_is_turned_down(device, because):
    no, disk = teacher_placement(device).rejected
    assert (no.value, no.because) == ("cpu", because)
    assert (disk.value, disk.because) == (
        "cached",
        "takes disk for every row, and saves time from the second epoch on",
    )
