import pytest

from kavaspec.checks.collapse import collapse


@pytest.mark.parametrize(
    ("side", "kind", "ce_weight", "weight"),
    [
        ("student", "mlp", 0.0, 1.0),
        ("teacher", "mlp", 1.0, 1.0),
        ("teacher", "none", 0.0, 1.0),
        ("teacher", "mlp", 0.0, 0.0),
    ],
    ids=["fixed-target", "held-by-cross-entropy", "nothing-trained", "no-weight"],
)
def test_no_warning(side, kind, ce_weight, weight):
    assert collapse(side, kind, ce_weight, weight) is None


def test_the_original_is_warned_about():
    problem = collapse("teacher", "mlp", 0.0, 1.0)
    assert problem.message == (
        "a trained projector on the teacher's side without cross-entropy can collapse; "
        "its cosine cannot tell a good teacher from unrelated text"
    )
    assert problem.hint == ('objective.kv.projector.side = "student", or objective.ce_weight = 1.0')
    assert (problem.key, problem.severity) == ("objective.kv.projector.side", "warning")
