"""Versions come from package data: no torch is imported to know its version."""

from __future__ import annotations

from importlib import metadata

import pytest

from kavaspec.facts.probes import software


def test_a_version_is_told_without_its_build(pretend, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(metadata, "version", lambda package: f"2.13.0+{package}")
    facts = software.observe(pretend.machine()).facts
    assert {name: fact.value for name, fact in facts.items()} == {
        "fact.torch.version": "2.13.0",
        "fact.transformers.version": "2.13.0",
    }
    assert facts["fact.torch.version"].evidence == "torch 2.13.0+torch"


def test_what_is_not_installed_has_no_version(pretend, monkeypatch: pytest.MonkeyPatch):
    def missing(package: str) -> str:
        raise metadata.PackageNotFoundError(package)

    monkeypatch.setattr(metadata, "version", missing)
    fact = software.observe(pretend.machine()).facts["fact.transformers.version"]
    assert (fact.value, fact.evidence) == (None, "transformers is not installed")
