"""The first session of a new user, with real processes: init, lock, why, check, run, resume, tui."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from story import ROOT, Answer, environment, interrupt, kavaspec, settings, start, wait_for

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the embedded default, locked once for all tests of this file."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "kava.toml").write_text(
        (ROOT / "kava.toml").read_text(encoding="utf-8"), encoding="utf-8"
    )
    answer = kavaspec(folder, "lock", *settings())
    assert answer.code == 0, answer.err
    return folder


def run_folder(answer: Answer) -> Path:
    [line] = [line for line in answer.out.splitlines() if line.startswith("run folder: ")]
    return Path(line.removeprefix("run folder: "))


def test_init_writes_a_spec_that_locks(tmp_path: Path):
    assert kavaspec(tmp_path, "init").out == (
        "wrote kava.toml and kava.schema.json, with which editors complete it; "
        "next: kavaspec lock kava.toml\n"
    )
    again = kavaspec(tmp_path, "init")
    assert (again.code, again.err) == (
        2,
        "error[KV0004]: there is already a kava.toml\n  nothing was changed\n",
    )
    answer = kavaspec(tmp_path, "lock")
    assert answer.code == 0, answer.err
    assert "wrote kava.lock" in answer.out


def test_a_run_trains_exports_and_leaves_a_receipt(folder: Path):
    answer = kavaspec(folder, "run", "kava.lock", "--run", "first")
    assert answer.code == 0, answer.err
    assert "finished after step 6: all 6 steps are done" in answer.out
    assert "cosine to a teacher that read another row" in answer.out
    left = {path.name for path in run_folder(answer).iterdir()}
    assert {
        "kava.lock",
        "events.jsonl",
        "digest.jsonl",
        "checkpoints",
        "receipt.json",
        "student",
        "projector.safetensors",
    } <= left


def test_a_finished_run_is_not_overwritten(folder: Path):
    kavaspec(folder, "run", "kava.lock", "--run", "once")
    again = kavaspec(folder, "run", "kava.lock", "--run", "once")
    assert again.code == 8
    assert "--run" in again.err


def test_a_spec_is_not_run(folder: Path):
    answer = kavaspec(folder, "run", "kava.toml")
    assert answer.code == 5
    assert answer.err == (
        "error[KV0501]: kava.toml is a spec, not a lock\n"
        "  lock it first: kavaspec lock kava.toml; then: kavaspec run kava.lock\n"
    )


def test_an_edited_lock_is_not_run(folder: Path):
    text = (folder / "kava.lock").read_text(encoding="utf-8")
    (folder / "edited.lock").write_text(
        text.replace("value: cosine", "value: mse", 1), encoding="utf-8"
    )
    answer = kavaspec(folder, "run", "edited.lock")
    assert answer.code == 6
    assert "was edited by hand: its seal does not fit" in answer.err


def test_a_lock_cut_between_two_blocks_is_not_run(folder: Path):
    text = (folder / "kava.lock").read_text(encoding="utf-8")
    cut = text[: text.index("      train.threads:")].rstrip("\n") + "\n"
    (folder / "cut.lock").write_text(cut, encoding="utf-8")
    answer = kavaspec(folder, "run", "cut.lock")
    assert answer.code == 6
    assert "the lock is not complete: " in answer.err


def test_drift_is_one_table_and_exit_4(folder: Path):
    """A lock for more cores than are here: its guard fails, by name."""
    from kavaspec.lock.file import lock_text, read_lock
    from tests.this_machine import with_facts

    far = with_facts(read_lock(folder / "kava.lock"), {"fact.cpu.cores": 4096})
    (folder / "big.lock").write_text(lock_text(far), encoding="utf-8")
    answer = kavaspec(folder, "run", "big.lock")
    assert answer.code == 4
    assert "NO  train.threads " in answer.out
    assert "train.threads needs fact.cpu.cores >= 4096, here is " in answer.err


def test_ctrl_c_saves_and_resume_gives_the_same_bits(folder: Path):
    """Interrupted after a step, resumed to the end: weights and digests equal an undisturbed run."""
    whole = kavaspec(folder, "run", "kava.lock", "--run", "whole")
    assert whole.code == 0, whole.err
    events = (
        run_folder(whole).with_name(run_folder(whole).name.replace("whole", "broken"))
        / "events.jsonl"
    )
    process = start(folder, "run", "kava.lock", "--run", "broken")
    wait_for(events, '"ev":"step"', count=1)
    interrupt(process)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 85, err
    assert "go on: the same command with --resume" in out
    resumed = kavaspec(folder, "run", "kava.lock", "--run", "broken", "--resume")
    assert resumed.code == 0, resumed.err
    assert "resume verified: bitwise" in resumed.out
    for name in ("student/model.safetensors", "projector.safetensors"):
        assert (events.parent / name).read_bytes() == (run_folder(whole) / name).read_bytes()

    def digests(run: Path) -> dict[int, str]:
        lines = (run / "digest.jsonl").read_text(encoding="utf-8").splitlines()
        return {json.loads(line)["step"]: line for line in lines}

    assert digests(events.parent) == digests(run_folder(whole))


def test_a_second_ctrl_c_stops_at_once(folder: Path):
    answer = kavaspec(folder, "lock", "-o", "long.lock", *settings(train__steps="500"))
    assert answer.code == 0, answer.err
    process = start(folder, "run", "long.lock", "--run", "twice")
    [runs] = [folder / "runs" / "arithmetic"]
    while not (found := list(runs.glob("*-twice/events.jsonl"))):
        assert process.poll() is None
    wait_for(found[0], '"ev":"step"')
    interrupt(process)
    time.sleep(0.4)  # longer than the echo of one press
    interrupt(process)
    _, err = process.communicate(timeout=60)
    # where the first press has already ended the run, Python itself dies of the second
    assert process.returncode in (85, -signal.SIGINT)
    assert "Traceback" not in err


def test_the_state_of_a_run_without_a_terminal(folder: Path):
    run = run_folder(kavaspec(folder, "run", "kava.lock", "--run", "seen"))
    once = kavaspec(folder, "tui", str(run), "--once")
    assert once.code == 0
    assert "DONE" in once.out
    assert "\x1b" not in once.out


def test_a_smoke_run_stops_early_in_a_folder_of_its_own(folder: Path):
    answer = kavaspec(folder, "run", "kava.lock", "--smoke", "2")
    assert answer.code == 0, answer.err
    assert run_folder(answer).name.endswith("-smoke")
    assert "a smoke run is judged on 8 held-out rows and 0 questions only" in answer.out


def test_events_as_json_lines(folder: Path):
    answer = kavaspec(folder, "run", "kava.lock", "--run", "json", "--json")
    assert answer.code == 0, answer.err
    first, *lines = [json.loads(line) for line in answer.out.splitlines()]
    assert (first["schema"], first["ok"]) == ("kavaspec.preflight/1", True)
    kinds = [line["ev"] for line in lines]
    assert (kinds[0], kinds[-1], kinds.count("step")) == ("run", "end", 6)


def test_json_of_every_command_says_what_it_is(folder: Path):
    run = run_folder(kavaspec(folder, "run", "kava.lock", "--run", "named"))
    said = {
        words: json.loads(kavaspec(folder, *words.split(), "--json").out)["schema"]
        for words in (
            "check",
            "why train.precision",
            "lock --dry-run",
            "facts",
            "tui",
            f"tui {run}",
        )
    }
    assert said == {words: f"kavaspec.{words.split()[0]}/1" for words in said}


def test_exported_student_loads_as_any_other_model(folder: Path):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    run = run_folder(kavaspec(folder, "run", "kava.lock", "--run", "exported"))
    model = AutoModelForCausalLM.from_pretrained(run / "student")
    assert model.config.num_hidden_layers == 3
    assert AutoTokenizer.from_pretrained(run / "student")("1 + 1")["input_ids"]


def test_a_second_smoke_run_replaces_the_first(folder: Path):
    for _ in range(2):
        answer = kavaspec(folder, "run", "kava.lock", "--smoke", "1")
        assert answer.code == 0, answer.err


def test_a_run_beside_the_dashboard_in_a_real_terminal(folder: Path):
    """`run --tui` draws, the run goes on as a process of its own, and ends as any other."""
    socket = f"kavaspec-{os.getpid()}"
    words = [sys.executable, "-m", "kavaspec", "run", "kava.lock", "--run", "beside", "--tui"]

    def tmux(*more: str) -> str:
        ran = subprocess.run(
            ["tmux", "-L", socket, "-f", os.devnull, *more],
            cwd=folder,
            env={**environment(), "TERM": "tmux-256color", "LC_ALL": "C.UTF-8"},
            capture_output=True,
            text=True,
            encoding="utf-8",
        )
        return ran.stdout

    tmux("new-session", "-d", "-s", "a", "-x", "80", "-y", "24", shlex.join(words))
    try:
        run = folder / "runs" / "arithmetic"
        end = time.monotonic() + 120
        while not list(run.glob("*-beside/receipt.json")) and time.monotonic() < end:
            time.sleep(0.5)
        while "DONE" not in (screen := tmux("capture-pane", "-pt", "a")) and time.monotonic() < end:
            time.sleep(0.5)
        assert "DONE arithmetic on here" in screen
        assert "loss" in screen
        tmux("send-keys", "-t", "a", "q")
    finally:
        tmux("kill-server")
