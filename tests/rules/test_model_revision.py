import pytest

from kavaspec.rules.model_revision import model_revision


@pytest.mark.parametrize(
    ("revision", "because"),
    [
        ("989aa7980e4cf806f80c7fef2b1adb7bc71aa306", "the copy found here is commit 989aa7980e4c"),
        (None, "it has no commit on a hub; the digest says what it is"),
    ],
    ids=["from-a-hub", "from-a-folder"],
)
def test_model_revision(revision, because):
    decision = model_revision(revision)
    assert (decision.value, decision.because) == (revision, because)
