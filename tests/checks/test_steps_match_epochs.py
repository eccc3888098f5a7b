import pytest

from kavaspec.checks.steps_match_epochs import steps_match_epochs


@pytest.mark.parametrize(
    ("steps", "epochs", "rows"),
    [(10, None, 64), (4, 2, 64), (4, 2, 3)],
    ids=["no-epochs", "agree", "too-few-rows-is-another-check"],
)
def test_no_veto(steps, epochs, rows):
    assert steps_match_epochs(steps, epochs, rows, 32, "drop") is None


def test_neither_wins_in_silence():
    problem = steps_match_epochs(100, 2, 64, 32, "drop")
    assert problem.message == "train.steps is 100, but train.epochs = 2 over 64 rows gives 4"
    assert problem.hint == "leave train.steps or train.epochs out"
    assert problem.key == "train.steps"
