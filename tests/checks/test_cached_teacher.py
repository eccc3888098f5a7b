import pytest

from kavaspec.checks.cached_teacher import cached_teacher


@pytest.mark.parametrize(
    ("placement", "mask"), [("cached", "attention"), ("same_device", "none"), ("cpu", "none")]
)
def test_everything_else_passes(placement, mask):
    assert cached_teacher(placement, mask) is None


def test_padding_cannot_be_kept_with_a_row():
    problem = cached_teacher("cached", "none")
    assert problem is not None
    assert problem.message == (
        'train.teacher_placement = "cached" keeps tokens, and objective.kv.mask = "none" compares '
        "padding too"
    )
    assert problem.hint == (
        'train.teacher_placement = "same_device", or objective.kv.mask = "attention"'
    )
