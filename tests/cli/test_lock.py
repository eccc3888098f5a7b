"""kavaspec lock: from recorded facts, without torch; what it prints, and what it leaves alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kavaspec.cli import main
from kavaspec.cli.app import spec_and_lock


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_locking_twice_is_a_no_op(locked: Path, capsys: pytest.CaptureFixture[str]):
    before = (locked / "kava.lock").read_bytes()
    assert main(["lock"]) == 0
    assert (locked / "kava.lock").read_bytes() == before
    assert "unchanged: kava.lock" in capsys.readouterr().out


def test_a_row_says_key_value_tier_and_why(locked: Path, capsys: pytest.CaptureFixture[str]):
    main(["lock"])
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    [row] = [row for row in rows if "train.precision" in row]
    assert " ".join(row) == (
        "~ train.precision float32 numerics matrices of a student of 348384 parameters are too "
        "small for bfloat16 to pay"
    )


def test_dry_run_writes_nothing(locked: Path, capsys: pytest.CaptureFixture[str]):
    edit(locked / "kava.toml", "seed = 0", "seed = 5")
    before = (locked / "kava.lock").read_bytes()
    assert main(["lock", "--dry-run"]) == 0
    assert (locked / "kava.lock").read_bytes() == before
    assert "would write kava.lock" in capsys.readouterr().out


def test_literal_and_auto_that_give_the_same_value_give_the_same_ids(
    locked: Path, capsys: pytest.CaptureFixture[str]
):
    main(["lock"])
    auto = capsys.readouterr().out.splitlines()[-2]
    edit(locked / "kava.toml", 'layers = "auto"', "layers = [0, 1, 2]")
    main(["lock"])
    literal = capsys.readouterr().out.splitlines()[-2]
    assert auto == literal
    assert "kx1:" in auto


def test_places_and_names_do_not_count_for_the_ids(
    locked: Path, capsys: pytest.CaptureFixture[str]
):
    main(["lock"])
    before = capsys.readouterr().out.splitlines()[-2]
    edit(locked / "kava.toml", 'name = "arithmetic"', 'name = "other"')
    edit(locked / "kava.toml", 'output = "auto"', 'output = ["/elsewhere"]')
    main(["lock", "--set", "loader.workers=1", "--set", "checkpoint.every=7"])
    assert capsys.readouterr().out.splitlines()[-2] == before


def test_the_micro_batch_belongs_to_the_numerics(locked: Path, capsys: pytest.CaptureFixture[str]):
    main(["lock"])
    before = capsys.readouterr().out.splitlines()[-2].split()
    edit(locked / "kava.toml", 'micro_batch = "auto"', "micro_batch = 4")
    main(["lock"])
    after = capsys.readouterr().out.splitlines()[-2].split()
    assert before[3] == after[3]
    assert before != after


def test_json_holds_every_decision(locked: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["lock", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "kavaspec.lock/1"
    assert document["decisions"]["cpu"]["train.precision"]["value"] == "float32"
    assert document["written"] is False


def test_what_was_set_and_is_not_set_again_is_said(
    locked: Path, capsys: pytest.CaptureFixture[str]
):
    assert main(["lock", "--set", "train.steps=60", "--set", 'paths.output=["a b"]']) == 0
    capsys.readouterr()
    assert main(["lock"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "no longer set: train.steps; to keep it, lock with: --set train.steps=60" in lines
    kept = """--set 'paths.output=["a b"]'"""
    assert f"no longer set: paths.output; to keep it, lock with: {kept}" in lines


@pytest.mark.parametrize(
    ("old", "new", "code", "message"),
    [
        ('precision = "auto"', 'precison = "auto"', 2, "error[KV0104]: train.precison is not a key"),
        ("steps = 1000", 'steps = "1000"', 2, 'error[KV0106]: train.steps is the string "1000"; expected an integer >= 1 or "auto"'),
        ("seed = 0", 'seed = "auto"', 2, 'error[KV0108]: train.seed cannot be "auto": it is part of the experiment, which no machine decides'),
        ('micro_batch = "auto"', "micro_batch = 3", 7, "error[KV0701]: train.accumulation cannot be decided: global_batch = 16 is not a multiple of 3 (micro_batch) x 1 (world) = 3\n  --> kava.toml:"),
        ('micro_batch = "auto"', "micro_batch = { auto = true, min = 32 }", 7, "error[KV0702]: train.micro_batch: min = 32 leaves no value; possible here: 1, 2, 4, 8, 16 "),
        ('precision = "auto"', 'precision = "float16"', 7, "error[KV0735]: float16 does not train on cpu: CPUs have no float16 training path\n  --> kava.toml:"),
        ('facts = "cpu-avx512bf16.yaml"', 'facts = "gone.yaml"', 8, "error[KV0201]: "),
        ('source = "builtin:tiny-teacher"', 'source = "./gone"', 8, "error[KV0206]: ./gone (model) is not on this machine"),
        ('source = "builtin:tiny-teacher"', 'source = "builtin:tiny-teecher"', 2, "error[KV0207]: builtin:tiny-teecher is not a builtin model"),
        ('layers = "auto"', "layers = []", 2, 'error[KV0106]: objective.kv.layers is an empty list; expected a list of integers >= 0 or "auto"'),
        ('teacher_dim = "auto"', "teacher_dim = []", 2, 'error[KV0106]: objective.kv.teacher_dim is an empty list; expected an integer >= 1 or a list of integers >= 1 or "auto"'),
        ('student_dim = "auto"', "student_dim = []", 2, 'error[KV0106]: objective.kv.student_dim is an empty list; expected an integer >= 1 or a list of integers >= 1 or "auto"'),
        ('student_dim = "auto"', "projector = { hidden_dim = [] }", 2, 'error[KV0106]: objective.kv.projector.hidden_dim is an empty list; expected an integer >= 1 or a list of integers >= 1 or "auto"'),
        ("global_batch = 16", f"global_batch = {2**62}", 2, f"error[KV0106]: train.global_batch is the number {2**62}; expected an integer >= 1 and <= 10000000"),
        ('source = "builtin:arithmetic"', 'source = "gone.jsonl"', 8, "error[KV0206]: gone.jsonl (data) is not on this machine"),
    ],
    ids=["unknown-key", "wrong-type", "auto-not-allowed", "indivisible", "impossible-limit", "dtype-on-device", "no-fact-file", "no-model", "no-builtin", "empty-layers", "empty-teacher-dim", "empty-student-dim", "empty-hidden-dim", "huge-batch", "no-data"],
)  # fmt: skip
def test_a_bad_spec_gets_a_message_a_code_and_nothing_is_written(
    locked: Path, capsys: pytest.CaptureFixture[str], old: str, new: str, code: int, message: str
):
    before = (locked / "kava.lock").read_bytes()
    edit(locked / "kava.toml", old, new)
    assert main(["lock"]) == code
    captured = capsys.readouterr()
    assert message in captured.err
    assert "Traceback" not in captured.err
    assert (locked / "kava.lock").read_bytes() == before
    assert not list(locked.glob("*.tmp"))


def test_a_fact_that_no_key_can_hold_is_named_before_it_reaches_the_lock(
    locked: Path, capsys: pytest.CaptureFixture[str]
):
    """It would be in a lock that no kavaspec reads."""
    edit(locked / "cpu-avx512bf16.yaml", "value: 2.13.0", "value: 2.13 beta")
    before = (locked / "kava.lock").read_bytes()
    assert main(["lock"]) == 8
    assert capsys.readouterr().err == (
        "error[KV0227]: software.torch would be 2.13 beta, by fact.torch.version; expected a word of "
        "letters, digits and `_.:@/+-`\n"
        "  correct it in the fact file, observe it again with --refresh, or write software.torch in "
        "kava.toml\n"
    )
    assert (locked / "kava.lock").read_bytes() == before


def test_an_error_shows_the_line_with_a_caret(locked: Path, capsys: pytest.CaptureFixture[str]):
    edit(locked / "kava.toml", 'precision = "auto"', 'precison = "auto"')
    main(["lock"])
    text = (locked / "kava.toml").read_text(encoding="utf-8")
    line = next(n for n, words in enumerate(text.splitlines(), 1) if "precison" in words)
    assert capsys.readouterr().err == (
        "error[KV0104]: train.precison is not a key\n"
        f"  --> kava.toml:{line}:1\n"
        f'   {line} | precison = "auto"\n'
        f"   {' ' * len(str(line))} | ^^^^^^^^ did you mean train.precision?\n"
        "  fix: kavaspec fix\n"
    )


def test_problems_as_json(locked: Path, capsys: pytest.CaptureFixture[str]):
    edit(locked / "kava.toml", 'precision = "auto"', 'precison = "auto"')
    assert main(["lock", "--json"]) == 2
    document = json.loads(capsys.readouterr().out)
    assert document["problems"][0]["hint"] == "did you mean train.precision?"


@pytest.mark.parametrize("setting", ["train.world=3", "objective.kv.layers=[0, 99]"])
def test_one_cause_is_one_message(locked: Path, capsys: pytest.CaptureFixture[str], setting: str):
    assert main(["lock", "--set", setting]) == 7
    assert capsys.readouterr().err.count("error[") == 1


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["-o", "kava.toml"], 2, "error[KV0004]: kava.toml exists and is not a lock\n  choose another name with -o; nothing was changed\n"),
        (["-o", "."], 8, "error[KV0002]: cannot write .: it is a folder\n  name a file with -o\n"),
        (["."], 8, "error[KV0002]: . is a folder, not a spec\n  name the file: kavaspec lock FOLDER/kava.toml\n"),
    ],
    ids=["over-the-spec", "over-a-folder", "a-folder"],
)  # fmt: skip
def test_nothing_but_a_lock_is_replaced(
    locked: Path, capsys: pytest.CaptureFixture[str], words: list[str], code: int, message: str
):
    before = (locked / "kava.toml").read_bytes()
    assert main(["lock", *words]) == code
    assert capsys.readouterr().err == message
    assert (locked / "kava.toml").read_bytes() == before


def test_a_text_with_a_line_end_stays_on_one_line(locked: Path, capsys: pytest.CaptureFixture[str]):
    main(["lock", "--all"])
    [row] = [line for line in capsys.readouterr().out.splitlines() if " data.prompt " in line]
    assert '"{question}\\n"' in row


def test_a_long_line_is_shown_around_the_mistake(locked: Path, capsys: pytest.CaptureFixture[str]):
    edit(locked / "kava.toml", "steps = 1000", f'steps = "{"x" * 5000}"')
    main(["lock"])
    assert max(map(len, capsys.readouterr().err.splitlines())) < 200


@pytest.mark.parametrize("rest", ["", "# kava.lock: written by `kavaspec lock`.\n", "\n"])
def test_an_empty_file_and_the_head_of_a_lock_may_be_replaced(rest: str, tmp_path: Path):
    (tmp_path / "kava.toml").touch()
    lock = tmp_path / "kava.lock"
    lock.write_text(rest, encoding="utf-8")
    assert spec_and_lock(tmp_path / "kava.toml", None) == (tmp_path / "kava.toml", lock)
