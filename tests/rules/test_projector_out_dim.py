import pytest

from kavaspec.rules.projector_out_dim import projector_out_dim


@pytest.mark.parametrize(
    ("side", "teacher_dim", "student_dim", "value", "because"),
    [
        ("teacher", 7168, 3072, 3072, "it must meet the student's side: 3072"),
        ("student", 7168, 3072, 7168, "it must meet the teacher's side: 7168"),
        (
            "student",
            (256,) * 24,
            (128,) * 24,
            (256,) * 24,
            "it must meet the teacher's side: 24 of 256",
        ),
    ],
    ids=["seed", "student-side", "by-layer"],
)
def test_projector_out_dim(side, teacher_dim, student_dim, value, because):
    decision = projector_out_dim(side, teacher_dim, student_dim)
    assert (decision.value, decision.because) == (value, because)
