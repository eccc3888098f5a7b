"""Every documented exit code, produced by a command: scripts and schedulers branch on them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from kavaspec.cli import main
from kavaspec.errors import Exit
from kavaspec.events import End
from kavaspec.lock.model import Here
from kavaspec.preflight import Verdict

Patch = pytest.MonkeyPatch


def edit(name: str, old: str, new: str) -> None:
    path = Path(name)
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def ok(_: Patch) -> list[str]:
    return ["check"]


def ended(status: str) -> Callable[[Patch], list[str]]:
    """A run that passed preflight and ended somehow."""

    def run(patch: Patch) -> list[str]:
        here = Here(
            target="cpu",
            kx="",
            kn="",
            lock_text="",
            run_folder=Path("run"),
            teacher=None,
            student=None,
            data=None,
            device_index=0,
            resume=False,
            allow_numerics=False,
            rehearse=False,
            stop_after=None,
            judge_at_most=None,
            facts={},
        )
        Path("run").mkdir()
        end = End(status=status, reason="made up", step=3, result={})  # type: ignore[arg-type]
        patch.setattr(
            "kavaspec.cli.run.preflight", lambda *_, **__: Verdict(rows=(), here=here, target="cpu")
        )
        patch.setattr("kavaspec_runtime.run.run", lambda *_: end)
        return ["run", "kava.lock"]

    return run


def usage(_: Patch) -> list[str]:
    edit("kava.toml", "seed = 0", "sede = 0")
    return ["lock"]


def stale(_: Patch) -> list[str]:
    edit("kava.toml", "seed = 0", "seed = 1")
    return ["check"]


def drift(_: Patch) -> list[str]:
    """A guard of the lock does not hold: this machine has another Python than any that is."""
    text = Path("cpu-avx512bf16.yaml").read_text(encoding="utf-8")
    assert '"3.11"' in text or "'3.11'" in text
    for quote in "\"'":
        text = text.replace(f"{quote}3.11{quote}", f"{quote}2.7{quote}")
    Path("cpu-avx512bf16.yaml").write_text(text, encoding="utf-8")
    assert main(["lock"]) == 0
    return ["run", "kava.lock"]


def unlocked(_: Patch) -> list[str]:
    return ["run", "kava.toml"]


def broken(_: Patch) -> list[str]:
    edit("kava.lock", "value: 72\n", "value: 96\n")
    return ["check"]


def unsatisfiable(_: Patch) -> list[str]:
    edit("kava.toml", "warmup_steps = 50", "warmup_steps = 5000")
    return ["lock"]


def environment(_: Patch) -> list[str]:
    Path("kava.toml").unlink()
    return ["lock"]


def differs(old: str, new: str) -> Callable[[Patch], list[str]]:
    def run(_: Patch) -> list[str]:
        Path("before.lock").write_bytes(Path("kava.lock").read_bytes())
        edit("kava.toml", old, new)
        assert main(["lock"]) == 0
        return ["diff", "before.lock", "kava.lock"]

    return run


PRODUCERS: dict[Exit, Callable[[Patch], list[str]]] = {
    Exit.OK: ok,
    Exit.FAILED: ended("failed"),
    Exit.USAGE: usage,
    Exit.STALE: stale,
    Exit.DRIFT: drift,
    Exit.UNLOCKED: unlocked,
    Exit.BROKEN: broken,
    Exit.UNSATISFIABLE: unsatisfiable,
    Exit.ENVIRONMENT: environment,
    Exit.DIFF_PLACEMENT: differs('name = "arithmetic"', 'name = "other"'),
    Exit.DIFF_NUMERICS: differs('precision = "auto"', 'precision = "bfloat16"'),
    Exit.DIFF_EXPERIMENT: differs("seed = 0", "seed = 1"),
    Exit.INTERRUPTED: ended("interrupted"),
}


def test_every_documented_code_has_a_producer():
    assert set(PRODUCERS) == set(Exit)


@pytest.mark.parametrize("code", PRODUCERS, ids=lambda code: code.name.lower())
def test_the_command_ends_with_it(code: Exit, locked: Path, monkeypatch: Patch):
    words = PRODUCERS[code](monkeypatch)
    assert main(words) == code


LONG = "x" * 300


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["check", "kava.lock/x"], "kava.lock/x cannot be read: Not a directory"),
        (["check", "--spec", LONG], f"{LONG} cannot be used: File name too long"),
        (["why", "train.seed", "--lock", LONG], f"{LONG} cannot be read: File name too long"),
        (["tui", LONG], f"{LONG} cannot be used: File name too long"),
    ],
    ids=["a-file-as-a-folder", "a-long-spec", "a-long-lock", "a-long-run"],
)
def test_a_path_that_the_system_refuses_is_no_bug(
    words: list[str], message: str, locked: Path, capsys: pytest.CaptureFixture[str]
):
    assert main(words) == Exit.ENVIRONMENT
    assert capsys.readouterr().err == (
        f"error[KV0001]: {message}\n  correct the path, or its permissions\n"
    )
