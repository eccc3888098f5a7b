import pytest

from kavaspec.checks.parallel_fits_world import parallel_fits_world


@pytest.mark.parametrize(("parallel", "world"), [("single", 1), ("replicated", 2), ("sharded", 8)])
def test_what_fits(parallel, world):
    assert parallel_fits_world(parallel, world) is None


@pytest.mark.parametrize(
    ("parallel", "world", "message"),
    [
        (
            "replicated",
            1,
            'train.parallel = "replicated" with train.world = 1: needs more than 1 process',
        ),
        ("single", 4, 'train.parallel = "single" with train.world = 4: there are 4 processes'),
    ],
    ids=["nothing-to-share", "must-share"],
)
def test_what_does_not(parallel, world, message):
    problem = parallel_fits_world(parallel, world)
    assert (problem.message, problem.hint) == (message, 'train.parallel = "auto"')
    assert problem.key == "train.parallel"
