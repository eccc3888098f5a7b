import pytest

from kavaspec.rules.data_revision import data_revision


@pytest.mark.parametrize(
    ("revision", "because"),
    [
        ("e53f048856ff4f594e959d75785d2c2d37b678ee", "the copy found here is commit e53f048856ff"),
        (None, "they have no commit on a hub; the digest says what they are"),
    ],
    ids=["from-a-hub", "from-a-file"],
)
def test_data_revision(revision, because):
    decision = data_revision(revision)
    assert (decision.value, decision.because) == (revision, because)
