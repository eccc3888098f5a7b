"""A lock that fits where the tests run: derived from the facts that this machine has."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from kavaspec.fit import see
from kavaspec.lock.derive import derive, facts_of
from kavaspec.lock.file import read_lock
from kavaspec.lock.model import Lock
from kavaspec.lock.recover import recover_spec
from kavaspec.lock.versions import recorded
from kavaspec.plain import Plain

ROOT = Path(__file__).parents[1]


def fitting(**otherwise: Plain) -> Lock:
    """The golden lock of a CPU node, decided again from what its guards ask of this machine.

    `otherwise` are facts that shall be something else, with `__` for dots: `fact__cpu__cores=4096`.
    """
    golden = read_lock(ROOT / "tests/golden/cpu-avx512bf16.lock")
    here = see(golden, ["cpu"], env=dict(os.environ), report=lambda _: None).facts
    changed = {name.replace("__", "."): value for name, value in otherwise.items()}
    return with_facts(golden, {**here, **changed})


def with_facts(lock: Lock, facts: Mapping[str, Plain]) -> Lock:
    """A lock with one target as it would be had its machine been another."""
    [name] = lock.targets
    known = {
        fact: replace(it, value=facts.get(fact, it.value))
        for fact, it in facts_of(lock.targets[name].facts).items()
    }
    derived = derive(
        recover_spec(lock),
        facts_of(lock.facts),
        {name: known},
        not_found={},
        recorded=recorded(lock),
    )
    assert derived.errors == ()
    return derived.lock
