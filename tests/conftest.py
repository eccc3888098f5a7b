"""Shared by all tests: specs and facts as short as they can be."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("no-clock", deadline=None)
settings.load_profile("no-clock")  # a busy machine is no failure

SPEC = """\
name = "demo"

[model.teacher]
source = "builtin:tiny-teacher"

[model.student]
source = "builtin:tiny-student"
init = "random"

[data]
source = "builtin:arithmetic"

[train]
steps = 20
"""
"""The shortest spec that needs a teacher."""


@pytest.fixture
def spec_text() -> str:
    return SPEC


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder with the short spec in it, as the working directory."""
    (tmp_path / "kava.toml").write_text(SPEC, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    for name in ("KAVA_DATA_PATH", "KAVA_MODEL_PATH", "KAVA_OUTPUT_PATH", "KAVA_CACHE_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_COLOR", "1")
    return tmp_path


ROOT = Path(__file__).parents[1]


@pytest.fixture
def locked(project: Path) -> Path:
    """The default spec with one target, an example CPU node, and its golden lock: no torch needed."""
    text = (ROOT / "kava.toml").read_text(encoding="utf-8")
    (project / "kava.toml").write_text(
        text + '\n[targets.cpu]\n\nfacts = "cpu-avx512bf16.yaml"\n', encoding="utf-8"
    )
    for source in ("examples/facts/cpu-avx512bf16.yaml", "tests/golden/cpu-avx512bf16.lock"):
        name = "kava.lock" if source.endswith(".lock") else Path(source).name
        (project / name).write_bytes((ROOT / source).read_bytes())
    return project
