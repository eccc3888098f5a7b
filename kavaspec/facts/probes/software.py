"""Which torch and transformers are installed, from their package data: neither is imported."""

from __future__ import annotations

from kavaspec.facts.model import Observation
from kavaspec.facts.probe import Machine, Probe, Seen, sign

PACKAGES = ("torch", "transformers")
NAMES = tuple(f"fact.{package}.version" for package in PACKAGES)


def observe(_: Machine) -> Observation:
    return sign(PROBE.id, {f"fact.{package}.version": _version(package) for package in PACKAGES})


def _version(package: str) -> Seen:
    from importlib import metadata  # slow to import, and only needed here

    try:
        full = metadata.version(package)
    except metadata.PackageNotFoundError:
        return Seen(value=None, evidence=f"{package} is not installed")
    return Seen(value=full.partition("+")[0], evidence=f"{package} {full}")


PROBE = Probe(name="software", version=1, facts=NAMES, observe=observe)
