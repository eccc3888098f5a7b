"""Values that cannot be met together: the fewest lines of the spec that conflict, and the nearest that do not.

A line is taken away by giving its key back to the default, or to auto. What cannot be taken away
without the problem going is the conflict. A repair is tried before it is offered: with it, the spec
resolves.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from kavaspec.batch import divisors, nearest
from kavaspec.decision import AUTO, Allowed
from kavaspec.errors import Exit, Problem, Said
from kavaspec.plain import Plain, freeze, toml, too_large
from kavaspec.spec.objectives import OBJECTIVES
from kavaspec.spec.schema import Key, choices, keys
from kavaspec.spec.spec import Asked, Spec

Again = Callable[[Spec], Sequence[Problem]]
"""Every problem of a spec, with the facts as they are."""

WRITTEN = ("spec", "set", "target")
FIXED = ("objective.kind",)
"""Not taken away: it decides which keys there are."""
TRIES = 40
"""Values that are tried for one key: enough to meet the nearest, few enough to wait for."""
REACH = 16
"""Neighbours of a number, in each direction."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Line:
    """Something that the spec says, where it may be taken away."""

    key: Key
    target: str
    """Empty for the experiment."""
    asked: Asked

    @property
    def text(self) -> str:
        limits = {"auto": True, **self.asked.allowed.plain()}
        return f"{self.place} = {toml(limits if self.asked.auto else self.asked.value)}"

    @property
    def place(self) -> str:
        """As kava.toml names it: a target's own line is repaired there, and nowhere else."""
        own = self.asked.by == "target"
        return f"targets.{self.target}.{self.key.name}" if own else self.key.name


def explained(
    problems: Sequence[Problem], spec: Spec, again: Again, *, fixed: Iterable[str] = ()
) -> tuple[Problem, ...]:
    """The problems; each that no value can meet, with its smallest conflict and repairs that work.

    `fixed` are keys that facts are about: with another value, other facts would hold.
    """
    return tuple(
        _explained(problem, problems, spec, again, {*fixed, *FIXED})
        if problem.severity == "error" and problem.exit is Exit.UNSATISFIABLE
        else problem
        for problem in problems
    )


def _explained(
    problem: Problem, problems: Sequence[Problem], spec: Spec, again: Again, fixed: set[str]
) -> Problem:
    others = {_name(other) for other in problems if other is not problem}

    def errors(candidate: Spec) -> list[Problem]:
        """What else than the other problems is wrong with a spec."""
        found = (item for item in again(candidate) if item.severity == "error")
        return [item for item in found if _name(item) not in others]

    def conflicts(candidate: Spec) -> bool:
        """Whether values cannot be met. A fact that a spec with a line less would need is no conflict."""
        return any(item.exit is Exit.UNSATISFIABLE for item in errors(candidate))

    def fails(candidate: Spec) -> bool:
        return bool(errors(candidate))

    place = next((name for name in spec.targets if conflicts(_only(spec, name))), None)
    if place is None:
        return problem
    alone = _only(spec, place)
    written = _lines(alone, fixed)
    needed = _smallest(_unrelated_first(problem, written), alone, conflicts)
    if not needed:
        return problem  # it lies in the facts alone
    lines = [line for line in written if line in needed or _has_a_part(line, alone, problem, fails)]
    because = tuple(_said(line, spec) for line in lines)
    marked = replace(problem, because=because)
    if problem.where and problem.where.line not in {it.where.line for it in because if it.where}:
        marked = replace(marked, where=because[0].where)  # a line that is to blame
    hint = _repairs(lines, alone, problem, fails, fixed) or problem.hint
    return replace(marked, hint=hint)


def _name(problem: Problem) -> tuple[str, str | None]:
    return problem.code, problem.key


def _only(spec: Spec, target: str) -> Spec:
    return replace(spec, targets=MappingProxyType({target: spec.targets[target]}))


def _lines(spec: Spec, fixed: set[str]) -> list[_Line]:
    """What the spec itself says about a key, in the order of the schema."""
    [(target, there)] = spec.targets.items()
    sections = (("", spec.experiment), (target, there.asked))
    return [
        _Line(key=keys()[name], target=place, asked=asked)
        for place, section in sections
        for name, asked in section.items()
        if _is_written(asked) and name not in fixed and not keys()[name].required
    ]


def _is_written(asked: Asked) -> bool:
    return asked.by in WRITTEN and (not asked.auto or asked.allowed != Allowed())


def _unrelated_first(problem: Problem, lines: list[_Line]) -> list[_Line]:
    """Those that the problem does not speak of first: they are taken away first, and stay away."""
    near = {problem.key, *problem.about}
    return sorted(lines, key=lambda line: line.key.name in near)


def _smallest(
    lines: Sequence[_Line], spec: Spec, conflicts: Callable[[Spec], bool]
) -> tuple[_Line, ...]:
    """The lines without any of which, all others away, the conflict is gone."""
    needed: list[_Line] = []
    for line in lines:
        without = _without(spec, line)
        if conflicts(without):
            spec = without
        else:
            needed.append(line)
    return tuple(needed)


def _has_a_part(line: _Line, spec: Spec, problem: Problem, fails: Callable[[Spec], bool]) -> bool:
    """Whether the problem speaks of a line whose default is no better, and another value is."""
    spoken_of = line.key.name in {problem.key, *problem.about}
    return spoken_of and not line.asked.auto and _repair(line, spec, problem, fails) is not None


def _without(spec: Spec, line: _Line) -> Spec:
    return _with(spec, line, _left_out(spec, line.key))


def _left_out(spec: Spec, key: Key) -> Asked:
    """What is asked where the spec says nothing: the preset's value, else the default."""
    kind = spec.experiment["objective.kind"].value
    objective = OBJECTIVES[str(kind)]
    version = objective.preset_version(spec.preset)
    preset = objective.preset(spec.preset, version)
    value, by = key.default, f"default@{key.default_version}"
    if key.name in preset:
        value, by = preset[key.name], f"preset {spec.preset}@{version}"
    return _asked(key, value, by)


def _asked(key: Key, value: object, by: str) -> Asked:
    auto = isinstance(value, str) and value == AUTO
    return Asked(tier=key.tier, value=None if auto else freeze(value), auto=auto, by=by)


def _with(spec: Spec, line: _Line, asked: Asked) -> Spec:
    if not line.target:
        section = {**spec.experiment, line.key.name: asked}
        return replace(spec, experiment=MappingProxyType(section))
    there = spec.targets[line.target]
    section = {**there.asked, line.key.name: asked}
    changed = replace(there, asked=MappingProxyType(section))
    return replace(spec, targets=MappingProxyType({**spec.targets, line.target: changed}))


# ---- repairs -----------------------------------------------------------------------------------


def _repairs(
    lines: Sequence[_Line],
    spec: Spec,
    problem: Problem,
    fails: Callable[[Spec], bool],
    fixed: set[str],
) -> str:
    """What to write on one of the lines instead; with other lines left out, where it must be."""
    shown = {line.key.name for line in lines}
    others = [line for line in _lines(spec, fixed) if line.key.name not in shown]
    related = [line for line in others if line.key.name in problem.about]
    for away in ([], related, *([line] for line in others)):
        smaller = spec
        for line in away:
            smaller = _without(smaller, line)
        found = [text for line in lines if (text := _repair(line, smaller, problem, fails))]
        if found:
            less = f", without {' and '.join(line.place for line in away)}" if away else ""
            return ", or ".join(f"{text}{less}" for text in found)
    return ""


def _repair(line: _Line, spec: Spec, problem: Problem, fails: Callable[[Spec], bool]) -> str | None:
    """What to write on one line instead, the nearest first; None when nothing was found that works."""

    def works(value: Plain) -> bool:
        return not fails(_with(spec, line, _asked(line.key, value, line.asked.by)))

    name = line.key.name
    if line.asked.auto and name == problem.key and problem.hint:
        return problem.hint  # limits are repaired where they are named
    found = [toml(value) for value in _nearest_that_work(line, problem, works)]
    if found:
        return f"{line.place} = {' or '.join(found)}"
    if not fails(_without(spec, line)):
        return f"{line.place} = {toml(AUTO)}" if line.key.auto else f"leave {line.place} out"
    return None


def _nearest_that_work(
    line: _Line, problem: Problem, works: Callable[[Plain], bool]
) -> Iterator[Plain]:
    value = line.asked.value
    if line.asked.auto:
        return
    if isinstance(value, str):
        yield from (word for word in choices(line.key.field) if word != value and works(word))
    elif isinstance(value, bool):
        yield from ([not value] if works(not value) else [])
    elif isinstance(value, int):
        tried = sorted(_near(value, problem, line.key), key=lambda it: (abs(it - value), it))
        good = (number for number in tried[:TRIES] if works(number))
        below, above = None, None
        for number in good:
            if number < value and below is None:
                below = number
            elif number > value and above is None:
                above = number
            if below is not None and above is not None:
                break
        yield from (number for number in (below, above) if number is not None)


def _near(value: int, problem: Problem, key: Key) -> set[int]:
    """Numbers worth a try: neighbours, what the message names, and how that divides."""
    least = next((int(it.ge) for it in key.field.metadata if hasattr(it, "ge")), 0)
    named = {int(digits) for digits in re.findall(r"\b\d{1,9}\b", problem.message)} - {0}
    found = {value + by for by in range(-REACH, REACH + 1)}
    found |= {number + by for number in named for by in (-1, 0, 1)}
    for number in named:
        found |= set(nearest(divisors(number), value))
        found |= {value // number * number, -(-value // number) * number}
    return {it for it in found if it >= least and it != value and not too_large(it)}


def _said(line: _Line, spec: Spec) -> Said:
    name = line.key.name
    where = None if name in spec.set else spec.where(name, line.target or None)
    return Said(text=line.text, where=where)
