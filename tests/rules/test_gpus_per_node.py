import pytest

from kavaspec.rules.gpus_per_node import gpus_per_node


@pytest.mark.parametrize(
    ("device", "world", "stated", "found", "value", "because"),
    [
        ("cpu", 1, 4, 4, 0, "the CPU computes"),
        ("cuda", 1, None, 1, 1, "world = 1 needs one GPU for each; a node has 1"),
        ("cuda", 1, 4, 8, 1, "world = 1 needs one GPU for each; a node has 4"),
        ("cuda", 8, 4, 1, 4, "world = 8 needs one GPU for each; a node has 4"),
        ("cuda", 1, None, None, 1, "world = 1 needs one GPU for each; a node has 1"),
    ],
    ids=["cpu", "one", "scheduler-before-machine", "all-of-a-node", "unknown"],
)
def test_gpus_per_node(device, world, stated, found, value, because):
    decision = gpus_per_node(device, world, stated, found)
    assert (decision.value, decision.because) == (value, because)


def test_idle_gpus_are_not_asked_for():
    [no] = gpus_per_node("cuda", 1, None, 8).rejected
    assert (no.value, no.because) == (8, "7 of them would stand idle")
