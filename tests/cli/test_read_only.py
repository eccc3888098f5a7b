"""What only reads changes nothing: no file, no mode, no time, in the project, at home or anywhere.

Every command is here, with every option it has: a new one that is not fails this page.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import typer

from kavaspec.cli import COMMANDS, main
from kavaspec.cli.app import build
from kavaspec.facts.child import TorchChild
from kavaspec.lock.file import lock_text
from kavaspec.lock.model import Lock
from tests.this_machine import fitting
from tests.tui import made_up
from tests.verify import altered

ROOT = Path(__file__).parents[2]

READS: Mapping[str, tuple[str, ...]] = {
    "check": (
        "kava.lock",
        "--spec kava.toml --json",
        "--format github",
    ),
    "why": (
        "train.micro_batch",
        "train",
        "fact.cpu.cores",
        "train.precision --not float16",
        "train.micro_batch --if fact.cpu.cores=2",
        "--if train.global_batch=32 --json",
        "fact.cpu.cores --uses",
        "train.device --lock kava.lock --spec kava.toml --target cpu --json",
    ),
    "diff": (
        "old.lock kava.lock",
        "old.lock kava.lock --target cpu --all",
        "HEAD:kava.lock kava.lock --markdown",
        "old.lock kava.lock --json",
    ),
    "plan": ("", "kava.lock --target cpu --world 1..4 --json"),
    "verify": ("finished", "finished other --json", "finished parted"),
    "calibrate": ("finished", "finished parted --json"),
    "facts": ("", "--json", "--model model --json", "--spec kava.toml"),
    "schema": ("", "--json", "--markdown"),
    "tui": ("--plain", "--once", "--json", "kava.lock --json", "run --once", "run --json"),
    "lock": (
        "--dry-run",
        "kava.toml -o kava.lock --target cpu --set train.steps=500 --dry-run --all",
        "--refresh --dry-run",
        "--upgrade all --dry-run --json",
    ),
    "fix": ("--dry-run", "kava.toml --dry-run --json"),
    "pin": (
        "train.micro_batch --dry-run",
        "train.micro_batch=8 --spec kava.toml --lock kava.lock --target cpu --dry-run --json",
    ),
}
"""Command -> the rest of the line. What writes without `--dry-run` is here with it."""

WRITES = {
    "init": "the spec that it is told to",
    "lock": "the lock",
    "fix": "the spec",
    "pin": "the spec",
    "facts": "with --save, a fact file",
    "calibrate": "with --save, one fact of a fact file",
    "run": "its run folder",
}
"""Command -> what it may write."""

NOT_READ = {
    "facts": {"--save", "--force", "--via", "--note"},
    "calibrate": {"--save"},
    "tui": set[str](),
}
"""Command -> options of its writing form."""


def digest(path: Path) -> str:
    if path.is_symlink():
        return f"-> {path.readlink()}"
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"


def tree(folder: Path) -> dict[str, tuple[str, int, int]]:
    """Every file and folder with content, mode and time of change."""
    return {
        path.relative_to(folder).as_posix(): (
            digest(path),
            path.lstat().st_mode,
            path.lstat().st_mtime_ns,
        )
        for path in sorted(folder.rglob("*"))
        if ".git" not in path.parts
    }


def git(folder: Path, *words: str) -> str:
    """A git command that takes no lock on the index: it is not the one that is tried."""
    env = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_OPTIONAL_LOCKS": "0"}
    who = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
    ran = subprocess.run(
        ["git", *who, *words], cwd=folder, env=env, capture_output=True, text=True, check=True
    )
    return ran.stdout


@pytest.fixture(scope="module")
def fresh() -> Lock:
    return fitting()


@pytest.fixture
def world(locked: Path, fresh: Lock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A committed project beside a home and a temporary folder, which are empty. No torch."""
    text = lock_text(fresh)
    seed = fresh.experiment["train.seed"]
    older = replace(fresh, experiment={**fresh.experiment, "train.seed": replace(seed, value=7)})
    (locked / "kava.lock").write_text(text, encoding="utf-8")
    (locked / "old.lock").write_text(lock_text(older), encoding="utf-8")
    (locked / "model").mkdir()
    teacher = ROOT / "kavaspec/builtin/tiny-teacher"
    for name in ("config.json", "tokenizer.json"):
        (locked / "model" / name).write_bytes((teacher / name).read_bytes())
    (locked / "run").mkdir()
    made_up.run_folder(locked / "run", made_up.lines(upto=60))
    for name, run in (("finished", "steady"), ("other", "resumed"), ("parted", "flipped")):
        altered.remembered(altered.copy(run, locked, name), tensors=2**30, process=2**31)
    git(locked, "init", "-q")
    git(locked, "add", "--all")
    git(locked, "commit", "-q", "-m", "all")
    for name, variable in (("home", "HOME"), ("tmp", "TMPDIR"), ("cache", "XDG_CACHE_HOME")):
        (locked.parent / f"{locked.name}-{name}").mkdir()
        monkeypatch.setenv(variable, str(locked.parent / f"{locked.name}-{name}"))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setattr(TorchChild, "missing", lambda _: "torch")
    yield locked
    monkeypatch.setattr("tempfile.tempdir", None)


def outside(world: Path) -> list[Path]:
    return [
        path
        for name in ("home", "tmp", "cache")
        for path in (world.parent / f"{world.name}-{name}").rglob("*")
    ]


FORMS = [(command, rest) for command, forms in READS.items() for rest in forms]


@pytest.mark.parametrize(("command", "rest"), FORMS, ids=lambda word: word.replace(" ", "_"))
def test_a_command_that_reads_leaves_everything_as_it_was(command: str, rest: str, world: Path):
    before, status = tree(world), git(world, "status", "--porcelain", "--ignored")
    ended = main([command, *rest.split()])
    without_torch = {8} if "--refresh" in rest else set()
    assert ended in {0, 3, 11, 12} | without_torch, "it did what it was asked for"
    assert tree(world) == before
    assert git(world, "status", "--porcelain", "--ignored") == status == ""
    assert outside(world) == []


def test_every_command_is_told_to_read_or_to_write():
    assert set(READS) | set(WRITES) == set(COMMANDS)


@pytest.mark.parametrize("command", READS)
def test_every_option_of_a_reading_command_is_tried(command: str):
    click = typer.main.get_command(build([command]))
    parameters = getattr(click, "commands", {command: click})[command].params
    names = {name for it in parameters for name in it.opts if name.startswith("--")}
    tried = {word for rest in READS[command] for word in rest.split() if word.startswith("-")}
    short = {"-o": "--output"}
    tried |= {short.get(word, word) for word in tried}
    missing = {
        it.name
        for it in parameters
        if any(name.startswith("-") for name in it.opts) and not {*it.opts} & tried
    }
    assert missing <= {name.removeprefix("--") for name in NOT_READ.get(command, ())}, names


def test_a_file_that_changes_is_seen(world: Path):
    before = tree(world)
    text = (world / "kava.toml").read_bytes()
    (world / "kava.toml").write_bytes(text)
    assert tree(world) != before, "written again with the same bytes"


# ---- run


@pytest.mark.parametrize("name", ["refused", "passed"])
def test_what_run_tries_before_it_trains_is_gone_again(
    name: str, world: Path, monkeypatch: pytest.MonkeyPatch
):
    before = tree(world)
    monkeypatch.setattr("kavaspec.cli.run._train", lambda *_, **__: 0)
    if name == "refused":
        monkeypatch.setenv("KAVA_OUTPUT_PATH", str(world / "kava.toml"))
    assert main(["run", "kava.lock"]) == (8 if name == "refused" else 0)
    assert tree(world) == before
    assert outside(world) == []


@pytest.mark.slow
@pytest.mark.parametrize("variable", [None, "KAVA_OUTPUT_PATH"])
def test_a_run_writes_its_run_folder_and_nothing_else(variable: str | None, world: Path):
    """A real one, with torch: not in the project, not at home, not in the cache."""
    output = world / "runs" if variable is None else world.parent / f"{world.name}-output"
    before = tree(world)
    env = {name: it for name, it in os.environ.items() if not name.startswith("KAVA_")}
    paths = os.pathsep.join(str(ROOT / part) for part in (".", "runtime", "tui"))
    env |= {"PYTHONPATH": paths, **({variable: str(output)} if variable else {})}
    ran = subprocess.run(
        [sys.executable, "-m", "kavaspec", "run", "kava.lock", "--smoke", "1"],
        cwd=world,
        env=env,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ran.returncode == 0, ran.stderr
    [run_folder] = [path.parent for path in output.rglob("receipt.json")]
    assert run_folder == output / "arithmetic/5880820d-cpu-smoke"
    written = {
        name for name in tree(output) if not name.startswith("arithmetic/5880820d-cpu-smoke")
    }
    assert written == {"arithmetic"}
    ours = {name: it for name, it in tree(world).items() if name.partition("/")[0] != "runs"}
    assert ours == before
    empty = [path for path in outside(world) if path.name.startswith("torchinductor_")]
    assert outside(world) == empty, "torch makes one folder for a compiler that is not asked"
