"""A lock alone tells enough to derive it again."""

from __future__ import annotations

from pathlib import Path

import pytest

from kavaspec.lock.file import read_lock
from kavaspec.lock.recover import recover_spec
from kavaspec.lock.stale import compare

ROOT = Path(__file__).parents[2]
LOCKS = [*sorted((ROOT / "tests/golden").glob("*.lock")), ROOT / "examples/qwen2.5/kava.lock"]


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_the_recovered_spec_gives_the_same_lock(path: Path):
    lock = read_lock(path)
    assert compare(recover_spec(lock), lock).fresh
