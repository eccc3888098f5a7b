"""A fact file is input, as kava.toml is: who edits it makes the lock stale, and `check` says where and why."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from kavaspec.cli import main
from kavaspec.compile import _better_known
from kavaspec.facts import assumed
from kavaspec.facts.file import read_facts, write_facts
from kavaspec.facts.model import Fact
from kavaspec.lock.file import read_lock

ROOT = Path(__file__).parents[2]


MARKED = "<<<<<<< HEAD\n    value: 16\n=======\n    value: 32\n>>>>>>> other\n"


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
    assert [re.sub("  +", "  ", line) for line in lines[:8]] == [
        "error[KV0301]: kava.lock is stale",
        (
            "  fact.gpu.memory_bytes (a100)  85899345920 (80 GiB) -> 21474836480 (20 GiB)  "
            "../facts/a100-slurm.yaml:137:3  the fact file says so"
        ),
        "  train.gradient_checkpointing (a100)  false, as before  follows fact.gpu.memory_bytes",
        "  train.micro_batch (a100)  32 -> 4  follows fact.gpu.memory_bytes",
        "  train.accumulation (a100)  1 -> 8  follows train.micro_batch",
        "  train.optimizer_state_dtype (a100)  float32, as before  follows fact.gpu.memory_bytes",
        "  train.param_dtype (a100)  float32, as before  follows fact.gpu.memory_bytes",
        "  234 of 239 decisions are as they were",
    ]
    assert lines[8].startswith(
        "target a100: experiment kx1:59b69422 (provisional), "
        "numerics kn1:640de5ea (provisional); would become numerics kn1:"
    )
    assert lines[-1] == "fix: kavaspec lock"


def test_locking_again_is_the_repair(pair: Path, capsys: pytest.CaptureFixture[str]):
    edit_fact(pair / "../facts/a100-slurm.yaml", "fact.gpu.memory_bytes", "80GiB", "20GiB")
    others = read_lock(pair / "kava.lock").targets
    assert run(capsys, "lock")[0] == 0
    assert run(capsys, "check")[0] == 0
    after = read_lock(pair / "kava.lock").targets
    assert after["a100"].decisions["train.micro_batch"].value == 4
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
            "21474836480 (20 GiB): the fact file says so; with it "
            "train.gradient_checkpointing (a100) false, as before, train.micro_batch (a100) 32 -> 4, "
            "train.accumulation (a100) 1 -> 8, train.optimizer_state_dtype (a100) float32, as before, "
            "train.param_dtype (a100) float32, as before. Fix: kavaspec lock\n"
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


def test_a_fact_file_that_is_not_here_leaves_what_was_recorded_and_says_so(
    locked: Path, capsys: pytest.CaptureFixture[str]
):
    """A lock stands on its own: `check` works where only it and its spec were copied to."""
    (locked / "cpu-avx512bf16.yaml").unlink()
    code, text = run(capsys, "check")
    assert code == 0
    assert text.endswith(
        "note: cpu-avx512bf16.yaml is not here: what the lock recorded of cpu stands\n"
    )
    assert run(capsys, "lock")[0] == 8


def test_a_merge_that_was_not_finished_in_a_fact_file(
    locked: Path, capsys: pytest.CaptureFixture[str]
):
    path = locked / "cpu-avx512bf16.yaml"
    edit_fact(path, "fact.cpu.cores", "    value: 16\n", MARKED)
    line = path.read_text(encoding="utf-8").splitlines().index("<<<<<<< HEAD") + 1
    code, text = run(capsys, "check")
    assert code == 2
    assert text == (
        "error[KV0202]: this line is left from a merge that was not finished\n"
        f"  --> cpu-avx512bf16.yaml:{line}:1\n"
        f"   {line} | <<<<<<< HEAD\n"
        "      | ^^^^^^^^^^^^ keep one side, or what is true of both, and remove the markers\n"
    )


def test_an_assumption_of_a_file_goes_when_the_file_has_it_no_more(
    locked: Path, capsys: pytest.CaptureFixture[str]
):
    path = locked / "cpu-avx512bf16.yaml"
    edit_fact(path, "fact.cpu.cores", "how: declared", "how: assumed")
    assert run(capsys, "lock")[0] == 0
    text = path.read_text(encoding="utf-8")
    block = re.search(r"(?m)^  fact\.cpu\.cores:\n(?:    .*\n)+", text)
    assert block is not None
    path.write_text(text.replace(block[0], ""), encoding="utf-8")
    assert run(capsys, "check")[0] == 3


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


# ---- what is only declared about models and data


def test_what_is_seen_no_better_never_replaces_what_is_known():
    measured = Fact(value="m", how="measured", probe="p@1")
    declared, other = (Fact(value=it, how="declared", probe="p@1") for it in "do")
    assert _better_known({"a": declared}, {"a": other}) == {"a": declared}
    assert _better_known({"a": declared}, {"a": measured}) == {"a": measured}
    assert _better_known({"a": measured}, {"a": other}) == {"a": measured}
    assert _better_known({}, {"a": other}) == {"a": other}


@pytest.mark.slow
def test_locking_again_settles_it_whatever_lies_in_the_folder(
    pair: Path, capsys: pytest.CaptureFixture[str]
):
    """Only config.json is here, so its digest is declared, by the folder and by a fact file."""
    config = pair / "models/qwen2.5-0.5b-instruct/config.json"
    edit(config, '"rope_theta": ', '"rope_theta_was": 1, "rope_theta": 9')
    before = (pair / "kava.lock").read_bytes()
    assert run(capsys, "check")[0] == 0
    assert run(capsys, "lock")[0] == 0
    assert (pair / "kava.lock").read_bytes() == before, "digests are taken as recorded"

    assert run(capsys, "facts", "--spec", "kava.toml", "--save", "models")[0] == 0
    edit(pair / "kava.toml", 'name = "', 'facts = ["facts/models.yaml"]\n\nname = "')
    assert run(capsys, "check")[0] == 3
    assert run(capsys, "lock")[0] == 0
    assert run(capsys, "check")[0] == 0
    edit_fact(pair / "facts/models.yaml", "fact.student.digest", "sha256:", "sha256:00")
    text = (pair / "facts/models.yaml").read_text(encoding="utf-8")
    (pair / "facts/models.yaml").write_text(
        re.sub(r"(sha256:00[0-9a-f]{62})[0-9a-f]{2}", r"\1", text), encoding="utf-8"
    )
    assert run(capsys, "check")[0] == 3
    assert run(capsys, "lock")[0] == 0
    assert run(capsys, "check")[0] == 0


def test_what_was_measured_stands_before_what_a_file_declares_and_that_is_said(
    locked: Path, capsys: pytest.CaptureFixture[str]
):
    lock = read_lock(locked / "kava.lock")
    digest = lock.facts["fact.student.digest"]
    facts = {
        "fact.student.digest": Fact(
            value="sha256:" + "c" * 64, how="declared", probe=digest.probe, of=digest.of
        )
    }
    write_facts(locked / "models.yaml", facts, note="By hand.")
    edit(locked / "kava.toml", "name = ", 'facts = "models.yaml"\n\nname = ')
    code, text = run(capsys, "check")
    assert code == 0
    assert text.splitlines()[-1] == (
        f"note: models.yaml declares fact.student.digest = sha256:{'c' * 64}; "
        f"{digest.value} was measured, and stands"
    )


# ---- annotations


@pytest.mark.parametrize("inside", [True, False], ids=["in-the-repository", "elsewhere"])
def test_annotations_are_told_from_the_top_of_the_repository(
    pair: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, inside: bool
):
    top = pair.parents[1] if inside else pair / "models"
    monkeypatch.setenv("GITHUB_WORKSPACE", str(top))
    edit_fact(pair / "../facts/a100-slurm.yaml", "fact.gpu.memory_bytes", "80GiB", "20GiB")
    code, text = run(capsys, "check", "--format", "github")
    assert code == 3
    named = "examples/facts/a100-slurm.yaml" if inside else "../facts/a100-slurm.yaml"
    assert text.startswith(f"::error file={named},line=137,")


def test_what_leaves_nothing_to_compare_is_annotated_too(
    pair: Path, capsys: pytest.CaptureFixture[str]
):
    edit_fact(pair / "../facts/a100-slurm.yaml", "fact.gpu.memory_bytes", "80GiB", "lots")
    assert main(["check", "--format", "github"]) == 2
    captured = capsys.readouterr()
    assert captured.out == (
        "::error file=../facts/a100-slurm.yaml,line=138,col=5,endColumn=10,title=KV0204%3A error::"
        "fact.gpu.memory_bytes: expected a whole number (bytes), for example 80GiB, got lots. "
        "write null where there is none\n"
    )
    assert captured.err.startswith("error[KV0204]: fact.gpu.memory_bytes: expected a whole number")


def test_a_value_that_cannot_be_is_not_to_be_repaired_by_locking(
    pair: Path, capsys: pytest.CaptureFixture[str]
):
    edit(pair / "kava.toml", "global_batch = 32", "global_batch = 32\n\nwarmup_steps = 999")
    code, text = run(capsys, "check", "--format", "github")
    assert code == 7
    assert "Fix: kavaspec lock" not in text
