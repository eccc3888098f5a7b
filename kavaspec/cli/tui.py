"""`kavaspec tui [LOCK or RUN]`: every decision and why, or the training live."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Annotated

import typer

from kavaspec.cli.app import Shell, shell
from kavaspec.errors import Exit, fail
from kavaspec.explanation import Explanations
from kavaspec.lock.file import read_lock
from kavaspec.lock.model import Here, Lock


def command(
    path: Annotated[Path, typer.Argument(help="A lock or a run folder.")] = Path("kava.lock"),
    plain: Annotated[
        bool, typer.Option("--plain", help="Lines of text instead of a dashboard.")
    ] = False,
    once: Annotated[bool, typer.Option("--once", help="Print the present state and end.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The state as JSON.")] = False,
) -> int:
    """Open the dashboard. Closing it never touches a run."""
    at = shell()
    dashboard = _dashboard()
    why_not = "--plain was given" if plain or once or as_json else dashboard.can_draw(at.env)
    if path.is_dir():
        return _open_run(path, plain=bool(why_not), once=once, as_json=as_json)
    lock = read_lock(path)
    explanations = explained(lock, path)
    if why_not:
        _text().decisions(lock, explanations, out=sys.stdout, as_json=as_json, width=_width(at))
    else:
        dashboard.open_lock(lock, explanations, str(path))
    return 0


def explained(lock: Lock, path: Path) -> dict[str, Explanations]:
    """Explanations of every decision, from the spec beside the lock or else from the lock alone."""
    from kavaspec.cli.why import kept_facts, spec_behind
    from kavaspec.explain import explain_all

    behind = spec_behind(lock, path.with_suffix(".toml"), asked=False)
    return dict(explain_all(behind.spec, lock, kept=kept_facts(behind, list(lock.targets))))


def beside(here: Here, lock: Lock, argv: Sequence[str], at: Shell) -> int:
    """Start the run as a process of its own and watch its folder."""
    dashboard = _dashboard()
    why_not = dashboard.can_draw(at.env)
    if why_not:
        raise fail(
            f"--tui cannot draw: {why_not}",
            Exit.ENVIRONMENT,
            code="KV0011",
            hint="run without --tui",
        )
    words = [word for word in argv[1:] if word != "--tui"]
    here.run_folder.mkdir(parents=True, exist_ok=True)
    with (here.run_folder / "console.log").open("ab") as log:
        child = subprocess.Popen(
            [sys.executable, "-m", "kavaspec", *words],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    dashboard.open_run(here.run_folder, explained(lock, here.run_folder / "kava.lock"))
    code = child.poll()
    if code is None:
        at.out.line(f"the run goes on as process {child.pid}: kavaspec tui {here.run_folder}")
        return Exit.OK
    at.out.line(f"run folder: {here.run_folder}")
    return code


def _open_run(folder: Path, *, plain: bool, once: bool, as_json: bool) -> int:
    if not (folder / "run.json").exists() and not (folder / "events.jsonl").exists():
        runs = sorted(path.parent for path in folder.glob("**/run.json"))
        hint = "there are: " + ", ".join(map(str, runs)) if runs else "`kavaspec run` makes one"
        raise fail(
            f"{folder} is not a run folder: it has no run.json",
            Exit.ENVIRONMENT,
            code="KV0010",
            hint=hint,
        )
    if not plain:
        lock_path = folder / "kava.lock"
        explanations = explained(read_lock(lock_path), lock_path) if lock_path.exists() else None
        _dashboard().open_run(folder, explanations)
        return 0
    if once or as_json:
        _text().once(folder, out=sys.stdout, as_json=as_json, width=_width(shell()))
    else:
        _text().watch(folder, out=sys.stdout)
    return 0


def _dashboard() -> ModuleType:
    return _part("app")


def _text() -> ModuleType:
    return _part("plain")


def _width(at: Shell) -> int:
    """Columns of the terminal, or those of a file."""
    return at.out.width or int(_text().WIDTH)


def _part(name: str) -> ModuleType:
    try:
        return import_module(f"kavaspec_tui.{name}")
    except ImportError as error:
        hint = "pip install 'kavaspec[tui]'"
        raise fail(
            f"the dashboard needs {error.name}", Exit.ENVIRONMENT, code="KV0012", hint=hint
        ) from None
