import pytest

from kavaspec.rules.projector_in_dim import projector_in_dim


@pytest.mark.parametrize(
    ("side", "teacher_dim", "student_dim", "value", "because"),
    [
        ("teacher", 7168, 3072, 7168, "the teacher's side enters it: 7168"),
        ("student", 7168, 3072, 3072, "the student's side enters it: 3072"),
        (
            "student",
            (256,) * 24,
            (128,) * 24,
            (128,) * 24,
            "the student's side enters it: 24 of 128",
        ),
        (
            "teacher",
            (256, 512),
            (128, 128),
            (256, 512),
            "the teacher's side enters it: 2 of 256 to 512",
        ),
    ],
    ids=["seed", "student-side", "by-layer", "mixed-widths"],
)
def test_projector_in_dim(side, teacher_dim, student_dim, value, because):
    decision = projector_in_dim(side, teacher_dim, student_dim)
    assert (decision.value, decision.because) == (value, because)
