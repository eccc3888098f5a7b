"""The lock as data: every decision of an experiment, and of each target it may run on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from kavaspec.facts.model import How
from kavaspec.plain import Plain

LOCK_VERSION = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class LockedFact:
    """A fact that some decision rests on, as the lock keeps it: without its evidence."""

    value: Plain
    how: How
    probe: str
    of: Mapping[str, Plain] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Block:
    """One decision, as the lock keeps it: what is needed to prove it, without prose."""

    value: Plain
    by: str
    inputs: Mapping[str, Plain] = field(default_factory=dict)
    guard: tuple[str, ...] = ()
    provisional: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """What one place to run adds: its facts, and its numerics and placement decisions."""

    facts: Mapping[str, LockedFact]
    decisions: Mapping[str, Block]


@dataclass(frozen=True, kw_only=True, slots=True)
class Lock:
    """The whole of kava.lock. Mappings are sorted by name."""

    version: int
    set: Mapping[str, Plain]
    """What `--set` added to the spec when it was locked."""
    facts: Mapping[str, LockedFact]
    """Facts about models and data, the same on every target."""
    experiment: Mapping[str, Block]
    targets: Mapping[str, Target]
    checks: int = 1
    """The version of the set of checks that judged it, and from which its guards come."""

    def blocks(self, target: str) -> Mapping[str, Block]:
        """All decisions of one target, experiment included, sorted by key."""
        merged = {**self.experiment, **self.targets[target].decisions}
        return MappingProxyType(dict(sorted(merged.items())))

    def facts_of(self, target: str) -> Mapping[str, LockedFact]:
        """All facts of one target, those of the experiment included, sorted by name."""
        merged = {**self.facts, **self.targets[target].facts}
        return MappingProxyType(dict(sorted(merged.items())))

    def values(self, target: str) -> Mapping[str, Plain]:
        """Key -> value: all that a runtime may know about what to do."""
        return MappingProxyType({key: block.value for key, block in self.blocks(target).items()})


@dataclass(frozen=True, kw_only=True, slots=True)
class Here:
    """Where the things of a lock were found on this machine, by preflight. Chooses nothing."""

    target: str
    kx: str
    kn: str
    lock_text: str
    """The bytes of kava.lock, kept in the run folder."""
    run_folder: Path
    teacher: Path | None
    """Folder with config.json, weights and tokenizer, or a `.gguf` file."""
    student: Path | None
    """The same for the student; None when it is made from the teacher."""
    data: Path | None
    """Folder or file; None for a builtin."""
    device_index: int
    """Which of several accelerators."""
    resume: bool
    allow_numerics: bool
    """`--allow numerics`: a resume may go on with other numerics than the run began with."""
    rehearse: bool
    """The micro-batch is provisional: confirm it with one step at the longest shape."""
    stop_after: int | None
    """`--smoke N`: stop after so many steps."""
    judge_at_most: int | None
    """Held-out rows that a smoke run is judged on at most; None: as many as the lock says."""
    facts: Mapping[str, Plain]
    """What preflight measured, for the receipt."""
    cache: Path | None = None
    """Where things are kept that can be made again; None when nothing of this lock is."""
