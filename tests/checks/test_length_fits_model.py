import pytest

from kavaspec.checks.length_fits_model import length_fits_student, length_fits_teacher


@pytest.mark.parametrize("limit", [None, 512, 32768], ids=["unknown", "exactly", "easily"])
def test_what_fits(limit):
    assert length_fits_student(512, limit) is None
    assert length_fits_teacher(512, "builtin:tiny-teacher", limit) is None


def test_rows_too_long_for_the_student_are_refused():
    problem = length_fits_student(4096, 2048)
    assert problem.message == ("data.max_length is 4096 tokens, but the student reads at most 2048")
    assert problem.hint == "data.max_length = 2048; longer rows are cut"
    assert problem.key == "data.max_length"


def test_rows_too_long_for_the_teacher_are_refused():
    problem = length_fits_teacher(512, "builtin:tiny-teacher", 256)
    assert problem.message == (
        "data.max_length is 512 tokens, but the teacher (builtin:tiny-teacher) reads at most 256"
    )
    assert problem.hint == "data.max_length = 256; longer rows are cut"
