import pytest

from kavaspec.checks.equal_widths import equal_student_widths, equal_teacher_widths

MIXED = "2x2x64+1x4x64"


@pytest.mark.parametrize(
    ("aggregate", "layers", "layout"),
    [
        ("mean", (0, 1), MIXED),
        ("none", (0, 1, 2), MIXED),
        ("concat", (0, 1, 2), MIXED),
        ("mean", (0, 99), MIXED),
    ],
    ids=["one-width-chosen", "by-layer", "concat", "missing-layer-is-another-check"],
)
def test_no_veto(aggregate, layers, layout):
    assert equal_student_widths(128, aggregate, layers, layout) is None
    assert equal_teacher_widths(128, aggregate, layers, layout) is None


@pytest.mark.parametrize(
    ("veto", "key"),
    [
        (equal_student_widths, "objective.kv.student_dim"),
        (equal_teacher_widths, "objective.kv.teacher_dim"),
    ],
    ids=["student", "teacher"],
)
@pytest.mark.parametrize("aggregate", ["mean", "weighted"])
def test_a_mean_of_different_widths_is_refused(veto, key, aggregate):
    problem = veto(128, aggregate, (0, 1, 2), MIXED)
    assert problem.message == (
        f'{key} is 128, but aggregate = "{aggregate}" needs layers of one width, '
        "and those of 2x2x64+1x4x64 are 128 and 256 wide"
    )
    assert problem.hint == (
        'objective.kv.aggregate = "none" or "concat", or name layers of one width'
    )
    assert problem.key == key
