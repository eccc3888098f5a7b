"""The spec as data: for every key that applies, what was asked and by whom."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from kavaspec.decision import ANYTHING, Allowed
from kavaspec.errors import Problem, Where
from kavaspec.plain import Plain, toml
from kavaspec.spec.key import Tier


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """What the spec says about one key: a value, or "decide it" within limits."""

    tier: Tier
    value: Plain
    """The value; without meaning while `auto` is true."""
    auto: bool
    allowed: Allowed = ANYTHING
    by: str
    """`spec`, `set`, `target`, `preset seed@1` or `default@1`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TargetSpec:
    """One named place to run."""

    facts: str | None
    """Path of its fact file, relative to the spec; None for the machine that locks."""
    asked: Mapping[str, Asked]
    """Every numerics and placement key, with this target's overrides in it."""


@dataclass(frozen=True, kw_only=True)
class Spec:
    """kava.toml, read and checked: all that was asked, nothing decided."""

    path: str
    text: str
    experiment: Mapping[str, Asked]
    targets: Mapping[str, TargetSpec]
    set: Mapping[str, Plain]
    facts: tuple[str, ...] = ()
    """Paths of fact files about models and data, relative to the spec."""
    preset: str = "safe"
    """`objective.preset`, which is no key: what it says stands in the keys."""

    def asked(self, key: str, target: str) -> Asked | None:
        """What was asked about a key on a target; None when the key does not apply."""
        return self.experiment.get(key) or self.targets[target].asked.get(key)

    def literal(self, key: str) -> Plain:
        """What is said about a key that every target shares; None where it is left to be decided."""
        asked = self.asked(key, next(iter(self.targets)))
        return None if asked is None or asked.auto else asked.value

    def placed_at(self, key: str, problem: Problem) -> Problem:
        """A problem that has no place yet, at a key."""
        return problem if problem.where else self.place(replace(problem, key=key))

    @cached_property
    def _spans(self) -> Mapping[tuple[str, ...], tuple[Where, Where]]:
        from kavaspec.spec.positions import spans

        return {
            dotted: (span.key, span.value) for dotted, span in spans(self.text, self.path).items()
        }

    def where(self, key: str, target: str | None = None) -> Where | None:
        """Where kava.toml speaks of a key, or None when it does not."""
        dotted = tuple(key.split("."))
        candidates = [("targets", target, *dotted), dotted] if target else [dotted]
        for candidate in candidates:
            if candidate in self._spans:
                return self._spans[candidate][0]
        return None

    def where_target(self, name: str) -> Where | None:
        """Where kava.toml opens the table of a target, or None when it does not."""
        span = self._spans.get(("targets", name))
        return span[0] if span else None

    def place(self, problem: Problem, target: str | None = None) -> Problem:
        """The problem with the place of what it is about: in kava.toml, or a `--set`.

        A limit of the key is shown before the key, and other keys where the key is not written.
        """
        key = problem.key
        if key is None or problem.where is not None or problem.setting is not None:
            return problem
        limits = [name for name in problem.about if name.startswith(f"{key}.")]
        others = [name for name in problem.about if name not in limits]
        for name in (key, *others) if key in self.set else (*limits, key, *others):
            if name in self.set:
                return replace(problem, setting=f"{name}={toml(self.set[name])}")
            where = self.where(name, target)
            if where is not None:
                return replace(problem, where=where)
        return problem
