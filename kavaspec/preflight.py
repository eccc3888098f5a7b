"""Before a run: hold the lock against this machine, and find its models, data and run folder here.

Preflight decides nothing. It measures only what guards name, expands the locked places, verifies
digests and free space, and reports everything in one table: lock, here, verdict.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from kavaspec.errors import Exit, KavaError, Problem, fail
from kavaspec.fit import Held, choose_target, hold, notes, see, would_be
from kavaspec.lock.ids import Ids, ids
from kavaspec.lock.model import Here, Lock
from kavaspec.plain import Plain, toml
from kavaspec.project import Project
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
    hint: str = ""


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
    notes: tuple[str, ...] = ()
    """What this machine would have decided otherwise, though the locked values are valid."""

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
        KavaError: exit 2 when several targets fit and none was named, exit 4 when none does; exit
            5 when the experiment is provisional; exit 6 when keys are missing from the lock.
    """
    named = request.target
    candidates = [named] if named is not None and named in lock.targets else list(lock.targets)
    seen = see(lock, candidates, env=project.env, report=report)
    target = choose_target(lock, request.target, seen)
    _refuse_incomplete(lock, target)
    _refuse_provisional(lock)
    values, found = lock.values(target), ids(lock, target)
    rows = [_guard_row(held) for held in hold(lock, target, seen)]
    teacher, student, data, places = _find(values, project, report)
    folder, output = _run_folder(values, found, target, request, project)
    rows = [*rows, *_memory(lock, values), *places, output]
    if not all(row.ok for row in rows) or folder is None:
        return Verdict(rows=tuple(rows), here=None)
    differs = notes(would_be(lock, target, seen))
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
    )
    return Verdict(rows=tuple(rows), here=here, notes=differs)


def refusal(verdict: Verdict) -> KavaError:
    """Everything that failed, as one error: drift first, then what is missing."""
    order = sorted(verdict.failures, key=lambda row: row.exit)
    return KavaError(
        *(
            Problem(
                message=f"{row.what}: the lock wants {row.lock}, here is {row.here}",
                exit=row.exit,
                code=row.code,
                hint=row.hint or None,
            )
            for row in order
        )
    )


def _refuse_incomplete(lock: Lock, target: str) -> None:
    """A lock that was cut between two blocks has fitting seals, but not all keys."""
    from kavaspec.spec.load import applicable_keys

    blocks = lock.blocks(target)
    kind = blocks["objective.kind"].value if "objective.kind" in blocks else "kv"
    wanted = applicable_keys(str(kind))
    missing = [key for key in wanted if key not in blocks]
    if missing:
        message = f"the lock is not complete: {len(missing)} keys are missing, first {missing[0]}"
        raise fail(message, Exit.BROKEN, code="KV0605", hint="derive it again with `kavaspec lock`")
    extra = [key for key in blocks if key not in wanted]
    if extra:
        message = f"the lock has {extra[0]}, which this kavaspec does not know"
        raise fail(
            message,
            Exit.BROKEN,
            code="KV0607",
            hint="use the kavaspec that wrote it, or a newer one",
        )


def _refuse_provisional(lock: Lock) -> None:
    open_keys = [key for key, block in lock.experiment.items() if block.provisional]
    if open_keys:
        message = f"the experiment is still provisional: {', '.join(open_keys)}"
        hint = "run `kavaspec lock` where the models and data are, then run again"
        init = lock.experiment.get("model.student.init")
        if "model.student.digest" in open_keys and init is not None and init.value == "pretrained":
            hint += '; for a student without weights write model.student.init = "random"'
        raise fail(message, Exit.UNLOCKED, code="KV0502", hint=hint)


def _guard_row(held: Held) -> Row:
    return Row(
        what=f"{held.key} ({held.guard.fact})",
        lock=f"{held.guard.op} {toml(held.guard.value)}",
        here=held.here,
        ok=held.ok,
        hint="lock for this machine (kavaspec lock --refresh), or choose another target",
    )


BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}


def _memory(lock: Lock, values: Mapping[str, Plain]) -> list[Row]:
    """What the student's weights, gradients and moments need at the very least, against what is free.

    On a CPU, where nothing else guards memory; activations come on top, and the rehearsal tries them.
    """
    fact = lock.facts.get("fact.student.parameters")
    if values["train.device"] != "cpu" or fact is None or not isinstance(fact.value, int):
        return []
    import psutil

    weights = BYTES[str(values["train.param_dtype"])]
    moments = BYTES[str(values["train.optimizer_state_dtype"])]
    need_bytes = fact.value * 2 * (weights + moments)
    free_bytes = psutil.virtual_memory().available
    return [
        Row(
            what="memory (student, gradients, moments)",
            lock=f">= {max(1, need_bytes // 2**20)} MiB",
            here=f"{free_bytes // 2**20} MiB free",
            ok=free_bytes >= need_bytes,
            code="KV0403",
            hint="free some memory, or run where there is more",
        )
    ]


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
        if what == "model" and path is not None:
            rows.append(_digest_row(values, role, path, report))
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
    return digest[:19]


def _run_folder(
    values: Mapping[str, Plain],
    found: Ids,
    target: str,
    request: Request,
    project: Project,
) -> tuple[Path | None, Row]:
    """`<output>/<name>/<kx8>-<target>` under the first place that can be written."""
    tried: list[str] = []
    for symbolic in _texts(values["paths.output"]):
        place = project.expand(symbolic)
        base = _existing(place) if place else None
        tried.append(symbolic)
        if place is None or base is None or not _is_ours(symbolic, place, base, project.folder):
            continue
        leaf = f"{found.kx8}-{target}" + (f"-{request.run_name}" if request.run_name else "")
        leaf += "-smoke" if request.smoke else ""
        free = shutil.disk_usage(base).free
        here = f"{place} ({free // 2**20} MiB free)"
        row = Row(what="paths.output", lock=symbolic, here=here, ok=True)
        return place / str(values["name"]) / leaf, row
    row = Row(
        what="paths.output",
        lock=", ".join(tried),
        here="no such folder that can be written",
        ok=False,
        exit=Exit.ENVIRONMENT,
        code="KV0404",
        hint="set KAVA_OUTPUT_PATH to a folder that you may write to"
        if any(place.startswith("$KAVA_OUTPUT_PATH") for place in tried)
        else "name a folder that you may write to in paths.output and lock again",
    )
    return None, row


def _existing(place: Path) -> Path | None:
    """The nearest folder above that exists and can be written."""
    import os

    for folder in (place, *place.parents):
        if folder.exists():
            return folder if folder.is_dir() and os.access(folder, os.W_OK) else None
    return None


def _is_ours(symbolic: str, place: Path, base: Path, project: Path) -> bool:
    """A variable's own folder must exist: `/scratch/$USER/kava` is not made below a bare `/`."""
    if symbolic.startswith("$KAVA_"):
        return True
    depth = len(place.parts) - len(base.parts)
    return base in (place, project) or depth <= 2
