import pytest

from kavaspec.choice import Candidate, choose, impossible
from kavaspec.decision import ANYTHING, Allowed, Rejected, Term, Undecidable

BEST = Candidate(
    value="best",
    because="it is the best",
    otherwise="was not wanted",
    terms=(Term(name="one", formula="1", value=1),),
)
GOOD = Candidate(value="good", because="it is good", otherwise="is second")
DEAD = Candidate(value="dead", because="", impossible="is dead")


def test_the_first_is_taken_and_the_others_keep_their_reasons():
    decision = choose((BEST, GOOD, DEAD))
    assert (decision.value, decision.because) == ("best", "it is the best")
    assert decision.terms == BEST.terms
    assert decision.rejected == (
        Rejected(value="good", because="is second"),
        Rejected(value="dead", because="is dead"),
    )


def test_what_is_impossible_is_never_taken():
    assert choose((DEAD, GOOD)).value == "good"


def test_what_the_spec_forbids_is_never_taken():
    decision = choose((BEST, GOOD), Allowed(one_of=("good",)))
    assert decision.value == "good"
    assert decision.rejected == (Rejected(value="best", because='the spec allows only ["good"]'),)


def test_nothing_left_names_every_reason_once():
    with pytest.raises(Undecidable) as stop:
        choose((BEST, GOOD, DEAD), Allowed(one_of=("dead",)), hint="do something else")
    assert stop.value.because == (
        'no value is left (best, good: the spec allows only ["dead"]; dead: is dead)'
    )
    assert stop.value.hint == "do something else"


def test_a_value_written_by_hand_is_only_refused_when_it_is_impossible():
    assert impossible((BEST, DEAD), "dead") == "is dead"
    assert impossible((BEST, DEAD), "best") is None
    assert impossible((BEST, DEAD), "unheard of") is None
    assert choose((BEST,), ANYTHING).value == "best"
