import pytest

from kavaspec.decision import ANYTHING, Allowed, Undecidable
from kavaspec.rules.workers import workers


@pytest.mark.parametrize(
    ("allowed", "value", "because", "rejected"),
    [
        (
            ANYTHING,
            0,
            "all rows are tokenised before the first step; nothing is left to do beside it",
            [(1, "would only pass on what is in memory already")],
        ),
        (
            Allowed(min=2),
            2,
            "it is the least that the spec allows",
            [(0, "the spec asks for at least 2")],
        ),
    ],
    ids=["none", "asked-for"],
)
def test_workers(allowed, value, because, rejected):
    decision = workers(8, allowed)
    assert (decision.value, decision.because) == (value, because)
    assert [(no.value, no.because) for no in decision.rejected] == rejected


def test_more_workers_than_cores_cannot_be_asked_for():
    with pytest.raises(Undecidable) as stop:
        workers(2, Allowed(min=3))
    assert stop.value.because == "none of 0 to 2 workers will do: the spec asks for at least 3"


def test_every_usable_core_may_have_a_worker():
    assert workers(2, Allowed(min=2)).value == 2
