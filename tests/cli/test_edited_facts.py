"""A fact file is input, as kava.toml is: who edits it makes the lock stale, and `check` says where and why."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from kavaspec.cli import main
from kavaspec.facts import assumed
from kavaspec.facts.file import read_facts
from kavaspec.facts.model import Fact
from kavaspec.lock.file import read_lock

ROOT = Path(__file__).parents[2]


@pytest.fixture
def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The example with four targets, and the folder of their fact files beside it."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    here = tmp_path / "examples/qwen2.5"
    monkeypatch.chdir(here)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "200")
    return here


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    code = main([*words])
    captured = capsys.readouterr()
    return code, captured.out + captured.err


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text, old
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def edit_fact(path: Path, name: str, old: str, new: str) -> None:
    """Replace within the block of one fact."""
    head, _, tail = path.read_text(encoding="utf-8").partition(f"  {name}:\n")
    assert old in tail, old
    path.write_text(f"{head}  {name}:\n{tail.replace(old, new, 1)}", encoding="utf-8")


def test_an_edited_fact_is_a_cause_with_its_line(pair: Path, capsys: pytest.CaptureFixture[str]):
    edit_fact(pair / "../facts/a100-slurm.yaml", "fact.gpu.memory_bytes", "80GiB", "20GiB")
    code, text = run(capsys, "check")
    assert code == 3
    lines = text.splitlines()
    assert [re.sub("  +", "  ", line) for line in lines[:6]] == [
        "error[KV0301]: kava.lock is stale",
        (
            "  fact.gpu.memory_bytes (a100)  85899345920 (80 GiB) -> 21474836480 (20 GiB)  "
            "../facts/a100-slurm.yaml:137:3  the fact file says so"
        ),
        "  train.micro_batch (a100)  8 -> 2  follows fact.gpu.memory_bytes",
        "  train.accumulation (a100)  4 -> 16  follows train.micro_batch",
        "  237 of 239 decisions are as they were",
        (
            "target a100: experiment kx1:59b69422 (provisional), "
            "numerics kn1:60b4120f (provisional); would become numerics kn1:c377df79"
        ),
    ]
    assert lines[-1] == "fix: kavaspec lock"


def test_locking_again_is_the_repair(pair: Path, capsys: pytest.CaptureFixture[str]):
    edit_fact(pair / "../facts/a100-slurm.yaml", "fact.gpu.memory_bytes", "80GiB", "20GiB")
    others = read_lock(pair / "kava.lock").targets
    assert run(capsys, "lock")[0] == 0
    assert run(capsys, "check")[0] == 0
    after = read_lock(pair / "kava.lock").targets
    assert after["a100"].decisions["train.micro_batch"].value == 2
    assert all(after[name] == others[name] for name in others if name != "a100")


def test_a_pull_request_is_annotated_in_the_fact_file(
    pair: Path, capsys: pytest.CaptureFixture[str]
):
    edit_fact(pair / "../facts/a100-slurm.yaml", "fact.gpu.memory_bytes", "80GiB", "20GiB")
    assert run(capsys, "check", "--format", "github") == (
        3,
        (
            "::error file=../facts/a100-slurm.yaml,line=137,col=3,endColumn=24,"
            "title=KV0301%3A the lock is stale::fact.gpu.memory_bytes 85899345920 (80 GiB) -> "
            "21474836480 (20 GiB): the fact file says so; with it train.micro_batch (a100) 8 -> 2, "
            "train.accumulation (a100) 4 -> 16. Fix: kavaspec lock\n"
        ),
    )


def test_the_same_value_better_known_is_told_too(locked: Path, capsys: pytest.CaptureFixture[str]):
    """The lock would say so: what rests on it may be provisional no more."""
    edit_fact(locked / "cpu-avx512bf16.yaml", "fact.cpu.cores", "how: declared", "how: measured")
    code, text = run(capsys, "check", "--json")
    assert code == 3
    [reason] = [it for it in json.loads(text)["reasons"] if it["key"] == "fact.cpu.cores"]
    assert (reason["kind"], reason["new"], reason["because"]) == (
        "decided otherwise",
        16,
        "the fact file has it measured by datasheet@1; before declared by datasheet@1",
    )


def test_a_fact_that_is_gone_and_one_that_is_new(locked: Path, capsys: pytest.CaptureFixture[str]):
    path = locked / "cpu-avx512bf16.yaml"
    text = path.read_text(encoding="utf-8")
    block = re.search(r"(?m)^  fact\.python\.version:\n(?:    .*\n)+", text)
    assert block is not None
    path.write_text(text.replace(block[0], ""), encoding="utf-8")
    code, told = run(capsys, "check", "--json")
    assert code == 3
    [reason] = [it for it in json.loads(told)["reasons"] if it["key"] == "fact.python.version"]
    assert (reason["kind"], reason["old"]) == ("removed", "3.11")
    assert reason["because"] == "the fact file has it no more"
    assert reason["where"] is None
    assert run(capsys, "lock")[0] == 8, "software.python is auto, and nothing says it any more"

    edit(locked / "kava.toml", "[train]\n", '[software]\n\npython = "3.11"\n\n[train]\n')
    assert run(capsys, "lock")[0] == 0
    assert run(capsys, "check")[0] == 0
    path.write_text(text, encoding="utf-8")
    code, told = run(capsys, "check", "--json")
    assert code == 3, "a check holds the version that is written against the one that is there"
    [reason] = [it for it in json.loads(told)["reasons"] if it["key"] == "fact.python.version"]
    assert (reason["kind"], reason["new"]) == ("added", "3.11")
    assert reason["where"]["path"] == "cpu-avx512bf16.yaml"


def test_a_fact_file_that_is_not_here_leaves_what_was_recorded(
    locked: Path, capsys: pytest.CaptureFixture[str]
):
    """A lock stands on its own: `check` works where only it and its spec were copied to."""
    (locked / "cpu-avx512bf16.yaml").unlink()
    assert run(capsys, "check")[0] == 0
    assert run(capsys, "lock")[0] == 8


def test_a_mistake_in_a_fact_file_is_found_by_check_as_by_lock(
    locked: Path, capsys: pytest.CaptureFixture[str]
):
    edit_fact(locked / "cpu-avx512bf16.yaml", "fact.cpu.cores", "value: 16", "value: many")
    assert run(capsys, "check") == run(capsys, "lock")
    assert run(capsys, "check")[0] == 2


@pytest.mark.parametrize(
    "name", sorted(read_facts(ROOT / "examples/facts/cpu-avx512bf16.yaml")), ids=str
)
def test_check_is_fresh_exactly_when_locking_again_changes_nothing(
    locked: Path, capsys: pytest.CaptureFixture[str], name: str
):
    path = locked / "cpu-avx512bf16.yaml"
    text = path.read_text(encoding="utf-8")
    block = re.search(rf"(?m)^  {re.escape(name)}:\n(?:    .*\n)+", text)
    if block is None:
        assert name == "fact.memory.batch_table", "only what kavaspec assumes is in no file"
        return
    path.write_text(text.replace(block[0], ""), encoding="utf-8")
    before = (locked / "kava.lock").read_bytes()
    checked = run(capsys, "check")[0]
    code = run(capsys, "lock")[0]
    same = code == 0 and (locked / "kava.lock").read_bytes() == before
    assert (checked == 0) == same, (checked, code)


def test_what_a_newer_kavaspec_assumes_makes_no_lock_stale(
    locked: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    other = Fact(value=((0, 1),), how="assumed", probe="original_table@2")
    monkeypatch.setattr(assumed, "ASSUMED", {"fact.memory.batch_table": other})
    before = (locked / "kava.lock").read_bytes()
    assert run(capsys, "check")[0] == 0
    assert run(capsys, "lock")[0] == 0
    assert (locked / "kava.lock").read_bytes() == before
    assert run(capsys, "lock", "--refresh", "--target", "cpu")[0] == 0
    after = read_lock(locked / "kava.lock").targets["cpu"]
    assert after.facts["fact.memory.batch_table"].probe == "original_table@2"
