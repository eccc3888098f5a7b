import pytest

from kavaspec.checks.widths_match import student_width_matches, teacher_width_matches


@pytest.mark.parametrize(
    ("written", "layout", "layers", "aggregate"),
    [
        (7168, "28x2x128", range(28), "concat"),
        (256, "28x2x128", range(28), "mean"),
        ((256, 256), "28x2x128", (0, 1), "none"),
        (1, "28x2x128", (28,), "concat"),
    ],
    ids=["concat", "mean", "by-layer", "missing-layer-is-another-check"],
)
def test_no_veto(written, layout, layers, aggregate):
    assert teacher_width_matches(written, layout, tuple(layers), aggregate) is None
    assert student_width_matches(written, layout, tuple(layers), aggregate) is None


def test_hidden_size_is_not_the_width_of_the_cache():
    problem = teacher_width_matches(1536, "28x2x128", tuple(range(28)), "concat")
    assert problem.message == (
        "objective.kv.teacher_dim is 1536, but the teacher's KV layout 28x2x128 gives "
        "28 * 2 * 128 = 7168"
    )
    assert problem.hint == 'objective.kv.teacher_dim = "auto"'
    assert problem.key == "objective.kv.teacher_dim"


def test_one_number_is_not_a_list_of_widths():
    problem = student_width_matches(128, "24x2x64", tuple(range(24)), "none")
    assert problem.message == (
        "objective.kv.student_dim is 128, but the student's KV layout 24x2x64 gives [128 x 24]"
    )
    assert problem.hint == 'objective.kv.student_dim = "auto"'
    assert problem.key == "objective.kv.student_dim"
