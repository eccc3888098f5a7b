"""kavaspec check: fresh, or every reason why not; it never writes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kavaspec.cli import main
from kavaspec.cli.check import lock_command
from kavaspec.cli.marks import Mark, github_line
from kavaspec.errors import Where


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
    assert text.splitlines() == [
        "error[KV0301]: kava.lock is stale",
        "  train.steps                1000 -> 2000            kava.toml:35:1  kava.toml changed it",
        "    checkpoint.every         100 -> 200                              follows train.steps",
        "    train.teacher_placement  same_device, as before                  follows train.steps",
        "  104 of 107 decisions are as they were",
        (
            "target cpu: experiment kx1:5880820d, numerics kn1:00e6be8f (provisional); "
            "would become experiment kx1:091fd2eb"
        ),
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
    lines = [line.split("  ") for line in text.splitlines()]
    told = [[part.strip() for part in line if part.strip()] for line in lines]
    assert told[1:7] == [
        [
            "model.teacher.source",
            "builtin:tiny-teacher -> ./another",
            "kava.toml:15:1",
            "kava.toml changed it",
        ],
        [
            "fact.teacher.digest",
            "has to be seen anew",
            'seen for model.teacher.source = "builtin:tiny-teacher"',
        ],
        ["model.teacher.digest", "not known yet", "waits for fact.teacher.digest"],
        [
            "fact.teacher.kv_layout",
            "has to be seen anew",
            'seen for model.teacher.source = "builtin:tiny-teacher"',
        ],
        ["objective.kv.layer_map", "not known yet", "waits for fact.teacher.kv_layout"],
        [
            "objective.kv.teacher_dim",
            "not known yet",
            "waits for fact.teacher.kv_layout, objective.kv.layer_map",
        ],
    ]
    assert told[-1] == ["fix: kavaspec lock"]


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
    [reason] = document["reasons"]
    assert (reason["key"], reason["kind"], reason["old"], reason["new"]) == (
        "train.seed",
        "changed",
        0,
        5,
    )
    assert (reason["where"]["line"], reason["because"], reason["below"]) == (
        47,
        "kava.toml changed it",
        [],
    )
    assert document["ids_after"]["cpu"]["kx"] != document["ids"]["cpu"]["kx"]
    assert document["fix"] == "kavaspec lock"


def test_annotations_stand_at_the_line_of_the_cause(
    locked: Path, capsys: pytest.CaptureFixture[str]
):
    edit(locked / "kava.toml", "steps = 1000", "steps = 2000")
    code, text = run(capsys, "--format", "github")
    assert code == 3
    assert text == (
        "::error file=kava.toml,line=35,col=1,endColumn=6,title=KV0301%3A the lock is stale::"
        "train.steps 1000 -> 2000: kava.toml changed it; with it checkpoint.every 100 -> 200, "
        "train.teacher_placement same_device, as before. "
        "Fix: kavaspec lock\n"
    )


def test_an_annotation_of_a_fresh_lock_says_nothing(
    locked: Path, capsys: pytest.CaptureFixture[str]
):
    assert run(capsys, "--format", "github") == (0, "")


def test_an_annotation_says_what_is_impossible(locked: Path, capsys: pytest.CaptureFixture[str]):
    edit(locked / "kava.toml", 'micro_batch = "auto"', "micro_batch = 3")
    code, text = run(capsys, "--format", "github")
    assert code == 7
    assert "title=KV0701%3A error::train.accumulation cannot be decided" in text


def test_no_text_breaks_out_of_an_annotation():
    where = Where(path="a,b:c.toml", line=1, column=2, width=3)
    mark = Mark(where=where, code="KV0301", title="x", text="100%\n::error::")
    assert github_line(mark) == (
        "::error file=a%2Cb%3Ac.toml,line=1,col=2,endColumn=5,title=KV0301%3A x::100%25%0A::error::"
    )


def test_for_code_scanning(locked: Path, capsys: pytest.CaptureFixture[str]):
    code, text = run(capsys, "--format", "sarif")
    [fresh] = json.loads(text)["runs"]
    assert (code, fresh["results"]) == (0, [])
    edit(locked / "kava.toml", "steps = 1000", "steps = 2000")
    code, text = run(capsys, "--format", "sarif")
    [told] = json.loads(text)["runs"]
    assert code == 3
    assert [rule["id"] for rule in told["tool"]["driver"]["rules"]] == ["KV0301"]
    [result] = told["results"]
    assert result["message"]["text"] == (
        "train.steps 1000 -> 2000: kava.toml changed it; with it checkpoint.every 100 -> 200, "
        "train.teacher_placement same_device, as before. "
        "Fix: kavaspec lock"
    )
    [place] = result["locations"]
    assert place["physicalLocation"] == {
        "artifactLocation": {"uri": "kava.toml"},
        "region": {"startLine": 35, "startColumn": 1, "endColumn": 6},
    }


def test_what_cannot_be_read_is_a_result_of_code_scanning_too(
    locked: Path, capsys: pytest.CaptureFixture[str]
):
    edit(locked / "kava.toml", "steps = 1000", "steps = many")
    assert main(["check", "--format", "sarif"]) == 2
    [told] = json.loads(capsys.readouterr().out)["runs"]
    assert [it["ruleId"] for it in told["results"]] == ["KV0101"]


def test_the_fix_carries_everything_that_the_lock_was_made_with():
    assert lock_command(Path("kava.toml"), Path("kava.lock"), {}) == "kavaspec lock"
    assert lock_command(Path("a b.toml"), Path("c.lock"), {"train.steps": 3, "name": "x y"}) == (
        "kavaspec lock 'a b.toml' -o c.lock --set train.steps=3 --set 'name=\"x y\"'"
    )


def test_settings_of_the_lock_are_a_layer_of_the_spec(
    locked: Path, capsys: pytest.CaptureFixture[str]
):
    assert main(["lock", "--set", "train.steps=60"]) == 0
    capsys.readouterr()
    assert run(capsys)[0] == 0
    assert "  train.steps: {value: 60, seal:" in (locked / "kava.lock").read_text(encoding="utf-8")


def test_what_was_set_on_the_command_line_is_told(locked: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["lock", "--set", "train.seed=4"]) == 0
    capsys.readouterr()
    code, text = run(capsys)
    assert code == 0
    assert text.splitlines()[1] == "  with --set train.seed=4"
