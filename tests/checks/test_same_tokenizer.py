import pytest

from kavaspec.checks.same_tokenizer import same_tokenizer, teacher_has_tokenizer
from kavaspec.errors import Exit

QWEN, LLAMA = "sha256:" + "a1b2c3d4" * 8, "sha256:" + "0f1e2d3c" * 8


@pytest.mark.parametrize(
    ("teacher", "student"),
    [(QWEN, QWEN), (None, QWEN), (QWEN, None), (None, None)],
    ids=["same", "teacher-unknown", "student-unknown", "both-unknown"],
)
def test_no_veto(teacher, student):
    assert same_tokenizer("Qwen/Qwen2.5-1.5B", teacher, student) is None


def test_different_tokenizers_are_refused():
    problem = same_tokenizer("Qwen/Qwen2.5-1.5B", QWEN, LLAMA)
    assert problem.message == (
        "teacher (Qwen/Qwen2.5-1.5B) and student have different tokenizers, sha256:a1b2c3d4 and "
        "sha256:0f1e2d3c, so their caches are about different tokens"
    )
    assert problem.hint == "take both from one family of models, as Qwen2.5-1.5B and Qwen2.5-0.5B"
    assert (problem.exit, problem.key) == (Exit.UNSATISFIABLE, "model.student.source")


def test_a_teacher_whose_tokenizer_is_known_passes():
    assert teacher_has_tokenizer("Qwen/Qwen2.5-1.5B", LLAMA, QWEN) is None


def test_a_teacher_without_a_tokenizer_is_told():
    problem = teacher_has_tokenizer("./teacher", None, QWEN)
    assert problem.message == (
        "nobody can tell whether the teacher (./teacher) reads the same tokens as the student, "
        "sha256:a1b2c3d4: the teacher's tokenizer is not there, or cannot be read"
    )
    assert problem.hint == "copy tokenizer.json beside the teacher's config.json, and lock again"
    assert (problem.key, problem.severity) == ("model.teacher.source", "warning")
