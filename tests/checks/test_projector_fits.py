import pytest

from kavaspec.checks.projector_fits import (
    hidden_is_right,
    projector_enters,
    projector_is_needed,
    projector_leaves,
)


@pytest.mark.parametrize(
    ("side", "in_dim", "out_dim"),
    [("teacher", 7168, 3072), ("student", 3072, 7168)],
    ids=["teacher", "student"],
)
def test_from_one_side_to_the_other(side, in_dim, out_dim):
    assert projector_enters(side, in_dim, 7168, 3072) is None
    assert projector_leaves(side, out_dim, 7168, 3072) is None


def test_what_enters_is_the_width_of_the_side():
    problem = projector_enters("teacher", 1536, 7168, 3072)
    assert problem.message == (
        "objective.kv.projector.in_dim is 1536, but the teacher's side is 7168 wide"
    )
    assert problem.hint == 'objective.kv.projector.in_dim = "auto"'
    assert problem.key == "objective.kv.projector.in_dim"


def test_what_leaves_is_the_width_of_the_other_side():
    problem = projector_leaves("student", (128, 128), (256, 256), (128, 128))
    assert problem.message == (
        "objective.kv.projector.out_dim is [128, 128], but the teacher's side is [256, 256] wide"
    )
    assert problem.hint == 'objective.kv.projector.out_dim = "auto"'
    assert problem.key == "objective.kv.projector.out_dim"


@pytest.mark.parametrize(
    ("kind", "teacher_dim", "student_dim"),
    [("none", 256, 256), ("none", (64, 64), (64, 64)), ("linear", 256, 128)],
    ids=["equal", "equal-lists", "projected"],
)
def test_equal_widths_need_no_projector(kind, teacher_dim, student_dim):
    assert projector_is_needed(kind, teacher_dim, student_dim) is None


def test_different_widths_need_a_projector():
    problem = projector_is_needed("none", 7168, 3072)
    assert problem.message == (
        'objective.kv.projector.kind = "none" needs equal widths, '
        "but the teacher has 7168 and the student 3072"
    )
    assert problem.hint == 'objective.kv.projector.kind = "low_rank"'
    assert problem.key == "objective.kv.projector.kind"


@pytest.mark.parametrize(
    ("kind", "hidden_dim", "in_dim"),
    [
        ("low_rank", 32, 3072),
        ("low_rank", (32, 32), (128, 128)),
        ("mlp", 4096, 7168),
        ("linear", 1, 2),
    ],
    ids=["rank", "rank-by-layer", "mlp-of-any-width", "without-effect"],
)
def test_hidden_widths_that_pass(kind, hidden_dim, in_dim):
    assert hidden_is_right(kind, hidden_dim, in_dim, 32) is None


@pytest.mark.parametrize(
    ("hidden_dim", "in_dim", "message", "hint"),
    [
        (
            64,
            3072,
            "objective.kv.projector.hidden_dim is 64, but low_rank goes through rank = 32",
            "objective.kv.projector.rank = 64, and leave hidden_dim out",
        ),
        (
            (32,),
            (128, 128),
            "objective.kv.projector.hidden_dim has 1 widths for 2 projectors",
            'objective.kv.projector.hidden_dim = "auto"',
        ),
        (
            32,
            (128,),
            "objective.kv.projector.hidden_dim is 32, but each layer has its own: [128]",
            'objective.kv.projector.hidden_dim = "auto"',
        ),
    ],
    ids=["not-the-rank", "too-few", "a-number-for-a-list"],
)
def test_hidden_widths_that_do_not(hidden_dim, in_dim, message, hint):
    problem = hidden_is_right("low_rank", hidden_dim, in_dim, 32)
    assert (problem.message, problem.hint) == (message, hint)
    assert problem.key == "objective.kv.projector.hidden_dim"
