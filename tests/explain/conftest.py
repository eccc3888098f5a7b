"""One target of the shipped lock of the original pair, ready to be asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from kavaspec.explain import Case, open_case
from kavaspec.facts.file import read_facts
from kavaspec.lock.file import read_lock
from kavaspec.spec.load import load_spec

ROOT = Path(__file__).parents[2]
PAIR = ROOT / "examples/qwen2.5"


@pytest.fixture
def a100(monkeypatch: pytest.MonkeyPatch) -> Case:
    monkeypatch.chdir(PAIR)
    lock = read_lock(Path("kava.lock"))
    kept = read_facts(ROOT / "examples/facts/a100-slurm.yaml")
    return open_case(load_spec(Path("kava.toml"), set={}), lock, "a100", kept=kept)
