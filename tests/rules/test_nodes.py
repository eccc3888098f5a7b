import pytest

from kavaspec.rules.nodes import nodes


@pytest.mark.parametrize(
    ("world", "gpus_per_node", "value", "because"),
    [
        (1, 0, 1, "world = 1, with 1 on each node"),
        (1, 1, 1, "world = 1, with 1 on each node"),
        (8, 4, 2, "world = 8, with 4 on each node"),
        (9, 4, 3, "world = 9, with 4 on each node"),
    ],
    ids=["cpu", "one-gpu", "two-nodes", "rounded-up"],
)
def test_nodes(world, gpus_per_node, value, because):
    decision = nodes(world, gpus_per_node, None)
    assert (decision.value, decision.because) == (value, because)


def test_idle_nodes_are_not_asked_for():
    [no] = nodes(1, 1, 4).rejected
    assert (no.value, no.because) == (4, "3 nodes would stand idle")
