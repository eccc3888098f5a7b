from kavaspec.checks.world_is_one import world_is_one


def test_one_passes():
    assert world_is_one(1) is None


def test_more_are_refused_by_name():
    problem = world_is_one(4)
    assert problem.message == (
        "train.world is 4, but this version of kavaspec trains with one process"
    )
    assert problem.hint == "train.world = 1"
    assert problem.key == "train.world"
