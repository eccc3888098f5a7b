"""`kavaspec run kava.lock`: hold the lock against this machine, then train exactly what it says."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kavaspec.cli import pipe
from kavaspec.cli.app import Shell, shell
from kavaspec.cli.render import jsonable, table
from kavaspec.errors import Exit, KavaError, fail
from kavaspec.explain import one_lock, one_spec
from kavaspec.lock.file import lock_text, read_lock
from kavaspec.lock.model import Here, Lock
from kavaspec.lock.stale import compare
from kavaspec.preflight import Request, Verdict, preflight, refusal
from kavaspec.project import Project
from kavaspec.run_folder import not_to_be_thrown_away
from kavaspec.spec.load import load_spec
from kavaspec.spec.model import NAME
from kavaspec.stop import STOP_FILE, Stop, end_time

if TYPE_CHECKING:
    from kavaspec.events import End, Event
    from kavaspec_runtime.trackers import Open


def command(
    lock: Annotated[Path, typer.Argument(help="The lock. A spec is refused.")],
    target: Annotated[str | None, typer.Option(help="Which target of the lock.")] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the newest checkpoint.")
    ] = False,
    run: Annotated[str | None, typer.Option(help="Name of a further run of this lock.")] = None,
    smoke: Annotated[
        int | None, typer.Option(min=1, help="Only N steps, in a throw-away folder.")
    ] = None,
    allow: Annotated[
        list[str] | None,
        typer.Option(metavar="numerics", help="Let a resume go on with other numerics."),
    ] = None,
    track: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TRACKER", help="Follow it also in tensorboard, or in wandb (offline)."
        ),
    ] = None,
    tui: Annotated[bool, typer.Option("--tui", help="Open the dashboard beside the run.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="The table and every event as lines of JSON.")
    ] = False,
) -> int:
    """Train what the lock says. Refuses, with every reason, where it does not fit."""
    at = shell()
    locked = _only_locks(lock)
    request = Request(
        target=target,
        resume=resume,
        run_name=_folder_name(run),
        smoke=smoke,
        allow_numerics=_allows_numerics(allow or ()),
    )
    if smoke is not None and resume:
        message = "--smoke starts in a throw-away folder, so there is nothing to resume"
        raise fail(message, Exit.USAGE, code="KV0008", hint="leave out one of the two")
    openers = {name: _opener(name) for name in track or ()}
    verdict = preflight(
        locked,
        lock_text(locked),
        request,
        project=Project(env=at.env, folder=lock.resolve().parent),
        report=lambda text: at.err.line(at.err(f"· {text}", "dim")),
    )
    verdict = replace(verdict, notes=(*_spec_notes(locked, lock, verdict.target), *verdict.notes))
    if as_json:
        pipe.say(sys.stdout, preflight_line(verdict) + "\n")
    else:
        for line in preflight_lines(verdict, at):
            at.out.line(line)
    if verdict.here is None:
        if as_json:
            return int(refusal(verdict).exit_code)
        raise refusal(verdict)
    if tui:
        return _beside_dashboard(verdict.here, locked, at)
    return _train(locked, verdict.here, at, openers=openers, as_json=as_json)


def _spec_notes(lock: Lock, path: Path, target: str) -> Iterator[str]:
    """`run` obeys the lock alone, which is proved by now; a spec beside it that differs is worth a word."""
    spec_path = path.with_suffix(".toml")
    if not spec_path.exists():
        return
    ours = f"this run is what {path.name} says; see kavaspec check"
    try:
        spec = load_spec(spec_path, set=lock.set)
    except KavaError:
        yield f"{spec_path} has mistakes; {ours}"
        return
    if target not in spec.targets:
        yield f"{spec_path} has no target {target}; {ours}"
        return
    found = compare(one_spec(spec, target), one_lock(lock, target))
    if not found.fresh:
        count = len(found.differing)
        what = f"{count} {'value' if count == 1 else 'values'} otherwise" if count else "otherwise"
        yield f"{spec_path} decides {what}; {ours}"


def _opener(name: str) -> Open:
    from kavaspec_runtime.trackers import opener  # only who names a tracker needs it

    return opener(name)


def _folder_name(run: str | None) -> str | None:
    """The name of a further run, which becomes part of one folder's name."""
    if run is None or re.fullmatch(NAME, run):
        return run
    message = f"--run {run}: this cannot be part of a folder's name"
    hint = "write letters, digits and . _ - (at most 64)"
    raise fail(message, Exit.USAGE, code="KV0008", hint=hint)


def _allows_numerics(allowed: Sequence[str]) -> bool:
    for word in allowed:
        if word != "numerics":
            message = f"--allow {word}: only numerics can be allowed"
            hint = "the experiment never changes within a run; placement always may"
            raise fail(message, Exit.USAGE, code="KV0008", hint=hint)
    return bool(allowed)


def _only_locks(path: Path) -> Lock:
    if path.suffix == ".toml":
        hint = (
            f"lock it first: kavaspec lock {path}; then: kavaspec run {path.with_suffix('.lock')}"
        )
        raise fail(f"{path} is a spec, not a lock", Exit.UNLOCKED, code="KV0501", hint=hint)
    return read_lock(path)


def preflight_lines(verdict: Verdict, at: Shell) -> Iterator[str]:
    """The table: verdict first, so that nothing cuts it off; then the lock, then this machine."""
    rows = [("", f"preflight, target {verdict.target}", "lock", "here")]
    rows += [
        ("ok" if row.ok else "NO", row.what, row.lock, row.here.splitlines()[0])
        for row in verdict.rows
    ]
    yield from table(rows, at.width)
    for note in verdict.notes:
        yield at.out(f"note: {note}", "dim")
    yield ""


def preflight_line(verdict: Verdict) -> str:
    """The same as one line of JSON, before the events."""
    here, problems = verdict.here, () if verdict.here else refusal(verdict).problems
    document = {
        "schema": "kavaspec.preflight/1",
        "ok": here is not None,
        "exit": int(problems[0].exit) if problems else 0,
        "target": verdict.target,
        "run_folder": str(here.run_folder) if here else None,
        "rows": [
            {"what": row.what, "lock": row.lock, "here": row.here, "ok": row.ok}
            for row in verdict.rows
        ],
        "notes": verdict.notes,
        "problems": problems,
    }
    return json.dumps(jsonable(document), ensure_ascii=False)


def _train(
    lock: Lock,
    here: Here,
    at: Shell,
    *,
    openers: Mapping[str, Open],
    as_json: bool,
) -> int:
    os.environ.update(library_settings(lock.values(here.target), here.cache))
    for name, value in TRACKING.items():
        os.environ.setdefault(name, value)
    at.err.line(at.err("· starting torch", "dim"))
    warnings.filterwarnings("ignore", module="transformers")  # about its own future, not this run
    try:
        from kavaspec_runtime.run import run as train
        from kavaspec_runtime.sink import Sink
        from kavaspec_runtime.trackers import Trackers
    except ImportError as error:
        hint = "pip install 'kavaspec[runtime]'"
        raise fail(
            f"kavaspec run needs {error.name}", Exit.ENVIRONMENT, code="KV0012", hint=hint
        ) from None
    from kavaspec.cli.follow import JsonLines, follower

    if here.stop_after is not None:
        problem = not_to_be_thrown_away(here.run_folder)  # asked before, but torch took its time
        if problem is not None:
            raise KavaError(problem)
        _throw_away(here.run_folder)
    stop = Stop(
        stop_file=here.run_folder / STOP_FILE,
        end=end_time(at.env),
        wall_s=time.time,
        passed_s=time.monotonic,
    )
    stop.stop_file.unlink(missing_ok=True)  # it was meant for an earlier attempt
    follow = JsonLines(sys.stdout) if as_json else follower(at)

    def say(event: Event) -> None:
        sink(event)
        follow.tell(event)

    def emit(event: Event) -> None:
        say(event)
        stop.learn(event)
        trackers.tell(event)
        if event.ev == "run" and not as_json:
            at.err.line(f"watch it from another terminal: kavaspec tui {here.run_folder}")

    with (
        stop.listening(),
        Sink(here.run_folder / "events.jsonl") as sink,
        follow,
        Trackers(openers, lock, here, say) as trackers,
    ):
        try:
            end = train(lock, here, emit, stop.reason)
        except KeyboardInterrupt:
            raise stopped_at_once(here.run_folder) from None
    return _conclude(end, here, at, as_json=as_json)


def stopped_at_once(folder: Path) -> KavaError:
    """The second signal did not wait for the step to end."""
    hint = f"go on from the last checkpoint: kavaspec run LOCK --resume   ({folder})"
    return fail("stopped at once", Exit.INTERRUPTED, code="KV0808", hint=hint)


def _throw_away(folder: Path) -> None:
    """What an earlier smoke run left; the console of this one (`--tui`) stays."""
    # last what marks it as a run's, so that a half-emptied folder is still known as one
    for path in sorted(folder.glob("*"), key=lambda path: path.name == "run.json"):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        elif path.name != "console.log":
            path.unlink()


TRACKING = {"WANDB_MODE": "offline", "WANDB_PROJECT": "kavaspec"}
"""What W&B reads when it starts, unless the person says otherwise: nothing is sent anywhere."""


def library_settings(values: Mapping[str, object], cache: Path | None) -> dict[str, str]:
    """What libraries read when they are loaded: exactly as locked, and no network."""
    kept = (
        {}
        if cache is None
        else {
            "TORCHINDUCTOR_CACHE_DIR": str(cache / "torch" / "inductor"),
            "TRITON_CACHE_DIR": str(cache / "torch" / "triton"),
        }
    )
    return {
        "OMP_NUM_THREADS": str(values["train.threads"]),
        "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
        "TOKENIZERS_PARALLELISM": "false",
        "HF_HUB_OFFLINE": "1",
        "TRANSFORMERS_VERBOSITY": "error",
        **kept,
    }


def _conclude(end: End, here: Here, at: Shell, *, as_json: bool) -> int:
    code = {"finished": Exit.OK, "interrupted": Exit.INTERRUPTED, "failed": Exit.FAILED}[end.status]
    if as_json:
        return code
    if end.result:
        at.out.line()
        rows = [(RESULTS.get(name, name), f"{value:.4f}") for name, value in _sorted(end.result)]
        for line in table(rows, at.width):
            at.out.line(f"  {line}")
        at.out.line()
    at.out.line(f"{end.status} after step {end.step}: {end.reason}")
    at.out.line(f"run folder: {here.run_folder}")
    if end.status == "interrupted":
        at.out.line("go on: the same command with --resume")
    return code


RESULTS = {
    "exact_match": "exact match on held-out problems",
    "ce": "cross-entropy, held out",
    "cosine": "cosine to the teacher",
    "cosine_shuffled": "cosine to a teacher that read another row",
    "cosine_centred": "cosine without the mean",
    "cosine_constant": "cosine of a constant guess",
    "relative_variance": "relative variance of the student",
}
"""The final table, in this order: the task first, then the cosine and what makes it readable."""


def _sorted(result: Mapping[str, float]) -> list[tuple[str, float]]:
    order = [*RESULTS, *result]
    return sorted(result.items(), key=lambda item: order.index(item[0]))


def _beside_dashboard(here: Here, lock: Lock, at: Shell) -> int:
    """The run as a child of its own, so that closing the dashboard leaves it alone."""
    from kavaspec.cli.tui import beside

    return beside(here, lock, sys.argv, at)
