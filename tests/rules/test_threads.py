import pytest

from kavaspec.decision import ANYTHING, Allowed, Undecidable
from kavaspec.rules.threads import threads


@pytest.mark.parametrize(
    ("device", "cores", "world", "allowed", "value", "because"),
    [
        ("cpu", 8, 1, ANYTHING, 8, "8 of 8 usable cores for each process"),
        ("cpu", 8, 3, ANYTHING, 2, "2 of 8 usable cores for each process"),
        ("cuda", 64, 1, ANYTHING, 4, "4 of 64 usable cores are enough to feed cuda"),
        ("mps", 2, 1, ANYTHING, 2, "2 of 2 usable cores are enough to feed mps"),
        ("cpu", 8, 1, Allowed(max=6, multiple_of=4), 4, "4 of 8 usable cores for each process"),
    ],
    ids=["cpu", "shared", "gpu", "gpu-with-few-cores", "limited"],
)
def test_threads(device, cores, world, allowed, value, because):
    decision = threads(device, cores, world, allowed)
    assert (decision.value, decision.because) == (value, because)


@pytest.mark.parametrize(
    ("device", "allowed", "rejected"),
    [
        ("cuda", ANYTHING, [(16, "feeding cuda does not need that many")]),
        ("cpu", Allowed(max=4), [(16, "the spec allows at most 4")]),
        ("cpu", ANYTHING, []),
    ],
    ids=["gpu", "limited", "all"],
)
def test_more_threads_are_turned_down(device, allowed, rejected):
    decision = threads(device, 16, 1, allowed)
    assert [(no.value, no.because) for no in decision.rejected] == rejected


def test_more_threads_than_cores_cannot_be_asked_for():
    with pytest.raises(Undecidable) as stop:
        threads("cpu", 8, 1, Allowed(min=16))
    assert stop.value.because == (
        "8 threads are the most that help here, but the spec asks for at least 16"
    )
    assert stop.value.hint == "train.threads = 8"


def test_every_process_needs_a_core():
    with pytest.raises(Undecidable) as stop:
        threads("cpu", 2, 4)
    assert stop.value.because == "4 processes need a core each, and 2 may be used here"
    assert stop.value.hint == "train.world = 2"


def test_a_single_thread_can_be_asked_for():
    assert threads("cpu", 8, 1, Allowed(max=1)).value == 1
