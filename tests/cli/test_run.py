"""`kavaspec run` before it trains: what it refuses, what it notes, and how its table looks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from kavaspec.cli import main
from kavaspec.lock.file import lock_text
from kavaspec.lock.model import Here, Lock
from kavaspec.sizes import spelled
from tests.this_machine import fitting

GIB = 2**30
AGAIN = "  derive it again with `kavaspec lock`, or restore it with `git checkout kava.lock`\n"
HASHING = "· hashing "


@pytest.fixture(scope="module")
def lock() -> Lock:
    return fitting()


@pytest.fixture
def folder(locked: Path, lock: Lock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A project whose lock fits here, on a machine with room. Nothing trains."""
    (locked / "kava.lock").write_text(lock_text(lock), encoding="utf-8")
    trained: list[Here] = []

    def train(_: Lock, here: Here, *__: object, **___: object) -> int:
        trained.append(here)
        return 0

    monkeypatch.setattr("kavaspec.cli.run._train", train)
    monkeypatch.setattr("psutil.virtual_memory", lambda: SimpleNamespace(available=16 * GIB))
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=64 * GIB))
    monkeypatch.setattr("shutil.get_terminal_size", lambda _: SimpleNamespace(columns=80))
    yield locked
    assert not list(locked.glob("runs/**/*.try*"))


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """Exit code, output, and messages without those of progress."""
    code = main(["run", "kava.lock", *words])
    captured = capsys.readouterr()
    lines = captured.err.splitlines(keepends=True)
    return code, captured.out, "".join(line for line in lines if not line.startswith(HASHING))


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def cut(path: Path, first: str, last: str) -> None:
    """Take out the lines from one text up to another."""
    text = path.read_text(encoding="utf-8")
    begin = text.index(first)
    path.write_text(text[:begin] + text[text.index(last, begin) :], encoding="utf-8")


# ---- the table


def table(lock: Lock) -> str:
    python, torch, transformers = (
        str(lock.values("cpu")[f"software.{name}"]) for name in ("python", "torch", "transformers")
    )
    facts = lock.facts_of("cpu")
    cores = str(facts["fact.cpu.cores"].value)
    memory = spelled(facts["fact.memory.total_bytes"].value, "bytes")
    rows = [
        ("  ", "preflight, target cpu", "lock", "here"),
        ("ok", "software.python", python, python),
        ("ok", "software.torch", torch, torch),
        ("ok", "software.transformers", transformers, transformers),
        ("ok", "train.micro_batch", "memory.total >= 921.9 MiB", memory),
        ("ok", "train.param_dtype", "memory.total >= 5.3 MiB", memory),
        ("ok", "train.threads", f"cpu.cores >= {cores}", cores),
        ("ok", "memory", "at least 49.3 MiB", "16 GiB free"),
        ("ok", "model.teacher.digest", "sha256:e832773c82ec", "sha256:e832773c82ec"),
        ("ok", "model.student.digest", "sha256:d9e006d91637", "sha256:d9e006d91637"),
        ("ok", "paths.output", "./runs", "runs/arithmetic/5880820d-cpu"),
        ("ok", "disk", "12.7 MiB", "64 GiB free"),
    ]
    return "".join(f"{a}  {b:<21}  {c:<25}  {d}\n" for a, b, c, d in rows)


def test_the_table_fits_into_80_columns_and_says_everything_with_its_unit(
    folder: Path, lock: Lock, capsys: pytest.CaptureFixture[str]
):
    code, out, err = run(capsys)
    assert (code, out, err) == (0, table(lock) + "\n", "")
    others = [line for line in out.splitlines() if "paths.output" not in line]
    assert max(map(len, others)) <= 80


def test_what_is_wrong_is_marked_and_then_said_in_full(
    folder: Path, capsys: pytest.CaptureFixture[str]
):
    (folder / "runs").write_text("", encoding="utf-8")
    code, out, err = run(capsys)
    assert code == 8
    assert (
        "NO  paths.output           $KAVA_OUTPUT_PATH, ./runs  no place that can be used\n" in out
    )
    assert err == (
        "error[KV0404]: no place for the run folder can be used: $KAVA_OUTPUT_PATH: not set here; "
        f"./runs: {folder}/runs is a file\n"
        "  set KAVA_OUTPUT_PATH to a folder that you may write to\n"
    )


def test_the_table_as_json_is_the_first_line(folder: Path, capsys: pytest.CaptureFixture[str]):
    code, out, _ = run(capsys, "--json")
    told = json.loads(out)
    assert code == 0
    assert (told["schema"], told["ok"], told["exit"]) == ("kavaspec.preflight/1", True, 0)
    assert (told["target"], told["notes"], told["problems"]) == ("cpu", [], [])
    assert told["run_folder"] == str(folder / "runs/arithmetic/5880820d-cpu")
    assert told["rows"][-1] == {
        "what": "disk",
        "lock": "12.7 MiB",
        "here": "64 GiB free",
        "ok": True,
    }


def test_a_refusal_as_json_is_one_line_too(folder: Path, capsys: pytest.CaptureFixture[str]):
    (folder / "runs").write_text("", encoding="utf-8")
    code, out, err = run(capsys, "--json")
    told = json.loads(out)
    assert (code, err) == (8, "")
    assert (told["ok"], told["exit"], told["run_folder"]) == (False, 8, None)
    assert [problem["code"] for problem in told["problems"]] == ["KV0404"]


# ---- the lock


def test_a_decision_that_was_cut_out_between_two_blocks(
    folder: Path, capsys: pytest.CaptureFixture[str]
):
    cut(folder / "kava.lock", "      train.threads:\n", "      train.world:\n")
    assert run(capsys) == (
        6,
        "",
        "error[KV0605]: the lock is not complete: it does not decide train.threads\n" + AGAIN,
    )


def test_a_fact_that_was_cut_out(folder: Path, capsys: pytest.CaptureFixture[str]):
    cut(folder / "kava.lock", "  fact.student.parameters:", "  fact.student.revision:")
    assert run(capsys) == (
        6,
        "",
        "error[KV0605]: the lock is not complete: it does not hold fact.student.parameters "
        "(for train.micro_batch, train.optimizer_state_dtype and 2 more)\n" + AGAIN,
    )


def test_a_guard_that_was_cut_out(folder: Path, lock: Lock, capsys: pytest.CaptureFixture[str]):
    cpu = lock.targets["cpu"]
    guard = cpu.decisions["train.threads"].guard[0]
    bare = replace(cpu.decisions["train.threads"], guard=())
    target = replace(cpu, decisions={**cpu.decisions, "train.threads": bare})
    text = lock_text(replace(lock, targets={"cpu": target}))
    (folder / "kava.lock").write_text(text, encoding="utf-8")
    assert run(capsys) == (
        3,
        "",
        "error[KV0302]: the lock does not follow from its own facts: 1 of its 107 decisions is "
        f"not what the rules give\n  train.threads: its guard {guard} is missing\n" + AGAIN,
    )


def test_a_lock_that_was_cut_is_never_said_to_be_behind_its_spec(
    folder: Path, capsys: pytest.CaptureFixture[str]
):
    """It is the lock that is wrong."""
    cut(folder / "kava.lock", "      train.threads:\n", "      train.world:\n")
    assert "kava.toml" not in "".join(map(str, run(capsys)))


# ---- the spec beside it


def notes(out: str) -> list[str]:
    return [line for line in out.splitlines() if line.startswith("note: ")]


OURS = "this run is what kava.lock says; see kavaspec check"


def test_a_spec_that_decides_otherwise_is_noted_and_the_lock_is_run(
    folder: Path, capsys: pytest.CaptureFixture[str]
):
    edit(folder / "kava.toml", "steps = 1000", "steps = 2000")
    code, out, _ = run(capsys)
    assert (code, notes(out)) == (0, [f"note: kava.toml decides 3 values otherwise; {OURS}"])


def test_a_spec_with_a_mistake(folder: Path, capsys: pytest.CaptureFixture[str]):
    edit(folder / "kava.toml", "steps = 1000", "stesp = 1000")
    code, out, _ = run(capsys)
    assert (code, notes(out)) == (0, [f"note: kava.toml has mistakes; {OURS}"])


def test_a_spec_without_the_target(folder: Path, capsys: pytest.CaptureFixture[str]):
    edit(folder / "kava.toml", "[targets.cpu]", "[targets.other]")
    code, out, _ = run(capsys)
    assert (code, notes(out)) == (0, [f"note: kava.toml has no target cpu; {OURS}"])


def test_another_target_of_the_spec_is_no_affair_of_this_run(
    folder: Path, capsys: pytest.CaptureFixture[str]
):
    with (folder / "kava.toml").open("a", encoding="utf-8") as file:
        file.write('\n[targets.more]\n\nfacts = "cpu-avx512bf16.yaml"\n')
    code, out, _ = run(capsys)
    assert (code, notes(out)) == (0, [])


def test_without_a_spec_there_is_nothing_to_note(folder: Path, capsys: pytest.CaptureFixture[str]):
    (folder / "kava.toml").unlink()
    code, out, err = run(capsys)
    assert (code, notes(out), err) == (0, [], "")


# ---- the command line


@pytest.mark.parametrize("name", ["../../elsewhere", "a/b", "", ".", "x" * 65, "a b"])
def test_the_name_of_a_run_is_part_of_one_folders_name(
    name: str, folder: Path, capsys: pytest.CaptureFixture[str]
):
    assert run(capsys, "--run", name) == (
        2,
        "",
        (
            f"error[KV0008]: --run {name}: this cannot be part of a folder's name\n"
            "  write letters, digits and . _ - (at most 64)\n"
        ),
    )


def test_a_smoke_run_has_nothing_to_resume(folder: Path, capsys: pytest.CaptureFixture[str]):
    assert run(capsys, "--smoke", "1", "--resume") == (
        2,
        "",
        (
            "error[KV0008]: --smoke starts in a throw-away folder, so there is nothing to resume\n"
            "  leave out one of the two\n"
        ),
    )


def test_an_unknown_target(folder: Path, capsys: pytest.CaptureFixture[str]):
    assert run(capsys, "--target", "a100") == (
        2,
        "",
        "error[KV0007]: the lock has no target a100; it has cpu\n  name one of them: --target cpu\n",
    )


# ---- the throw-away folder


def test_a_smoke_run_that_goes_on_is_not_emptied_by_the_next(
    folder: Path, capsys: pytest.CaptureFixture[str]
):
    import socket

    smoke = folder / "runs/arithmetic/5880820d-cpu-smoke"
    smoke.mkdir(parents=True)
    me, host = psutil.Process(), socket.gethostname()
    writer = {"pid": me.pid, "host": host, "started_s": me.create_time()}
    (smoke / "busy.json").write_text(json.dumps(writer), encoding="utf-8")
    (smoke / "run.json").write_text("{}", encoding="utf-8")
    code, _, err = run(capsys, "--smoke", "1")
    assert (code, err) == (
        8,
        (
            f"error[KV0807]: {smoke} is in use by process {me.pid} on {host}\n"
            "  wait for it, stop it, or start another with `--run NAME`\n"
        ),
    )
    assert sorted(path.name for path in smoke.iterdir()) == ["busy.json", "run.json"]
