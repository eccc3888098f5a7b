import pytest

from kavaspec.checks.student_origin import student_layers_in_teacher, student_origin


@pytest.mark.parametrize(
    ("init", "source", "layers", "teacher"),
    [
        ("pretrained", "student", None, "teacher"),
        ("random", "student", None, None),
        ("teacher_layers", None, (0, 1), "teacher"),
    ],
)
def test_one_origin_passes(init, source, layers, teacher):
    assert student_origin(init, source, layers, teacher) is None


@pytest.mark.parametrize(
    ("origin", "message", "key", "hint"),
    [
        (
            ("pretrained", None, None, "teacher"),
            'model.student.init = "pretrained" needs model.student.source, and there is none',
            "model.student.init",
            'name a source, or model.student.init = "teacher_layers" with layers',
        ),
        (
            ("random", "student", (0, 1), "teacher"),
            'model.student.layers is for init = "teacher_layers", but init is "random"',
            "model.student.layers",
            "leave model.student.layers out",
        ),
        (
            ("teacher_layers", None, (0, 1), None),
            'model.student.init = "teacher_layers" needs a teacher, and there is none',
            "model.student.init",
            "name model.teacher.source",
        ),
        (
            ("teacher_layers", "student", (0, 1), "teacher"),
            (
                'model.student.source is "student", but init = "teacher_layers" '
                "makes the student from the teacher"
            ),
            "model.student.source",
            "leave model.student.source out",
        ),
        (
            ("teacher_layers", None, None, "teacher"),
            'model.student.init = "teacher_layers" needs model.student.layers',
            "model.student.init",
            "model.student.layers = [0, 1, 2, 3]",
        ),
    ],
    ids=["no-source", "idle-layers", "no-teacher", "two-origins", "no-layers"],
)
def test_none_or_two_are_refused(origin, message, key, hint):
    problem = student_origin(*origin)
    assert (problem.message, problem.key, problem.hint) == (message, key, hint)


def test_layers_of_the_teacher_pass():
    assert student_layers_in_teacher((0, 29), "30x3x64") is None
    assert student_layers_in_teacher(None, "30x3x64") is None
    assert student_layers_in_teacher((0,), "nonsense") is None, "that is the rule's to say"


@pytest.mark.parametrize(
    ("layers", "message", "hint"),
    [
        (
            (0, 30),
            "model.student.layers names layer 30, but the teacher has layers 0 to 29",
            "model.student.layers = [0, 1]",
        ),
        ((0, 1, 1), "model.student.layers names layer 1 more than once", "name it once"),
    ],
    ids=["out-of-range", "twice"],
)
def test_layers_that_cannot_be_kept(layers, message, hint):
    problem = student_layers_in_teacher(layers, "30x3x64")
    assert (problem.message, problem.hint) == (message, hint)
    assert problem.key == "model.student.layers"
