"""Before a run: hold the lock against this machine, and find its models, data and run folder here.

Preflight decides nothing. It proves the lock from the lock alone, measures only what guards name,
expands the locked places and tries the one that is taken, verifies digests and free space, and
reports everything in one table: verdict, lock, here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kavaspec.errors import Exit, KavaError, Problem, fail
from kavaspec.fit import Held, choose_target, hold, notes, refuse_unknown, see, vetoed, would_be
from kavaspec.fitting import predicted
from kavaspec.footprint import Footprint, footprint
from kavaspec.lock.ids import Ids, ids
from kavaspec.lock.model import Here, Lock
from kavaspec.lock.prove import prove
from kavaspec.plain import Plain, show
from kavaspec.project import Project
from kavaspec.resident import student_bytes
from kavaspec.run_folder import (
    Chosen,
    choose,
    free_bytes,
    held_bytes,
    not_to_be_thrown_away,
    refused,
)
from kavaspec.sizes import in_bytes
from kavaspec.sources.digest import layers_digest, model_digest
from kavaspec.sources.locate import What

Report = Callable[[str], None]

SMOKE_ROWS = 8
"""Held-out rows of `--smoke`: enough to walk the whole road, few enough to take seconds."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One line of the preflight table."""

    what: str
    lock: str
    here: str
    ok: bool
    exit: Exit = Exit.DRIFT
    """The exit code when it is not ok."""
    code: str = "KV0401"
    message: str = ""
    """What is wrong, as a sentence; empty where the row itself says it."""
    hint: str = ""

    @property
    def problem(self) -> Problem:
        """The row as an error."""
        return Problem(
            message=self.message or f"{self.what}: the lock wants {self.lock}, here is {self.here}",
            exit=self.exit,
            code=self.code,
            hint=self.hint or None,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """What the person asked `run` for."""

    target: str | None
    resume: bool
    run_name: str | None
    smoke: int | None
    allow_numerics: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """All rows, and what the runtime needs, when every row is ok."""

    rows: tuple[Row, ...]
    here: Here | None
    target: str
    notes: tuple[str, ...] = ()
    """Worth a word and no reason to refuse: what this machine would have decided otherwise, which
    place was passed over, what could not be held against anything."""

    @property
    def cache(self) -> Path | None:
        """Where what can be made again is kept: the first usable place of `paths.cache`, if anything is."""
        return None if self.here is None else self.here.cache

    @property
    def failures(self) -> tuple[Row, ...]:
        return tuple(row for row in self.rows if not row.ok)


def preflight(
    lock: Lock,
    lock_text: str,
    request: Request,
    *,
    project: Project,
    report: Report,
) -> Verdict:
    """Hold a lock against this machine.

    Raises:
        KavaError: exit 2 when several targets fit and none was named, exit 4 when none does; exit 6
            or 3 when the lock does not follow from itself; exit 5 when the experiment is provisional.
    """
    only = request.target or (next(iter(lock.targets)) if len(lock.targets) == 1 else None)
    unknown = None
    if only is not None:
        refuse_unknown(lock, only)
        unknown = prove(lock, only)  # milliseconds, before looking, which may take seconds
    _refuse_provisional(lock)
    candidates = list(lock.targets) if only is None else [only]
    seen = see(lock, candidates, env=project.env, report=report)
    target = choose_target(lock, only, seen)
    unknown = prove(lock, target) if unknown is None else unknown
    values, found = lock.values(target), ids(lock, target)
    rows = [guard_row(held) for held in hold(lock, target, seen)]
    rows += [veto_row(problem, values) for problem in vetoed(lock, target, seen)]
    teacher, student, data, places = _find(values, project, report)
    size = _size(lock, values, request)
    chosen = _choose(values, found, target, request, project)
    rows += [*memory(lock, target, values), *places]
    cache = _cache(values, project) if _keeps(values) else None
    if cache is None and _from_disk(values):
        rows.append(no_cache_row(values))
    folder = None
    if chosen.place is None or chosen.place.path is None:
        rows.append(no_place_row(chosen))
    else:
        folder = chosen.place.path / _inside(values, found, target, request)
        rows.append(_place(chosen, folder))
        rows.append(disk_row(folder, size, held=held_bytes(folder), free=free_bytes(folder)))
    said = (*_passed_over(chosen), *_not_held(unknown), *notes(would_be(lock, target, seen)))
    here = None
    if folder is not None:
        here = Here(
            target=target,
            kx=found.kx,
            kn=found.kn,
            lock_text=lock_text,
            run_folder=folder,
            teacher=teacher,
            student=student,
            data=data,
            device_index=0,
            resume=request.resume,
            allow_numerics=request.allow_numerics,
            rehearse=lock.targets[target].decisions["train.micro_batch"].provisional,
            stop_after=request.smoke,
            judge_at_most=None if request.smoke is None else SMOKE_ROWS,
            facts=seen.facts,
            cache=cache,
        )
        rows += _taken(here)
    passed = all(row.ok for row in rows)
    return Verdict(
        rows=tuple(rows),
        here=here if passed else None,
        target=target,
        notes=said,
    )


def refusal(verdict: Verdict) -> KavaError:
    """Everything that failed, as one error: drift first, then what is missing."""
    order = sorted(verdict.failures, key=lambda row: row.exit)
    return KavaError(*(row.problem for row in order))


def _refuse_provisional(lock: Lock) -> None:
    open_keys = [key for key, block in lock.experiment.items() if block.provisional]
    if open_keys:
        message = f"the experiment is still provisional: {', '.join(open_keys)}"
        hint = "run `kavaspec lock` where the models and data are, then run again"
        init = lock.experiment.get("model.student.init")
        if "model.student.digest" in open_keys and init is not None and init.value == "pretrained":
            hint += '; for a student without weights write model.student.init = "random"'
        raise fail(message, Exit.UNLOCKED, code="KV0502", hint=hint)


def guard_row(held: Held) -> Row:
    return Row(
        what=held.key,
        lock=held.wish.replace("_bytes >= ", " >= "),  # 80 columns; the size has its unit
        here=held.here,
        ok=held.ok,
        message=held.text,
        hint="lock for this machine (kavaspec lock --refresh), or choose another target",
    )


def veto_row(problem: Problem, values: Mapping[str, Plain]) -> Row:
    """A value that a check refuses here, and that has no guard: its facts were not known when locking."""
    key = problem.key or "checks"
    return Row(
        what=key,
        lock=show(values.get(key)),
        here="refused",
        ok=False,
        code=problem.code,
        message=problem.message,
        hint=f"{problem.hint}, then lock for this machine"
        if problem.hint
        else "lock for this machine",
    )


def _parameters(lock: Lock) -> int | None:
    """Weights of the student, as far as the lock knows."""
    fact = lock.facts.get("fact.student.parameters")
    return fact.value if fact is not None and isinstance(fact.value, int) else None


def memory(lock: Lock, target: str, values: Mapping[str, Plain]) -> list[Row]:
    """What a step needs, against what is free.

    On a CPU, where nothing else guards memory. Where nobody tried a step, that is at the very least
    the student's weights, gradients and moments; the rehearsal tries what comes on top.
    """
    if values["train.device"] != "cpu":
        return []
    import psutil

    free = psutil.virtual_memory().available
    facts = {name: fact.value for name, fact in lock.facts_of(target).items()}
    step = predicted(values, facts)
    if step is not None:
        what = f"the tensors of a step with {values['train.micro_batch']} rows"
        return [memory_row(what, step.tensors_bytes, free)]
    parameters = _parameters(lock)
    if parameters is None:
        return []
    dtypes = (str(values[f"train.{name}_dtype"]) for name in ("param", "optimizer_state"))
    need = student_bytes(parameters, *dtypes, trained=values["train.lora.rank"] == 0)
    return [memory_row("the student, its gradients and the optimizer's moments", need, free)]


def memory_row(what: str, need: int, free: int) -> Row:
    """So many bytes at the least, against so many that are free."""
    return Row(
        what="memory",
        lock=f"at least {in_bytes(need)}",
        here=f"{in_bytes(free)} free",
        ok=free >= need,
        code="KV0403",
        message=f"{what} need {in_bytes(need)} of memory, and {in_bytes(free)} are free: "
        f"{in_bytes(need - free)} are missing",
        hint="free some memory, or run where there is more",
    )


def _find(
    values: Mapping[str, Plain], project: Project, report: Report
) -> tuple[Path | None, Path | None, Path | None, list[Row]]:
    rows: list[Row] = []

    def find(role: str, what: What) -> Path | None:
        source, revision = values.get(f"{role}.source"), values.get(f"{role}.revision")
        places = _texts(values["paths.data" if what == "data" else "paths.models"])
        try:
            path = project.find(source, what, revision=revision, places=places)
        except KavaError as error:
            rows.append(_failed(f"{role}.source", str(source), error))
            return None
        if path is None:
            return None
        if what == "model":
            rows.append(_digest_row(values, role, path, report))
        else:
            rows.append(Row(what=role, lock=str(source), here=shown(path), ok=True))
        return path

    teacher = find("model.teacher", "model")
    student = find("model.student", "model")
    data = find("data", "data")
    if student is None and values["model.student.init"] == "teacher_layers" and teacher is not None:
        rows.append(_made_row(values))
    return teacher, student, data, rows


def _failed(what: str, wanted: str, error: KavaError) -> Row:
    problem = error.problems[0]
    return Row(
        what=what,
        lock=wanted,
        here=problem.message,
        ok=False,
        exit=Exit.ENVIRONMENT,
        code=problem.code,
        hint=problem.hint or "",
    )


def _texts(value: Plain) -> tuple[str, ...]:
    return tuple(map(str, value)) if isinstance(value, tuple) else ()


def _digest_row(values: Mapping[str, Plain], role: str, path: Path, report: Report) -> Row:
    report(f"hashing {path}")
    wanted = str(values[f"{role}.digest"])
    weights = role == "model.teacher" or values["model.student.init"] != "random"
    try:
        here = model_digest(path, weights=weights)
    except KavaError as error:
        return _failed(f"{role}.digest", _short(wanted), error)
    return Row(
        what=f"{role}.digest",
        lock=_short(wanted),
        here=_short(here),
        ok=here == wanted,
        code="KV0402",
        hint=f"{path} is another model than the one that was locked",
    )


def _made_row(values: Mapping[str, Plain]) -> Row:
    wanted = str(values["model.student.digest"])
    layers = [int(layer) for layer in _texts(values["model.student.layers"])]
    here = layers_digest(str(values["model.teacher.digest"]), layers)
    return Row(
        what="model.student.digest",
        lock=_short(wanted),
        here=_short(here),
        ok=here == wanted,
        code="KV0402",
    )


def _short(digest: str) -> str:
    """Enough to tell two digests apart, and few enough for a table."""
    return digest[:19]


# ---- the run folder ----------------------------------------------------------------------------


def _inside(values: Mapping[str, Plain], found: Ids, target: str, request: Request) -> Path:
    """`<name>/<kx8>-<target>`, below a place of `paths.output`."""
    leaf = f"{found.kx8}-{target}" + (f"-{request.run_name}" if request.run_name else "")
    return Path(str(values["name"])) / (leaf + ("-smoke" if request.smoke else ""))


def _choose(
    values: Mapping[str, Plain], found: Ids, target: str, request: Request, project: Project
) -> Chosen:
    return choose(
        [(place, project.expand(place)) for place in _texts(values["paths.output"])],
        _inside(values, found, target, request),
        project=project.folder,
        resume=request.resume,
    )


def _from_disk(values: Mapping[str, Plain]) -> bool:
    return values.get("train.teacher_placement") == "cached"


def _keeps(values: Mapping[str, Plain]) -> bool:
    """Whether anything of this lock is kept in `paths.cache`."""
    return bool(values["train.compile"]) or _from_disk(values)


def no_cache_row(values: Mapping[str, Plain]) -> Row:
    """What the teacher sees has to be kept somewhere."""
    places = ", ".join(_texts(values["paths.cache"]))
    return Row(
        what="paths.cache",
        lock=places,
        here="no place that can be used",
        ok=False,
        exit=Exit.ENVIRONMENT,
        code="KV0410",
        message="no place of paths.cache can be used here, where the teacher's keys and values "
        'are kept: train.teacher_placement is "cached"',
        hint="set KAVA_CACHE_PATH to a folder that you may write to",
    )


def _cache(values: Mapping[str, Plain], project: Project) -> Path | None:
    places = [(place, project.expand(place)) for place in _texts(values["paths.cache"])]
    chosen = choose(places, Path("torch"), project=project.folder, resume=False)
    return None if chosen.place is None else chosen.place.path


def _place(chosen: Chosen, folder: Path) -> Row:
    assert chosen.place is not None
    return Row(what="paths.output", lock=chosen.place.symbolic, here=shown(folder), ok=True)


def no_place_row(chosen: Chosen) -> Row:
    """None of the places can be used: each with its reason."""
    last = chosen.tried[-1] if chosen.tried else None
    told = [f"{place.symbolic}: {place.trouble}" for place in chosen.tried]
    variable = next((it for it in chosen.tried if it.symbolic.startswith("$KAVA_OUTPUT")), None)
    hint = "name a folder that you may write to in paths.output and lock again"
    if variable is not None:
        hint = "set KAVA_OUTPUT_PATH to a folder that you may write to"
    if last is not None and last.insisted:
        hint = "correct KAVA_OUTPUT_PATH; without it, run takes the next place of paths.output"
    return Row(
        what="paths.output",
        lock=", ".join(place.symbolic for place in chosen.tried),
        here="no place that can be used",
        ok=False,
        exit=Exit.ENVIRONMENT,
        code="KV0404",
        message=f"no place for the run folder can be used: {'; '.join(told)}",
        hint=hint,
    )


def _passed_over(chosen: Chosen) -> Iterator[str]:
    """Places before the one that is taken which are there and cannot be used."""
    if chosen.place is not None:
        for place in chosen.tried:
            if place.there and place.trouble is not None:
                yield f"{place.symbolic} is passed over: {place.trouble}"


def _size(lock: Lock, values: Mapping[str, Plain], request: Request) -> Footprint | None:
    parameters = _parameters(lock)
    return None if parameters is None else footprint(values, parameters, request.smoke)


def disk_row(folder: Path, size: Footprint | None, *, held: int, free: int) -> Row:
    """What the run will write, against what is free; what its folder holds is written by now."""
    if size is None:
        return Row(what="disk", lock="not known", here=f"{in_bytes(free)} free", ok=True)
    held = min(size.bytes, held)
    need = size.bytes - held
    return Row(
        what="disk",
        lock=("at least " if size.adapters else "") + in_bytes(need) + (" more" if held else ""),
        here=f"{in_bytes(free)} free",
        ok=free >= need,
        exit=Exit.ENVIRONMENT,
        code="KV0409",
        message=f"{shown(folder)} needs {in_bytes(need)} of disk, and {in_bytes(free)} are free: "
        f"{size}" + (f", less {in_bytes(held)} that is there" if held else ""),
        hint="make room, or set KAVA_OUTPUT_PATH to a place on another disk",
    )


def _taken(here: Here) -> list[Row]:
    """Somebody has this run folder already, or there is nothing in it to go on with."""
    smoke = here.stop_after is not None
    problem = not_to_be_thrown_away(here.run_folder) if smoke else refused(here)
    if problem is None:
        return []
    return [
        Row(
            what="run folder",
            lock="an unfinished run" if here.resume else "free",
            here=problem.message.removeprefix(f"{here.run_folder} "),
            ok=False,
            exit=problem.exit,
            code=problem.code,
            message=problem.message,
            hint=problem.hint or "",
        )
    ]


def _not_held(unknown: Sequence[str]) -> Iterator[str]:
    if unknown:
        yield f"the lock does not know {', '.join(unknown)}: nothing was held against it"


def shown(path: Path) -> str:
    """A path as one would type it here: relative where it is below this folder."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
