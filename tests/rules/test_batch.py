import pytest

from kavaspec.batch import divisors, nearest, repairs


def test_divisors_are_sorted():
    assert divisors(12) == (1, 2, 3, 4, 6, 12)
    assert divisors(1) == (1,)
    assert divisors(16) == (1, 2, 4, 8, 16)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [(5, (4, 6)), (4, (4,)), (0, (1,)), (99, (12,))],
    ids=["between", "there", "below-all", "above-all"],
)
def test_nearest(wanted, found):
    assert nearest(divisors(12), wanted) == found


def test_repairs_offer_each_number_that_can_be_changed_alone():
    assert (
        repairs(24, 6, 8) == "train.global_batch = 48, or train.micro_batch = 3, or train.world = 4"
    )
