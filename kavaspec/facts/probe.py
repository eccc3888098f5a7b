"""What a probe is, and what it may look at."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from kavaspec.facts.model import Fact, How, NotFound, Observation
from kavaspec.plain import Plain, freeze

COMMAND_TIMEOUT_S = 20


class NoAnswer(Exception):
    """Something that was asked (a command, a child process) gave no usable answer, and why."""

    def __init__(self, because: str, *, hint: str | None = None) -> None:
        super().__init__(because)
        self.because, self.hint = because, hint


class Child(Protocol):
    """The child process that may import torch."""

    def missing(self) -> str | None:
        """The first package that it would need and that is not installed."""

    def ask(self, question: Mapping[str, object], *, timeout_s: float) -> Mapping[str, object]:
        """The child's answer.

        Raises:
            NoAnswer: when torch is not installed, or the child crashed or took too long.
        """


@dataclass(frozen=True, kw_only=True, slots=True)
class Machine:
    """All that probes may look at. Tests hand over a pretend one."""

    env: Mapping[str, str]
    child: Child
    report: Callable[[str], None]
    """Called before something slow, with what is being done."""
    root: Path = Path("/")
    """Where `proc` and `sys` are."""
    system: str = field(default_factory=lambda: platform.system().lower())
    cpu: str = field(default_factory=platform.machine)
    """`x86_64`, `AMD64`, `arm64`, `aarch64`."""

    def read(self, path: str) -> str | None:
        """The text of a small system file, or None when there is none to read."""
        try:
            return (self.root / path).read_text(encoding="utf-8", errors="replace")
        except OSError:
            return None

    def run(self, *argv: str) -> str:
        """What a command prints.

        Raises:
            NoAnswer: when it is not on the PATH, fails, or takes too long.
        """
        program = shutil.which(argv[0], path=self.env.get("PATH", ""))
        if program is None:
            raise NoAnswer(f"{argv[0]} is not on the PATH")
        try:
            ran = subprocess.run(
                [program, *argv[1:]],
                capture_output=True,
                text=True,
                errors="replace",
                timeout=COMMAND_TIMEOUT_S,
                env={**_system_env(), **self.env},
                stdin=subprocess.DEVNULL,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise NoAnswer(f"{argv[0]} did not answer within {COMMAND_TIMEOUT_S} s") from None
        except OSError as error:
            raise NoAnswer(f"{argv[0]} cannot be started: {error.strerror}") from error
        if ran.returncode != 0:
            said = (ran.stderr.strip() or ran.stdout.strip() or "nothing").splitlines()[0]
            raise NoAnswer(f"{argv[0]} failed with {ran.returncode}: {said}")
        return ran.stdout


def _system_env() -> dict[str, str]:
    """What Windows needs to start any process at all."""
    return {name: os.environ[name] for name in ("SYSTEMROOT",) if name in os.environ}


@dataclass(frozen=True, kw_only=True, slots=True)
class Probe:
    """Looks at one thing and brings home facts."""

    name: str
    version: int
    facts: tuple[str, ...]
    """Names of all facts it answers for: each is in its observation, as a fact or as not found."""
    observe: Callable[[Machine], Observation]

    @property
    def id(self) -> str:
        return f"{self.name}@{self.version}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """One value as a probe saw it, before it is signed with the probe's name."""

    value: Plain
    evidence: str
    how: How = "measured"


@dataclass(frozen=True, kw_only=True, slots=True)
class Missing:
    """Why a probe could not establish a fact."""

    because: str
    hint: str | None = None


def sign(
    probe: str,
    seen: Mapping[str, Seen | Missing],
    *,
    of: Mapping[str, Plain] | None = None,
) -> Observation:
    """What a probe saw, by fact name, as facts that carry its name."""
    facts: dict[str, Fact] = {}
    not_found: list[NotFound] = []
    for name, item in seen.items():
        if isinstance(item, Missing):
            not_found.append(
                NotFound(fact=name, probe=probe, because=item.because, hint=item.hint),
            )
        else:
            value = freeze(item.value)
            facts[name] = Fact(
                value=value,
                how=item.how,
                probe=probe,
                evidence=item.evidence,
                of=of or {},
            )
    return Observation(facts=facts, not_found=tuple(not_found))


def all_missing(
    probe: str,
    names: Sequence[str],
    because: str,
    *,
    hint: str | None = None,
) -> Observation:
    """None of a probe's facts could be established, for one reason."""
    return sign(probe, dict.fromkeys(names, Missing(because=because, hint=hint)))
