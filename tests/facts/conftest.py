"""A pretend machine: its files under a folder, its commands on a PATH of their own, no torch."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from kavaspec.facts.probe import Machine, NoAnswer


class NoTorch:
    """A child that cannot start, because torch is not installed."""

    def missing(self) -> str | None:
        return "torch"

    def ask(self, question: Mapping[str, object], *, timeout_s: float) -> Mapping[str, object]:
        raise NoAnswer("torch is not installed", hint="pip install 'kavaspec[runtime]'")


class Answers:
    """A child that gives prepared answers, by what is asked."""

    def __init__(self, **answers: Mapping[str, object] | NoAnswer) -> None:
        self.answers, self.asked = answers, []

    def missing(self) -> str | None:
        return None

    def ask(self, question: Mapping[str, object], *, timeout_s: float) -> Mapping[str, object]:
        self.asked.append(question)
        answer = self.answers[question["ask"]]
        if isinstance(answer, NoAnswer):
            raise answer
        return answer


class Pretend:
    """Builds a machine from texts of files and scripts of commands."""

    def __init__(self, folder: Path) -> None:
        self.root, self.bin = folder / "root", folder / "bin"
        self.root.mkdir()
        self.bin.mkdir()
        self.reports: list[str] = []

    def file(self, path: str, text: str) -> None:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")

    def command(self, name: str, body: str) -> None:
        """A command on the pretend PATH; `body` is Python, run with the arguments in `args`."""
        script = self.bin / name
        script.write_text(f"#!{sys.executable} -IS\nimport sys\nargs = sys.argv[1:]\n{body}\n")
        script.chmod(script.stat().st_mode | stat.S_IXUSR)

    def machine(
        self,
        *,
        env: Mapping[str, str] | None = None,
        system: str = "linux",
        cpu: str = "x86_64",
        child: object | None = None,
    ) -> Machine:
        return Machine(
            env={"PATH": str(self.bin), **(env or {})},
            child=child or NoTorch(),
            report=self.reports.append,
            root=self.root,
            system=system,
            cpu=cpu,
        )


@pytest.fixture
def pretend(tmp_path: Path) -> Pretend:
    if os.name == "nt":
        pytest.skip("pretend commands are scripts with a #! line, which Windows does not run")
    return Pretend(tmp_path)


@pytest.fixture
def answers() -> Callable[..., Answers]:
    return Answers
