import pytest

from kavaspec.rules.walltime import walltime


@pytest.mark.parametrize(
    ("stated", "value", "because"),
    [
        (None, 14400, "no limit is stated; 4 hours is an assumption"),
        (7200, 7200, "the scheduler states 7200 seconds"),
    ],
    ids=["assumed", "stated"],
)
def test_walltime(stated, value, because):
    decision = walltime(stated)
    assert (decision.value, decision.because) == (value, because)
