"""kavaspec check: fresh, or every reason why not; it never writes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kavaspec.cli import main


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    code = main(["check", *words])
    captured = capsys.readouterr()
    return code, captured.out + captured.err


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_a_fresh_lock(locked: Path, capsys: pytest.CaptureFixture[str]):
    code, text = run(capsys)
    assert code == 0
    assert text.startswith("kava.lock is fresh: 107 decisions derived again, all equal\n")


def test_comments_order_and_quotes_change_nothing(locked: Path, capsys: pytest.CaptureFixture[str]):
    text = (locked / "kava.toml").read_text(encoding="utf-8")
    (locked / "kava.toml").write_text(
        "# hello\n" + text.replace('"kv" ', "'kv' "), encoding="utf-8", newline="\r\n"
    )
    assert run(capsys)[0] == 0


def test_what_changed_stands_first_and_what_follows_is_indented_under_it(
    locked: Path, capsys: pytest.CaptureFixture[str]
):
    edit(locked / "kava.toml", "steps = 1000", "steps = 2000")
    code, text = run(capsys)
    assert code == 3
    assert text.splitlines()[:4] == [
        "kava.lock is stale",
        "  train.steps               1000 -> 2000  kava.toml changed it",
        "    checkpoint.every (cpu)  100 -> 200    follows train.steps",
        "fix: kavaspec lock",
    ]


def test_every_changed_key_is_reported(locked: Path, capsys: pytest.CaptureFixture[str]):
    edit(locked / "kava.toml", "seed = 0", "seed = 5")
    edit(locked / "kava.toml", "warmup_steps = 50", "warmup_steps = 60")
    code, text = run(capsys)
    assert code == 3
    assert "train.seed" in text
    assert "train.warmup_steps" in text


def test_a_value_written_by_hand_takes_over_from_its_rule(
    locked: Path, capsys: pytest.CaptureFixture[str]
):
    edit(locked / "kava.toml", 'precision = "auto"', 'precision = "bfloat16"')
    code, text = run(capsys)
    assert code == 3
    assert "kava.toml decides it now" in text


def test_another_model_means_that_recorded_facts_are_about_something_else(
    locked: Path, capsys: pytest.CaptureFixture[str]
):
    edit(locked / "kava.toml", 'source = "builtin:tiny-teacher"', 'source = "./another"')
    code, text = run(capsys)
    assert code == 3
    assert (
        "fact.teacher.digest was observed for something else than what kava.toml names now" in text
    )


def test_a_new_target_is_missing_from_the_lock(locked: Path, capsys: pytest.CaptureFixture[str]):
    with (locked / "kava.toml").open("a", encoding="utf-8") as file:
        file.write('\n[targets.big]\nfacts = "big.yaml"\n')
    code, text = run(capsys)
    assert code == 3
    assert "kava.toml has a new target" in text


def test_a_spec_that_became_impossible_says_so(locked: Path, capsys: pytest.CaptureFixture[str]):
    edit(locked / "kava.toml", 'micro_batch = "auto"', "micro_batch = 3")
    code, text = run(capsys)
    assert code == 7
    assert "train.micro_batch" in text


def test_check_changes_no_file(locked: Path, capsys: pytest.CaptureFixture[str]):
    before = {path.name: path.read_bytes() for path in locked.iterdir()}
    run(capsys)
    edit(locked / "kava.toml", "seed = 0", "seed = 5")
    before["kava.toml"] = (locked / "kava.toml").read_bytes()
    run(capsys)
    assert {path.name: path.read_bytes() for path in locked.iterdir()} == before


def test_json(locked: Path, capsys: pytest.CaptureFixture[str]):
    edit(locked / "kava.toml", "seed = 0", "seed = 5")
    code, text = run(capsys, "--json")
    document = json.loads(text)
    assert (document["schema"], document["fresh"], document["exit"], code) == (
        "kavaspec.check/1",
        False,
        3,
        3,
    )
    assert document["changes"][0] == {
        "key": "train.seed", "target": "", "old": "0", "new": "5",
        "because": "kava.toml changed it", "follows": None,
    }  # fmt: skip


def test_settings_of_the_lock_are_a_layer_of_the_spec(
    locked: Path, capsys: pytest.CaptureFixture[str]
):
    assert main(["lock", "--set", "train.steps=60"]) == 0
    capsys.readouterr()
    assert run(capsys)[0] == 0
    assert "  train.steps: {value: 60, seal:" in (locked / "kava.lock").read_text(encoding="utf-8")
