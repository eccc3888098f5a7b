from kavaspec.checks.warmup_fits import warmup_fits


def test_a_warmup_that_ends_in_time_passes():
    assert warmup_fits(0, 1) is None
    assert warmup_fits(99, 100) is None


def test_a_warmup_as_long_as_the_run_is_refused():
    problem = warmup_fits(100, 100)
    assert problem.message == "train.warmup_steps is 100, but the run has only 100 steps"
    assert problem.hint == "train.warmup_steps = 10"
    assert problem.key == "train.warmup_steps"
