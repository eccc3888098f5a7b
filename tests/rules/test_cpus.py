import pytest

from kavaspec.rules.cpus import cpus


@pytest.mark.parametrize(
    ("threads", "workers", "world", "nodes", "stated", "value", "because"),
    [
        (4, 0, 1, 1, None, 4, "1 x (4 threads + 0 workers) on each node"),
        (4, 2, 8, 2, None, 24, "4 x (4 threads + 2 workers) on each node"),
        (4, 0, 1, 1, 16, 16, "the scheduler states 16 cores on a node"),
    ],
    ids=["one-process", "four-on-a-node", "stated"],
)
def test_cpus(threads, workers, world, nodes, stated, value, because):
    decision = cpus(threads, workers, world, nodes, stated)
    assert (decision.value, decision.because) == (value, because)
