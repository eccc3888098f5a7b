import pytest

from kavaspec.decision import ANYTHING, Allowed, Undecidable
from kavaspec.rules.parallel import parallel


@pytest.mark.parametrize(
    ("world", "allowed", "value", "because"),
    [
        (1, ANYTHING, "single", "there is 1 process"),
        (4, ANYTHING, "replicated", "each of 4 processes can hold the student"),
        (
            4,
            Allowed(one_of=("sharded",)),
            "sharded",
            "the spec spreads the student over 4 processes",
        ),
    ],
    ids=["one", "four", "asked-for"],
)
def test_parallel(world, allowed, value, because):
    decision = parallel(world, allowed)
    assert (decision.value, decision.because) == (value, because)


def test_one_process_has_nothing_to_share():
    with pytest.raises(Undecidable) as stop:
        parallel(1, Allowed(one_of=("sharded",)))
    assert stop.value.because == (
        'no value is left (single: the spec allows only ["sharded"]; '
        "replicated, sharded: needs more than 1 process)"
    )


@pytest.mark.parametrize(
    ("world", "rejected"),
    [
        (
            1,
            {
                "replicated": "needs more than 1 process",
                "sharded": "needs more than 1 process",
            },
        ),
        (
            4,
            {
                "sharded": "sends weights at every layer, and nothing shows that memory is short",
                "single": "there are 4 processes",
            },
        ),
    ],
    ids=["one", "four"],
)
def test_the_others_have_their_reasons(world, rejected):
    assert {no.value: no.because for no in parallel(world).rejected} == rejected
