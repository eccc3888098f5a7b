import pytest

from kavaspec.rules.checkpoint_every import checkpoint_every


@pytest.mark.parametrize(
    ("steps", "value", "because"),
    [
        (233, 24, "at most a tenth of 233 steps is lost when a run is cut off"),
        (100, 10, "at most a tenth of 100 steps is lost when a run is cut off"),
        (1, 1, "at most a tenth of 1 step is lost when a run is cut off"),
    ],
    ids=["rounded-up", "even", "one-step"],
)
def test_checkpoint_every(steps, value, because):
    decision = checkpoint_every(steps)
    assert (decision.value, decision.because) == (value, because)


@pytest.mark.parametrize("steps", range(1, 200))
def test_never_more_than_ten_checkpoints(steps):
    assert -(-steps // checkpoint_every(steps).value) <= 10
