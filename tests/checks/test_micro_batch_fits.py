import pytest

from kavaspec.checks.micro_batch_fits import micro_batch_fits

GIB = 1 << 30
MACHINE = {
    "device": "cuda",
    "max_length": 512,
    "parameters": 494_032_768,
    "gpu_memory": 24 * GIB,
    "unified": False,
    "host_memory": 500 * GIB,
    "table": ((40 * GIB, 8), (24 * GIB, 4), (8 * GIB, 2), (0, 1)),
}


def test_what_the_table_holds_passes():
    assert micro_batch_fits(4, **MACHINE) is None


def test_more_is_worth_a_word():
    problem = micro_batch_fits(5, **MACHINE)
    assert problem.severity == "warning"
    assert problem.message == (
        "train.micro_batch is 5, but by the original's table 4 x 512 tokens fit in 24.0 GiB "
        "(fact.gpu.memory_bytes)"
    )
    assert problem.hint == 'train.micro_batch = "auto", or try it: kavaspec run --smoke 3'


@pytest.mark.parametrize(
    "change",
    [{"device": "cpu"}, {"unified": True}, {"gpu_memory": None}],
    ids=["host-memory-counts", "shared-memory-counts", "nothing-is-known"],
)
def test_the_memory_in_which_it_runs_is_what_counts(change):
    assert micro_batch_fits(8, **(MACHINE | change)) is None
