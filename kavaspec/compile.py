"""From kava.toml to kava.lock, step by step.

load the spec ─▶ recall what the old lock observed ─▶ derive ─▶ observe what is still wanted
             ─▶ derive again ─▶ a lock, or every reason why there is none
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from kavaspec.checks import CHECKS
from kavaspec.checks.check import Check
from kavaspec.decision import Rule
from kavaspec.errors import Exit, KavaError, Problem, did_you_mean, fail
from kavaspec.facts.model import UNMEASURED, Fact, Facts, Observation
from kavaspec.facts.observe import (
    ExperimentRequest,
    observe_experiment,
    observe_machine,
    torch_child,
)
from kavaspec.facts.probe import Child
from kavaspec.facts.trial import ModelPaths, Wanted, try_out
from kavaspec.lock.derive import Derived, derive
from kavaspec.lock.file import lock_text
from kavaspec.lock.merge import Before, kept_settings, lock_before, merged
from kavaspec.lock.migrate import prove_same_ids
from kavaspec.lock.model import LOCK_VERSION
from kavaspec.lock.stale import is_about
from kavaspec.lock.versions import (
    CHECKS_KEY,
    EVERYTHING,
    LITERAL,
    NOTHING_RECORDED,
    PRESET,
    Newer,
    Recorded,
    newer,
    recorded,
)
from kavaspec.plain import Plain
from kavaspec.project import Project
from kavaspec.recall import recall
from kavaspec.rules import every_version
from kavaspec.rules.paths import CONVENTIONS
from kavaspec.sources.locate import What
from kavaspec.spec.load import load_spec
from kavaspec.spec.spec import Spec, TargetSpec

Report = Callable[[str], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Compiled:
    """A lock and how it came about."""

    spec: Spec
    derived: Derived
    text: str
    before: Before
    """The lock that was there, as far as it could be trusted."""
    asked_to_upgrade: bool
    upgraded: tuple[Newer, ...]
    """What moved to a newer version because it was asked to."""
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
    upgrade: Collection[str] = (),
    rules: Sequence[Rule] | None = None,
    checks: Sequence[Check] | None = None,
) -> Compiled:
    """Resolve a spec completely. Writes nothing.

    `only` names targets to observe anew; the others keep what the old lock recorded. `upgrade`
    names keys that move to the newest version of their rule; the others keep theirs. `rules` and
    `checks` are all versions of all of them, unless a test brings its own.

    Raises:
        KavaError: with every problem of the spec, of the old lock, of the facts or of the resolution.
    """
    spec, before = _spec_and_before(spec_path, lock_path, set)
    _check_names(spec, only)
    _check_upgrade(spec, upgrade)
    _tell(before, lock_path, report)
    rules = every_version() if rules is None else rules
    checks = CHECKS if checks is None else checks
    there = NOTHING_RECORDED
    if before.lock is not None:
        there = recorded(before.lock, moving=frozenset(upgrade))
    known = recall(spec, before.lock, spec_path.parent, refresh=refresh, only=only)
    experiment, targets = known.experiment, known.targets
    for note in known.notes:
        report(note)
    derive_now = partial(derive, recorded=there, rules=rules, checks=checks)
    derived = derive_now(spec, experiment, targets, not_found={})
    missing: dict[str, str] = {}
    with torch_child(project.env) as child:  # torch is imported once, for all questions
        observed = _observe(spec, derived, experiment, project, child, only=only, report=report)
        if observed:
            experiment = _better_known(experiment, observed[""].facts)
            targets = {
                name: {**observed[name].facts, **facts} if name in observed else facts
                for name, facts in targets.items()
            }
            missing = {it.fact: it.because for seen in observed.values() for it in seen.not_found}
            derived = derive_now(spec, experiment, targets, not_found=missing)
        if derived.trials and not _others_failed(derived):
            tried = _try_out(spec, derived, project, child, report)
            targets = {
                name: {
                    **{
                        n: fact
                        for n, fact in facts.items()
                        if n not in derived.trials.get(name, ())
                    },
                    **(tried[name].facts if name in tried else {}),
                }
                for name, facts in targets.items()
            }
            derived = derive_now(spec, experiment, targets, not_found=missing)
    if derived.errors:  # a mistake in the spec stands before what follows from it

        def again(candidate: Spec) -> Sequence[Problem]:
            there_too = {name: targets[name] for name in candidate.targets}
            return derive_now(candidate, experiment, there_too, not_found={}).problems

        raise _explained_all(spec, derived, again, experiment)
    everything: dict[str, Fact] = {}
    for seen in observed.values():
        everything |= seen.facts
    return Compiled(
        spec=spec,
        derived=derived,
        text=lock_text(derived.lock),
        before=before,
        asked_to_upgrade=bool(upgrade),
        upgraded=_upgraded(spec, there, rules, checks),
        observed=Observation(
            facts=everything,
            not_found=tuple(item for seen in observed.values() for item in seen.not_found),
        ),
    )


def _spec_and_before(
    spec_path: Path, lock_path: Path, set: Mapping[str, Plain]
) -> tuple[Spec, Before]:
    """The spec, and the lock that is there; of a merge with the settings that its sides had.

    Raises:
        KavaError: with every problem of the spec, else of the lock, else of the settings.
    """
    try:
        before = lock_before(lock_path)
    except KavaError:
        load_spec(spec_path, set=set)  # a mistake in the spec stands first
        raise
    kept = kept_settings(before, set)
    spec = load_spec(spec_path, set={**kept, **set})
    return spec, merged(
        before, spec, lock_path, kept=kept, about=lambda fact: is_about(spec, fact.of)
    )


def _explained_all(
    spec: Spec,
    derived: Derived,
    again: Callable[[Spec], Sequence[Problem]],
    experiment: Facts,
) -> KavaError:
    """Every error, by exit code; those that no value can meet with the lines that conflict."""
    from kavaspec.conflict import explained  # only a spec that fails needs it

    about = {key for fact in experiment.values() for key in fact.of}
    problems = explained(derived.errors, spec, again, fixed=about)
    return KavaError(*sorted(problems, key=lambda problem: problem.exit))


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
        source = spec.literal(f"{role}.source")
        revision = spec.literal(f"{role}.revision")
        try:
            return project.find(source, what, revision=revision, places=places)
        except KavaError as error:
            absent.add(role)
            if any(fact.startswith(f"fact.{role.rpartition('.')[2]}.") for fact in needed):
                problems.extend(
                    spec.placed_at(f"{role}.source", problem) for problem in error.problems
                )
            else:
                report(f"{source} is not here: what kava.toml says about it is taken as it is")
            return None

    teacher, student = find("model.teacher", "model"), find("model.student", "model")
    data = find("data", "data")
    if problems:
        raise KavaError(*problems)

    def source(role: str) -> str | None:
        return None if role in absent else _text(spec, f"{role}.source")

    layers = spec.literal("model.student.layers")
    return ExperimentRequest(
        teacher_source=source("model.teacher"),
        teacher_path=teacher,
        teacher_revision=_text(spec, "model.teacher.revision"),
        student_source=source("model.student"),
        student_path=student,
        student_revision=_text(spec, "model.student.revision"),
        student_init=str(spec.literal("model.student.init")),
        student_layers=tuple(layers) if isinstance(layers, tuple) else None,
        data_source=source("data"),
        data_path=data,
        data_revision=_text(spec, "data.revision"),
        split=str(spec.literal("data.split")),
        eval_split=str(spec.literal("data.eval_split")),
        prompt=str(spec.literal("data.prompt")),
        completion=str(spec.literal("data.completion")),
        answer_after=str(spec.literal("eval.answer_after")),
    )


def places_here(spec: Spec, kind: str) -> Sequence[Plain]:
    """The places of one kind where this machine may have things: the spec's, or all conventions."""
    asked = spec.asked(f"paths.{kind}", next(iter(spec.targets)))
    if asked is None or asked.auto or not isinstance(asked.value, tuple):
        return conventions(kind)
    return asked.value


def conventions(kind: str) -> tuple[str, ...]:
    """Where models or data may be on any machine, as symbolic places."""
    variable = {"data": "$KAVA_DATA_PATH", "models": "$KAVA_MODEL_PATH"}[kind]
    return (variable, *(f"{place}/kava/{kind}" for place in CONVENTIONS), f"./{kind}")


def _check_names(spec: Spec, only: Sequence[str]) -> None:
    for name in only:
        if name not in spec.targets:
            known = ", ".join(spec.targets)
            message = f"there is no target {name}; kava.toml has {known}"
            near = did_you_mean(name, spec.targets) or next(iter(spec.targets))
            hint = f"name one: --target {near}"
            raise KavaError(Problem(message=message, exit=Exit.USAGE, code="KV0007", hint=hint))


def _check_upgrade(spec: Spec, upgrade: Collection[str]) -> None:
    for key in upgrade:
        if key in (PRESET, CHECKS_KEY, EVERYTHING):
            continue
        asked = [item for name in spec.targets if (item := spec.asked(key, name))]
        if not asked:
            near = did_you_mean(key, [PRESET, CHECKS_KEY, *spec.experiment, *_any(spec).asked])
            hint = f"did you mean {near}?" if near else None
            raise fail(
                f"--upgrade {key}: there is no such key",
                Exit.USAGE,
                code="KV0009",
                key=key,
                hint=hint,
            )
        if all(item.by.startswith("preset ") for item in asked):
            message = f"{key} comes from {asked[0].by}, which moves as a whole"
            raise fail(
                message,
                Exit.USAGE,
                code="KV0008",
                key=key,
                hint=f"kavaspec lock --upgrade {PRESET}",
            )
        if all(item.by in LITERAL and not item.auto for item in asked):
            message = f"{key} is decided by kava.toml: there is no version to move to"
            raise fail(message, Exit.USAGE, code="KV0008", key=key, hint="nothing was changed")


def _any(spec: Spec) -> TargetSpec:
    return next(iter(spec.targets.values()))


def _upgraded(
    spec: Spec, there: Recorded, rules: Sequence[Rule], checks: Sequence[Check]
) -> tuple[Newer, ...]:
    """What was asked to move, and had somewhere to move to."""
    kept = replace(there, moving=frozenset())
    return tuple(item for item in newer(spec, kept, rules, checks) if there.moves(item.key))


def _tell(before: Before, lock_path: Path, report: Report) -> None:
    """Say what of the old lock is not taken over, and prove that a new format keeps the ids."""
    if before.broken is not None:
        kept = "what is intact in it is kept" if before.lock else "nothing of it can be kept"
        report(f"{lock_path} is broken ({before.broken}); {kept}")
    if before.disagree:
        names = ", ".join(before.disagree)
        report(
            f"the two sides of the merge saw different things, which are observed again: {names}"
        )
    if before.whole and before.lock is not None and before.lock.version < LOCK_VERSION:
        prove_same_ids(before.lock, str(lock_path))
        report(
            f"{lock_path} has format {before.lock.version} and is written in format {LOCK_VERSION}: "
            "both ids were proved to stay the same"
        )


def _look(
    spec: Spec, request: ExperimentRequest, child: Child, project: Project, report: Report
) -> Observation:
    try:
        return observe_experiment(request, report=report, child=child, env=project.env)
    except KavaError as error:
        placed = (spec.placed_at(problem.key or "", problem) for problem in error.problems)
        raise KavaError(*placed) from None


def _better_known(known: Facts, seen: Facts) -> Facts:
    """What is known; what was seen stands beside it, and instead of what nobody had measured.

    What was seen no better never replaces what is recorded or written in a fact file: locking again
    would change the lock, and `check` could not find it.
    """
    measured = _measured(seen)
    unmeasured = set(known) - set(_measured(known))
    return {**seen, **known, **{name: measured[name] for name in unmeasured & set(measured)}}


def _measured(facts: Facts) -> Facts:
    return {name: fact for name, fact in facts.items() if fact.how not in UNMEASURED}


def _observe(
    spec: Spec,
    derived: Derived,
    experiment: Facts,
    project: Project,
    child: Child,
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
    if request is not None:
        seen[""] = _look(spec, request, child, project, report)
    if machines:
        here = observe_machine(env=project.env, report=report, child=child)
        seen |= dict.fromkeys(machines, here)
    return seen


RESTS_ON_TRIALS = frozenset(
    {"train.accumulation", "train.gradient_checkpointing", "train.micro_batch"}
)
"""Keys that may be decided otherwise, and then without an error, once a step was tried."""


def _others_failed(derived: Derived) -> bool:
    """Whether there is no lock to be had, whatever a trial says."""
    return any(problem.key not in RESTS_ON_TRIALS for problem in derived.errors)


def _try_out(
    spec: Spec, derived: Derived, project: Project, child: Child, report: Report
) -> Mapping[str, Observation]:
    """What a step takes on each target that asks for it; nothing where the models are not here."""
    try:
        request = experiment_request(spec, project, (), lambda _: None)
    except KavaError:  # it has been said before, or nothing needs them
        return {}
    for role, path in (("teacher", request.teacher_path), ("student", request.student_path)):
        if path is None and spec.literal(f"model.{role}.source") is not None:
            report(f"what a step takes cannot be estimated: the {role} is not here")
            return {}
    decided = {
        name: {key: decision.value for key, decision in derived.decisions[name].items()}
        for name in derived.trials
    }
    wanted = [
        Wanted(target=name, trials=trials, values=decided[name])
        for name, trials in derived.trials.items()
    ]
    paths = ModelPaths(teacher=request.teacher_path, student=request.student_path)
    tried = try_out(wanted, paths, child, report)
    unknown = {item.because for seen in tried.values() for item in seen.not_found}
    for because in sorted(unknown):
        report(f"what a step takes cannot be estimated: {because}")
    return tried


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


def _text(spec: Spec, key: str) -> str | None:
    value = spec.literal(key)
    return None if value is None else str(value)
