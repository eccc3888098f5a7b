import pytest

from kavaspec.decision import Allowed, Undecidable
from kavaspec.rules.world import world

BECAUSE = "this version trains with one process, on one device"


@pytest.mark.parametrize(
    ("device", "gpus", "rejected"),
    [
        ("cuda", 1, []),
        ("cuda", 4, [(4, "4 GPUs are here, but one process uses one of them")]),
        ("cpu", 4, []),
        ("cuda", None, []),
    ],
    ids=["one-gpu", "four-gpus", "cpu-beside-gpus", "count-unknown"],
)
def test_world(device, gpus, rejected):
    decision = world(device, gpus)
    assert (decision.value, decision.because) == (1, BECAUSE)
    assert [(no.value, no.because) for no in decision.rejected] == rejected


def test_more_processes_are_refused():
    with pytest.raises(Undecidable) as stop:
        world("cuda", 4, Allowed(min=2))
    assert stop.value.because == (
        "no value is left (1: the spec asks for at least 2; "
        "4: 4 GPUs are here, but one process uses one of them)"
    )
    assert stop.value.hint == "train.world = 1"
