import pytest

from kavaspec.decision import Undecidable
from kavaspec.rules.transformers_version import transformers_version


def test_transformers_version():
    decision = transformers_version("2.13.0")
    assert (decision.value, decision.because) == (
        "2.13.0",
        "transformers 2.13.0 is installed there",
    )


def test_without_transformers_there_is_nothing_to_lock():
    with pytest.raises(Undecidable) as stop:
        transformers_version(None)
    assert stop.value.because == "transformers is not installed there"
    assert stop.value.hint == "pip install 'kavaspec[runtime]', then kavaspec lock --refresh"
    assert stop.value.missing
