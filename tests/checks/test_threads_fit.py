from kavaspec.checks.threads_fit import threads_fit


def test_as_many_threads_as_cores_pass():
    assert threads_fit(8, 1, 8) is None
    assert threads_fit(2, 4, 8) is None


def test_more_are_refused():
    problem = threads_fit(16, 1, 2)
    assert (
        problem.message == "train.threads = 16 x train.world = 1 needs 16 cores, but 2 may be used"
    )
    assert problem.hint == "train.threads = 2"
    assert problem.key == "train.threads"


def test_the_cores_are_shared_by_the_processes():
    problem = threads_fit(4, 3, 8)
    assert problem.message == (
        "train.threads = 4 x train.world = 3 needs 12 cores, but 8 may be used"
    )
    assert problem.hint == "train.threads = 2"
    assert threads_fit(4, 3, 2).hint == "train.threads = 1"
