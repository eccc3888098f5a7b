import pytest

from kavaspec.checks.rank_is_low import rank_is_low


@pytest.mark.parametrize(
    ("kind", "rank", "teacher_dim", "student_dim"),
    [("low_rank", 32, 7168, 3072), ("linear", 9999, 64, 64), ("low_rank", 63, (256,), (64,))],
    ids=["low", "without-effect", "just-low"],
)
def test_no_warning(kind, rank, teacher_dim, student_dim):
    assert rank_is_low(kind, rank, teacher_dim, student_dim) is None


def test_a_rank_that_is_not_low_is_warned_about():
    problem = rank_is_low("low_rank", 64, (256, 256), (64, 128))
    assert problem.message == (
        "objective.kv.projector.rank is 64, but the narrowest side is 64 wide: it is not low"
    )
    assert problem.hint == 'objective.kv.projector.kind = "linear", or a smaller rank'
    assert (problem.key, problem.severity) == ("objective.kv.projector.rank", "warning")
