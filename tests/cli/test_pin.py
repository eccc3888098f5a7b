"""kavaspec pin: a value goes into kava.toml at the right line; everything else there stays as it was."""

from __future__ import annotations

import difflib
import json
import shutil
from pathlib import Path

import pytest

from kavaspec.cli import main
from kavaspec.lock.file import read_lock
from kavaspec.lock.ids import ids
from kavaspec.spec.load import parse_spec
from kavaspec.spec.schema import keys

ROOT = Path(__file__).parents[2]


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    code = main([*words])
    captured = capsys.readouterr()
    return code, captured.out + captured.err


def changed(before: str, after: str) -> list[str]:
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm="")
    return [line for line in lines if not line.startswith(("---", "+++", "@@"))]


@pytest.fixture
def text(locked: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("NO_COLOR", "1")
    return (locked / "kava.toml").read_text(encoding="utf-8")


def test_the_locked_value_is_written_and_both_ids_stay(
    locked: Path, text: str, capsys: pytest.CaptureFixture[str]
):
    before = ids(read_lock(locked / "kava.lock"), "cpu")
    code, told = run(capsys, "pin", "train.precision")
    assert code == 0
    line = text.splitlines().index(next(it for it in text.splitlines() if "precision" in it)) + 1
    assert told == f'instead of kava.toml:{line}:\n  precision = "float32"\nnext: kavaspec lock\n'
    [old, new] = changed(text, (locked / "kava.toml").read_text(encoding="utf-8"))
    assert old.startswith('-precision = "auto"')
    assert new.startswith('+precision = "float32"')
    assert run(capsys, "lock")[0] == 0
    after = ids(read_lock(locked / "kava.lock"), "cpu")
    assert (after.kx, after.kn) == (before.kx, before.kn), "a literal and a decision are one value"


def test_another_value_and_back(locked: Path, text: str, capsys: pytest.CaptureFixture[str]):
    assert run(capsys, "pin", "train.micro_batch=8")[0] == 0
    assert run(capsys, "lock")[0] == 0
    assert read_lock(locked / "kava.lock").values("cpu")["train.micro_batch"] == 8
    assert run(capsys, "pin", "train.micro_batch=auto")[0] == 0
    assert run(capsys, "lock")[0] == 0
    block = read_lock(locked / "kava.lock").targets["cpu"].decisions["train.micro_batch"]
    assert block.by.startswith("micro_batch@")


def test_for_one_target(locked: Path, text: str, capsys: pytest.CaptureFixture[str]):
    assert run(capsys, "pin", "train.threads=4", "--target", "cpu")[0] == 0
    spec = parse_spec((locked / "kava.toml").read_text(encoding="utf-8"), "kava.toml", set={})
    assert spec.targets["cpu"].asked["train.threads"].value == 4
    assert changed(text, (locked / "kava.toml").read_text(encoding="utf-8")) == [
        "+",
        "+[targets.cpu.train]",
        "+threads = 4",
    ]


def test_targets_that_differ_ask_for_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    monkeypatch.chdir(tmp_path / "examples/qwen2.5")
    monkeypatch.setenv("NO_COLOR", "1")
    assert run(capsys, "pin", "train.micro_batch") == (
        2,
        (
            "error[KV0007]: train.micro_batch is 32 on a100, 4 on cpu, 2 on m2max, 1 on rtx4070\n"
            "  name one: --target a100\n"
        ),
    )
    assert run(capsys, "pin", "train.micro_batch", "--target", "m2max")[0] == 0
    assert "micro_batch = 2" in Path("kava.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["train.precison"],
            "error[KV0009]: there is no key train.precison\n  did you mean train.precision?\n",
        ),
        (
            ["train.seed=auto"],
            (
                "error[KV0106]: train.seed is never decided by lock\n"
                "  take its line out of kava.toml, and the default stands again\n"
            ),
        ),
        (
            ["train.seed", "--target", "cpu"],
            (
                "error[KV0007]: train.seed is part of the experiment, which all targets share\n"
                "  leave out --target\n"
            ),
        ),
        (
            ["train.threads=4", "--target", "cpus"],
            "error[KV0007]: there is no target cpus\n  did you mean cpu?\n",
        ),
    ],
    ids=["no-such-key", "never-auto", "experiment-for-a-target", "no-such-target"],
)
def test_what_cannot_be_written_is_not(
    locked: Path,
    text: str,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    message: str,
):
    assert run(capsys, "pin", *words) == (2, message)
    assert (locked / "kava.toml").read_text(encoding="utf-8") == text


def test_a_value_that_the_key_does_not_take_is_shown_at_the_line_it_would_have(
    locked: Path, text: str, capsys: pytest.CaptureFixture[str]
):
    code, told = run(capsys, "pin", "train.micro_batch=many")
    assert code == 2
    assert told.startswith('error[KV0106]: train.micro_batch is the string "many"; expected ')
    assert (locked / "kava.toml").read_text(encoding="utf-8") == text


def test_shown_and_not_written(locked: Path, text: str, capsys: pytest.CaptureFixture[str]):
    code, told = run(capsys, "pin", "train.precision", "--dry-run", "--json")
    record = json.loads(told)
    assert (code, record["value"], record["written"]) == (0, "float32", False)
    assert (locked / "kava.toml").read_text(encoding="utf-8") == text


def test_every_key_of_a_lock_can_be_pinned_and_nothing_else_changes(
    locked: Path, text: str, capsys: pytest.CaptureFixture[str]
):
    """Each alone: the spec then says that one value, and for the rest what it said before."""
    lock = read_lock(locked / "kava.lock")
    values = lock.values("cpu")
    before = parse_spec(text, "kava.toml", set={})
    for key, value in values.items():
        assert run(capsys, "pin", key)[0] == 0, key
        after = (locked / "kava.toml").read_text(encoding="utf-8")
        spec = parse_spec(after, "kava.toml", set={})
        asked = spec.asked(key, "cpu")
        assert asked is not None
        assert asked.value == value, key
        for other in values:
            if other != key and keys()[other].name == other:
                was, now = before.asked(other, "cpu"), spec.asked(other, "cpu")
                assert (was and (was.auto, was.value)) == (now and (now.auto, now.value)), other
        (locked / "kava.toml").write_text(text, encoding="utf-8")
