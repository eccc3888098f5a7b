"""kavaspec why: the arithmetic is printed, and it is right."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kavaspec.cli import main
from kavaspec.explain import explain_all
from kavaspec.lock.file import read_lock
from kavaspec.spec.load import load_spec

ROOT = Path(__file__).parents[2]


def test_the_width_of_the_cache_with_its_arithmetic(
    locked: Path, capsys: pytest.CaptureFixture[str]
):
    assert main(["why", "objective.kv.teacher_dim"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("objective.kv.teacher_dim = [64 x 3]  features\n  because  ")
    assert "heads x head_dim  = 2 * 32  = 64" in text


def test_a_value_that_the_machine_decided(locked: Path, capsys: pytest.CaptureFixture[str]):
    main(["why", "train.precision"])
    text = capsys.readouterr().out
    assert "because  matrices of a student of 348384 parameters are too small for bfloat16" in text
    assert "    float16   CPUs have no float16 training path" in text
    assert 'to override it, write in kava.toml:  [train] precision = "float32"' in text


def test_a_mistyped_key_gets_the_nearest_one(locked: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["why", "train.precison"]) == 2
    assert capsys.readouterr().err == (
        "error: train.precison is not decided in kava.lock\n  did you mean train.precision?\n"
    )


def test_several_targets_need_a_name(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(ROOT / "examples/qwen2.5")
    monkeypatch.setenv("NO_COLOR", "1")
    assert main(["why", "train.precision"]) == 2
    assert "the lock has several targets: a100, cpu, m2max, rtx4070" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("key", "value"), [("objective.kv.teacher_dim", 7168), ("objective.kv.student_dim", 3072)]
)
def test_the_original_pair(
    key: str, value: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(ROOT / "examples/qwen2.5")
    assert main(["why", key, "--target", "rtx4070", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["explanation"]["value"] == value


@pytest.mark.parametrize("folder", ["examples/qwen2.5"])
def test_all_printed_arithmetic_evaluates_to_what_it_says(folder: str):
    path = ROOT / folder / "kava.lock"
    lock = read_lock(path)
    spec = load_spec(path.with_suffix(".toml"), set=lock.set)
    checked = 0
    for explanations in explain_all(spec, lock, evidence={}).values():
        for explanation in explanations.values():
            for term in explanation.terms:
                assert eval(term.formula, {"__builtins__": {"min": min, "max": max}}) == term.value
                checked += 1
    assert checked > 20


def test_every_decision_of_every_target_can_be_explained():
    path = ROOT / "examples/qwen2.5/kava.lock"
    lock = read_lock(path)
    spec = load_spec(path.with_suffix(".toml"), set=lock.set)
    explained = explain_all(spec, lock, evidence={})
    for target in lock.targets:
        assert set(explained[target]) == set(lock.blocks(target))
        for key, told in explained[target].items():
            assert told.because, key
            assert told.meaning, key


def test_a_spec_that_moved_on_does_not_change_what_was_locked(
    locked: Path, capsys: pytest.CaptureFixture[str]
):
    text = (locked / "kava.toml").read_text(encoding="utf-8")
    (locked / "kava.toml").write_text(text.replace("steps = 1000", "steps = 7"), encoding="utf-8")
    assert main(["why", "train.steps"]) == 0
    captured = capsys.readouterr()
    assert captured.out.startswith("train.steps = 1000")
    assert captured.err == "note: kava.toml has changed since; this is what is locked\n"


def test_a_lock_explains_itself_without_its_spec(locked: Path, capsys: pytest.CaptureFixture[str]):
    (locked / "kava.toml").unlink()
    assert main(["why", "train.precision"]) == 0
    assert "numerics, by precision@1, as locked" in capsys.readouterr().out
