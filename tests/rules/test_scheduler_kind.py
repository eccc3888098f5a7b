import pytest

from kavaspec.decision import ANYTHING, Allowed, Undecidable
from kavaspec.rules.scheduler_kind import scheduler_kind


@pytest.mark.parametrize(
    ("found", "allowed", "value", "because", "rejected"),
    [
        (None, ANYTHING, "none", "no scheduler was found", []),
        ("slurm", ANYTHING, "slurm", "slurm was found", [("none", "slurm starts jobs here")]),
        (
            "slurm",
            Allowed(one_of=("none",)),
            "none",
            "the spec starts it by hand",
            [("slurm", 'the spec allows only ["none"]')],
        ),
    ],
    ids=["laptop", "cluster", "by-hand"],
)
def test_scheduler_kind(found, allowed, value, because, rejected):
    decision = scheduler_kind(found, allowed)
    assert (decision.value, decision.because) == (value, because)
    assert [(no.value, no.because) for no in decision.rejected] == rejected


def test_a_scheduler_that_is_not_here_is_not_chosen():
    with pytest.raises(Undecidable) as stop:
        scheduler_kind(None, Allowed(one_of=("pbs",)))
    assert stop.value.because == 'no value is left (none: the spec allows only ["pbs"])'
    assert stop.value.hint == "write scheduler.kind by hand"
