"""Shared by all tests: specs and facts as short as they can be."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import settings

from kavaspec.facts import trial
from kavaspec.facts.probe import Seen
from kavaspec.trials import OF, made_with, of

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


@pytest.fixture(autouse=True)
def tried_once(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """What a step takes is asked of the child once for the same values, whichever test asks."""
    folder = tmp_path_factory.getbasetemp().parent / "trials"
    folder.mkdir(exist_ok=True)
    really = trial.asked

    def asked(values, paths, child):
        known = folder / f"{of(made_with(values))[OF]}.json"
        if known.exists():
            pairs = json.loads(known.read_text(encoding="utf-8"))
        else:
            found = really(values, paths, child)
            if not all(isinstance(seen, Seen) for seen in found.values()):
                return found
            pairs = [[again, seen.value] for again, seen in found.items()]
            part = folder / f"{known.name}.{tmp_path_factory.getbasetemp().name}"
            part.write_text(json.dumps(pairs), encoding="utf-8")
            part.replace(known)
        return {
            again: Seen(value=value, evidence=trial.EVIDENCE, how="estimated")
            for again, value in pairs
        }

    monkeypatch.setattr(trial, "asked", asked)


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
