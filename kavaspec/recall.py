"""What is known without looking: what the fact files of a spec say, and what its lock recorded.

`lock` begins here and observes the rest; `check` begins here and has to find the lock again. A fact
file is input, as kava.toml is: who edits it has changed the spec.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from kavaspec.errors import Exit, KavaError, Problem, Where, did_you_mean
from kavaspec.facts.assumed import ASSUMED, with_assumptions
from kavaspec.facts.model import UNMEASURED, Fact, Facts
from kavaspec.lock.derive import facts_of, is_experiment_fact
from kavaspec.lock.model import Lock
from kavaspec.lock.stale import FactChange, Known, is_about
from kavaspec.plain import same, show, toml
from kavaspec.spec.spec import Spec
from kavaspec.trials import TRIALS

if TYPE_CHECKING:
    from kavaspec.lock.reasons import FactPlaces


def recall(
    spec: Spec,
    lock: Lock | None,
    folder: Path,
    *,
    refresh: bool = False,
    only: Sequence[str] = (),
    absent_files: bool = False,
) -> Known:
    """What is known about the models, the data and every target of a spec that lies in `folder`.

    With `refresh` nothing is taken from the lock. With `only`, the other targets keep what the lock
    holds, whatever their files say by now. With `absent_files`, a fact file that is not there is no
    mistake: what the lock recorded from it stands.

    Raises:
        KavaError: exit 8 for a fact file that cannot be read; exit 2 with each mistake in it, or when
            it is about another model or data set than the spec names.
    """
    experiment: Facts = {}
    if lock is not None and not refresh:
        experiment = facts_of(
            {n: fact for n, fact in lock.facts.items() if is_about(spec, fact.of)}
        )
    measured = {name: fact for name, fact in experiment.items() if fact.how not in UNMEASURED}
    notes: list[str] = []
    for path in spec.facts:
        if absent_files and not (folder / path).exists():
            notes.append(f"{path} is not here: what the lock recorded from it stands")
            continue
        said = _about_experiment(spec, path, folder)
        stands = {n: measured[n] for n, it in said.items() if n in measured and _is_weak(it)}
        notes += [
            f"{path} declares {name} = {show(said[name].value)}; {show(fact.value)} was measured, "
            "and stands"
            for name, fact in sorted(stands.items())
            if not same(said[name].value, fact.value)
        ]
        experiment = {**experiment, **said, **stands}
    old = lock.targets if lock is not None else {}
    targets: dict[str, Facts] = {}
    for name, target in spec.targets.items():
        held = facts_of(old[name].facts) if name in old else {}
        if name in old and only and name not in only:
            targets[name] = held  # left alone, whatever its file says by now
        elif target.facts is None:
            targets[name] = {} if refresh or name in only else held
        elif absent_files and not (folder / target.facts).exists():
            notes.append(f"{target.facts} is not here: what the lock recorded of {name} stands")
            targets[name] = held
        else:
            said = _about_machine(spec, name, target.facts, folder)
            targets[name] = _completed(said, {} if refresh else held)
    return Known(
        experiment=experiment, targets=MappingProxyType(targets), notes=tuple(dict.fromkeys(notes))
    )


def _is_weak(fact: Fact) -> bool:
    return fact.how in UNMEASURED


def fact_places(spec: Spec, folder: Path, changed: Sequence[FactChange]) -> FactPlaces:
    """Where the fact files say the facts that changed: at the name of each, if it is still there."""
    found = {}
    for it in changed:
        own = spec.targets[it.target].facts if it.target else None
        for path in spec.facts if not it.target else [own] if own else []:
            where = _place_of(folder / path, it.name)
            if where is not None:
                found[it.target, it.name] = where
    return found


def _place_of(file: Path, name: str) -> Where | None:
    if not file.exists():
        return None
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        at = line.find(name)
        if at >= 0 and re.fullmatch(rf"[\s\"']*{re.escape(name)}[\"']?\s*:.*", line):
            width = len(name)
            return Where(path=str(file), line=number, column=at + 1, width=width, text=line)
    return None


def _completed(said: Facts, held: Facts) -> Facts:
    """With what kavaspec assumes where a file says nothing; what it assumed for the lock stands, and
    what it tried for it.
    """
    assumed = {name: fact for name, fact in held.items() if name in ASSUMED and _is_weak(fact)}
    tried = {trial.fact: held[trial.fact] for trial in TRIALS if trial.fact in held}
    return with_assumptions({**assumed, **tried, **said})


def _about_experiment(spec: Spec, path: str, folder: Path) -> Facts:
    """Facts of a file about the models and data of this spec."""
    found = {
        name: fact
        for name, fact in _fact_file(spec, path, folder, at="facts").items()
        if is_experiment_fact(name)
    }
    if not found:
        message = f"{path} holds no facts about models or data"
        hint = "facts about a machine belong to a target: [targets.NAME] facts = ..."
        raise KavaError(spec.placed_at("facts", _of_facts(message, hint)))
    strange = [name for name, fact in sorted(found.items()) if not is_about(spec, fact.of)]
    if strange:
        about = ((key, value) for key, value in found[strange[0]].of.items())
        key, seen_for = next(it for it in about if not is_about(spec, dict([it])))
        message = f"{path}: {strange[0]} was seen for {key} = {toml(seen_for)}, "
        message += f"and kava.toml says {show(spec.literal(key))}"
        hint = "make the file anew where the models and data are: kavaspec facts --spec kava.toml"
        raise KavaError(spec.placed_at("facts", _of_facts(message, hint)))
    return found


def _about_machine(spec: Spec, target: str, path: str, folder: Path) -> Facts:
    """The facts of a target's file. One about a model would hold for this target alone."""
    facts = _fact_file(spec, path, folder, at=f"targets.{target}.facts")
    strange = sorted(filter(is_experiment_fact, facts))
    if strange:
        message = f"{path}: {strange[0]} is about a model or the data, which all targets share"
        hint = f"name the file at the top of kava.toml: facts = {toml(path)}"
        raise KavaError(spec.placed_at(f"targets.{target}.facts", _of_facts(message, hint)))
    return facts


def _of_facts(message: str, hint: str) -> Problem:
    return Problem(message=message, exit=Exit.USAGE, code="KV0226", hint=hint)


def _fact_file(spec: Spec, path: str, folder: Path, *, at: str) -> Facts:
    from kavaspec.facts.file import stated_facts  # only a spec that names a fact file needs it

    file = folder / path
    try:
        return stated_facts(file)
    except KavaError as error:
        problems = error.problems
        if not file.exists():
            hint = _way_to_facts(spec, path, folder, of_a_target=at != "facts")
            problems = tuple(replace(problem, hint=hint) for problem in problems)
        raise KavaError(*(spec.placed_at(at, problem) for problem in problems)) from None


def _way_to_facts(spec: Spec, path: str, folder: Path, *, of_a_target: bool) -> str:
    """What to do about a fact file that is not there: the one that was meant, or a new one."""
    there = [file.relative_to(folder) for file in folder.glob("facts/*.yaml")]
    near = did_you_mean(Path(path).stem, sorted(file.stem for file in there))
    if near is not None and f"facts/{near}.yaml" != path:
        return f"did you mean facts/{near}.yaml?"
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", Path(path).stem).strip("-") or "NAME"
    of = "" if of_a_target else f" --spec {spec.path}"
    where = "on that machine" if of_a_target else "where the models and data are"
    written = f"facts/{name}.yaml"
    then = "" if written == path else f", and write facts = {toml(written)}"
    return f"make it {where}: kavaspec facts{of} --save {name}{then}"
