import pytest

from kavaspec.decision import Allowed
from kavaspec.rules.gradient_checkpointing import gradient_checkpointing

GIB = 1 << 30
CARD = {
    "device": "cuda",
    "max_length": 512,
    "gpu_memory": 8 * GIB,
    "unified": False,
    "host_memory": 32 * GIB,
    "overhead": None,
    "plain": [[1, 7 * GIB], [4, 10 * GIB]],
    "again": [[1, 6 * GIB], [4, 7 * GIB]],
}


@pytest.mark.parametrize(
    ("machine", "value", "because"),
    [
        (
            CARD,
            True,
            "a row of 512 tokens takes 8.10 GiB otherwise, 7.05 GiB with it; 7.60 GiB may be taken",
        ),
        (
            CARD | {"gpu_memory": 24 * GIB},
            False,
            "a row of 512 tokens takes 8.10 GiB of 22.80 GiB with its activations kept",
        ),
        (
            CARD | {"gpu_memory": 4 * GIB},
            False,
            "a row of 512 tokens takes 8.10 GiB of 3.80 GiB with its activations kept",
        ),
        (
            CARD | {"plain": None},
            False,
            "activations are kept until measured memory says otherwise",
        ),
        (
            CARD | {"gpu_memory": None},
            False,
            "activations are kept until measured memory says otherwise",
        ),
    ],
)
def test_value_and_reason(machine, value, because):
    decision = gradient_checkpointing(**machine)
    assert (decision.value, decision.because) == (value, because)


def test_where_a_row_fits_it_only_costs_time():
    [other] = gradient_checkpointing(**CARD | {"gpu_memory": 24 * GIB}).rejected
    assert (other.value, other.because) == (True, "computes every activation twice")


def test_where_it_does_not_help_it_is_said():
    [other] = gradient_checkpointing(**CARD | {"gpu_memory": 4 * GIB}).rejected
    assert other.because == "computes every activation twice, and takes 7.05 GiB all the same"


def test_the_spec_may_leave_one_of_them():
    assert gradient_checkpointing(**CARD, allowed=Allowed(one_of=(False,))).value is False
