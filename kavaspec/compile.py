"""From kava.toml to kava.lock, step by step.

load the spec ─▶ recall what the old lock observed ─▶ derive ─▶ observe what is still wanted
             ─▶ derive again ─▶ a lock, or every reason why there is none
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from kavaspec.errors import Exit, KavaError, Problem
from kavaspec.facts.model import UNMEASURED, Fact, Facts, Observation
from kavaspec.facts.observe import (
    ExperimentRequest,
    observe_experiment,
    observe_machine,
    torch_child,
    with_assumptions,
)
from kavaspec.facts.probe import Child
from kavaspec.lock.derive import Derived, derive, facts_of
from kavaspec.lock.file import lock_text, read_lock
from kavaspec.lock.model import Lock
from kavaspec.lock.stale import is_about
from kavaspec.plain import Plain
from kavaspec.project import Project
from kavaspec.rules.paths import CONVENTIONS
from kavaspec.sources.locate import What
from kavaspec.spec.load import load_spec
from kavaspec.spec.spec import Spec

Report = Callable[[str], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Compiled:
    """A lock and how it came about."""

    spec: Spec
    derived: Derived
    text: str
    previous: Lock | None
    """The lock that was there before, when it could be read."""
    observed: Observation
    """What was observed just now, with its evidence."""


def compile_lock(
    spec_path: Path,
    lock_path: Path,
    project: Project,
    *,
    set: Mapping[str, Plain],
    refresh: bool,
    only: Sequence[str],
    report: Report,
) -> Compiled:
    """Resolve a spec completely. Writes nothing.

    `only` names targets to observe anew; the others keep what the old lock recorded.

    Raises:
        KavaError: with every problem of the spec, of the facts or of the resolution.
    """
    spec = load_spec(spec_path, set=set)
    _check_names(spec, only)
    previous = _previous(lock_path)
    experiment, targets = _recalled(spec, previous, project, refresh=refresh)
    derived = derive(spec, experiment, targets, not_found={})
    observed = _observe(spec, derived, experiment, project, only=only, report=report)
    if observed:
        experiment = {**observed[""].facts, **_measured(experiment)}
        targets = {
            name: {**observed[name].facts, **facts} if name in observed else facts
            for name, facts in targets.items()
        }
        missing = {item.fact: item.because for seen in observed.values() for item in seen.not_found}
        derived = derive(spec, experiment, targets, not_found=missing)
    if derived.errors:  # a mistake in the spec stands before what follows from it
        raise KavaError(*sorted(derived.errors, key=lambda problem: problem.exit))
    everything: dict[str, Fact] = {}
    for seen in observed.values():
        everything |= seen.facts
    return Compiled(
        spec=spec,
        derived=derived,
        text=lock_text(derived.lock),
        previous=previous,
        observed=Observation(
            facts=everything,
            not_found=tuple(item for seen in observed.values() for item in seen.not_found),
        ),
    )


def experiment_request(
    spec: Spec, project: Project, needed: Collection[str], report: Report
) -> ExperimentRequest:
    """Which models and data to look at, and where they lie on this machine.

    A source that is not here and about which no `needed` fact is asked is passed over.

    Raises:
        KavaError: exit 8 with every source that was needed and not found.
    """
    problems: list[Problem] = []
    absent: set[str] = set()

    def find(role: str, what: What) -> Path | None:
        places = places_here(spec, "data" if what == "data" else "models")
        source = _literal(spec, f"{role}.source")
        revision = _literal(spec, f"{role}.revision")
        try:
            return project.find(source, what, revision=revision, places=places)
        except KavaError as error:
            absent.add(role)
            if any(fact.startswith(f"fact.{role.rpartition('.')[2]}.") for fact in needed):
                problems.extend(_at(spec, f"{role}.source", problem) for problem in error.problems)
            else:
                report(f"{source} is not here: what kava.toml says about it is taken as it is")
            return None

    teacher, student = find("model.teacher", "model"), find("model.student", "model")
    data = find("data", "data")
    if problems:
        raise KavaError(*problems)

    def source(role: str) -> str | None:
        return None if role in absent else _text(spec, f"{role}.source")

    layers = _literal(spec, "model.student.layers")
    return ExperimentRequest(
        teacher_source=source("model.teacher"),
        teacher_path=teacher,
        teacher_revision=_text(spec, "model.teacher.revision"),
        student_source=source("model.student"),
        student_path=student,
        student_revision=_text(spec, "model.student.revision"),
        student_init=str(_literal(spec, "model.student.init")),
        student_layers=tuple(layers) if isinstance(layers, tuple) else None,
        data_source=source("data"),
        data_path=data,
        data_revision=_text(spec, "data.revision"),
        split=str(_literal(spec, "data.split")),
        eval_split=str(_literal(spec, "data.eval_split")),
        prompt=str(_literal(spec, "data.prompt")),
        completion=str(_literal(spec, "data.completion")),
    )


def places_here(spec: Spec, kind: str) -> Sequence[Plain]:
    """The places of one kind where this machine may have things: the spec's, or all conventions."""
    asked = spec.asked(f"paths.{kind}", next(iter(spec.targets)))
    if asked is None or asked.auto or not isinstance(asked.value, tuple):
        return _conventions(kind)
    return asked.value


def _conventions(kind: str) -> tuple[str, ...]:
    variable = {"data": "$KAVA_DATA_PATH", "models": "$KAVA_MODEL_PATH"}[kind]
    return (variable, *(f"{place}/kava/{kind}" for place in CONVENTIONS), f"./{kind}")


def _check_names(spec: Spec, only: Sequence[str]) -> None:
    for name in only:
        if name not in spec.targets:
            known = ", ".join(spec.targets)
            message = f"there is no target {name}; kava.toml has {known}"
            raise KavaError(Problem(message=message, exit=Exit.USAGE))


def _previous(lock_path: Path) -> Lock | None:
    """The old lock; None when there is none or it is broken: it is about to be made again."""
    try:
        return read_lock(lock_path)
    except KavaError:
        return None


def _recalled(
    spec: Spec, previous: Lock | None, project: Project, *, refresh: bool
) -> tuple[Facts, dict[str, Facts]]:
    """Facts that are known without looking: from fact files, and from the old lock."""
    experiment: Facts = {}
    if previous is not None and not refresh:
        about = {name: fact for name, fact in previous.facts.items() if is_about(spec, fact.of)}
        experiment = facts_of(about)
    targets: dict[str, Facts] = {}
    for name, target in spec.targets.items():
        if target.facts is not None:
            targets[name] = with_assumptions(_fact_file(spec, name, target.facts, project))
        elif previous is not None and name in previous.targets and not refresh:
            targets[name] = facts_of(previous.targets[name].facts)
        else:
            targets[name] = {}
    return experiment, targets


def _fact_file(spec: Spec, name: str, path: str, project: Project) -> Facts:
    from kavaspec.facts.file import read_facts  # only a spec that names a fact file needs it

    try:
        return read_facts(project.folder / path)
    except KavaError as error:
        raise KavaError(
            *(_at(spec, f"targets.{name}.facts", problem) for problem in error.problems)
        ) from None


def _look(
    spec: Spec, request: ExperimentRequest, child: Child, project: Project, report: Report
) -> Observation:
    try:
        return observe_experiment(request, report=report, child=child, env=project.env)
    except KavaError as error:
        placed = (_at(spec, problem.key or "", problem) for problem in error.problems)
        raise KavaError(*placed) from None


def _measured(facts: Facts) -> Facts:
    return {name: fact for name, fact in facts.items() if fact.how not in UNMEASURED}


def _observe(
    spec: Spec,
    derived: Derived,
    experiment: Facts,
    project: Project,
    *,
    only: Sequence[str],
    report: Report,
) -> dict[str, Observation]:
    """Look at what is wanted and not known: the models and data, and this machine."""
    machines = [
        name
        for name, target in spec.targets.items()
        if target.facts is None and (derived.wanted[name] or name in only)
    ]
    request = _request_if_needed(spec, derived, experiment, project, report)
    if request is None and not machines:
        return {}
    seen: dict[str, Observation] = {"": Observation(facts={})}
    with torch_child(project.env) as child:  # torch is imported once, for all questions
        if request is not None:
            seen[""] = _look(spec, request, child, project, report)
        if machines:
            here = observe_machine(env=project.env, report=report, child=child)
            seen |= dict.fromkeys(machines, here)
    return seen


def _request_if_needed(
    spec: Spec, derived: Derived, experiment: Facts, project: Project, report: Report
) -> ExperimentRequest | None:
    """Facts are missing, or nobody measured them yet and this machine may have the files."""
    if derived.wanted[""]:
        return experiment_request(spec, project, derived.needed, report)
    if len(_measured(experiment)) < len(experiment):
        try:
            return experiment_request(spec, project, _measured(experiment), report)
        except KavaError:
            return None  # the files are not here: what is recorded stays, and stays provisional
    return None


def _at(spec: Spec, key: str, problem: Problem) -> Problem:
    return problem if problem.where else replace(problem, key=key, where=spec.where(key))


def _literal(spec: Spec, key: str) -> Plain:
    asked = spec.asked(key, next(iter(spec.targets)))
    return None if asked is None or asked.auto else asked.value


def _text(spec: Spec, key: str) -> str | None:
    value = _literal(spec, key)
    return None if value is None else str(value)
