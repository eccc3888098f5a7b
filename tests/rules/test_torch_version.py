import pytest

from kavaspec.decision import Undecidable
from kavaspec.rules.torch_version import torch_version


def test_torch_version():
    decision = torch_version("2.13.0")
    assert (decision.value, decision.because) == ("2.13.0", "torch 2.13.0 is installed there")


def test_without_torch_there_is_nothing_to_lock():
    with pytest.raises(Undecidable) as stop:
        torch_version(None)
    assert stop.value.because == "torch is not installed there"
    assert stop.value.hint == "pip install 'kavaspec[runtime]', then kavaspec lock --refresh"
    assert stop.value.missing
