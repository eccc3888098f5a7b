"""`kavaspec check`: derive every value again from spec and lock alone; change nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kavaspec.cli.app import Shell, shell
from kavaspec.cli.render import print_json, problems_text, table
from kavaspec.errors import Exit, fail
from kavaspec.lock.file import read_lock
from kavaspec.lock.ids import Ids, ids, spell
from kavaspec.lock.stale import Change, Comparison, compare
from kavaspec.spec.load import load_spec


def command(
    lock: Annotated[Path, typer.Argument(help="The lock.")] = Path("kava.lock"),
    spec: Annotated[Path | None, typer.Option(help="The spec; LOCK with .toml by default.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The verdict as JSON.")] = False,
) -> int:
    """Derive every value again, offline; change nothing."""
    at = shell()
    locked = read_lock(lock)
    loaded = load_spec(_spec_of(lock, spec), set=locked.set)
    found = compare(loaded, locked)
    code = Exit.OK if found.fresh else Exit.STALE
    if found.impossible:
        code = found.impossible[0].exit
    names = {name: ids(locked, name) for name in locked.targets}
    if as_json:
        print_json(
            "kavaspec.check/1",
            lock=str(lock),
            fresh=found.fresh,
            exit=int(code),
            ids=names,
            changes=found.changes,
            missing_facts=found.missing_facts,
            problems=found.derived.problems,
        )
    else:
        _print(lock, found, names, len(locked.experiment), at)
    return int(code)


def _spec_of(lock: Path, spec: Path | None) -> Path:
    path = spec or lock.with_suffix(".toml")
    if not path.exists():
        hint = f"name the spec: kavaspec check {lock} --spec PATH"
        raise fail(f"there is no {path} to hold {lock} against", Exit.ENVIRONMENT, hint=hint)
    return path


def _print(lock: Path, found: Comparison, names: dict[str, Ids], size: int, at: Shell) -> None:
    if found.fresh:
        count = size + sum(len(target.decisions) for target in found.derived.lock.targets.values())
        at.out.line(at.out(f"{lock} is fresh: {count} decisions derived again, all equal", "green"))
    else:
        _print_stale(lock, found, at)
    for name, it in names.items():
        at.out.line(spell(name, it))


def _print_stale(lock: Path, found: Comparison, at: Shell) -> None:
    at.out.line(at.out(f"{lock} is stale", "bold", "red"))
    for fact in found.missing_facts:
        at.out.line(f"  {fact} was observed for something else than what kava.toml names now")
    rows = [_row(change, found.changes) for change in found.changes]
    for line in table(rows, at.width):
        at.out.line(line)
    if found.impossible:
        at.err.line(problems_text(found.impossible, at.err))
    else:
        at.out.line("fix: kavaspec lock")


def _row(change: Change, changes: tuple[Change, ...]) -> tuple[str, str, str]:
    depth, follows, by_key = 1, change.follows, {item.key: item for item in changes}
    while follows in by_key and depth < 8:
        depth, follows = depth + 1, by_key[follows].follows
    where = f" ({change.target})" if change.target else ""
    return (f"{'  ' * depth}{change.key}{where}", f"{change.old} -> {change.new}", change.because)
