"""`kavaspec lock`: decide every key, write kava.lock, and say what was decided and why."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kavaspec.cli.app import Shell, shell, spec_and_lock
from kavaspec.cli.render import clip, print_json, problems_text, table
from kavaspec.plain import counted, show, toml

if TYPE_CHECKING:
    from kavaspec.compile import Compiled
    from kavaspec.decision import Decision


def command(
    spec: Annotated[Path, typer.Argument(help="The spec.")] = Path("kava.toml"),
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="The lock; SPEC with .lock by default.")
    ] = None,
    target: Annotated[
        list[str] | None,
        typer.Option(help="Only this target anew, the others as locked; may be repeated."),
    ] = None,
    set: Annotated[
        list[str] | None, typer.Option(help="KEY=VALUE laid over the spec, kept in the lock.")
    ] = None,
    refresh: Annotated[
        bool, typer.Option("--refresh", help="Observe machine, models and data again.")
    ] = False,
    upgrade: Annotated[
        list[str] | None,
        typer.Option(help="KEY to move to its newest rule, or `all`; may be repeated."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show, but write nothing.")] = False,
    all_keys: Annotated[
        bool, typer.Option("--all", help="Show keys at their default too.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The decisions as JSON.")] = False,
) -> int:
    """Decide every key and write the lock."""
    from kavaspec.compile import compile_lock
    from kavaspec.lock.file import write_lock
    from kavaspec.project import Project
    from kavaspec.spec.load import parse_settings

    at = shell()
    spec_path, lock_path = spec_and_lock(spec, output)
    compiled = compile_lock(
        spec_path,
        lock_path,
        Project(env=at.env, folder=spec_path.resolve().parent),
        set=parse_settings(set or ()),
        refresh=refresh,
        only=tuple(target or ()),
        report=lambda text: at.err.line(at.err(f"· {text}", "dim")),
        upgrade=tuple(upgrade or ()),
    )
    unchanged = lock_path.exists() and lock_path.read_bytes() == compiled.text.encode()
    if not dry_run and not unchanged:
        write_lock(lock_path, compiled.text)
    if as_json:
        _print_json(compiled, lock_path, written=not dry_run and not unchanged)
    else:
        _print(compiled, lock_path, at, all_keys=all_keys, dry_run=dry_run, unchanged=unchanged)
    return 0


def _print(
    compiled: Compiled,
    lock_path: Path,
    at: Shell,
    *,
    all_keys: bool,
    dry_run: bool,
    unchanged: bool,
) -> None:
    from kavaspec.lock.ids import ids, spell

    for line in _decisions(compiled, at, all_keys=all_keys):
        at.out.line(line)
    warnings = [item for item in compiled.derived.problems if item.severity == "warning"]
    if warnings:
        at.err.line(problems_text(warnings, at.err) + "\n")
    lock = compiled.derived.lock
    for line in (*_upgraded(compiled, at), *_merged(compiled), *_no_longer_set(compiled)):
        at.out.line(line)
    for name in lock.targets:
        at.out.line(spell(name, ids(lock, name)))
    verb = "unchanged:" if unchanged else "would write" if dry_run else "wrote"
    at.out.line(at.out(f"{verb} {lock_path}", "bold"))


def _upgraded(compiled: Compiled, at: Shell) -> Iterator[str]:
    """What moved to a newer version, and everything that changed with it."""
    from kavaspec.cli.diff import text_lines
    from kavaspec.lock.diff import choose_pairs, diff

    before = compiled.before
    if before.lock is None or not before.whole or not compiled.asked_to_upgrade:
        return
    for item in compiled.upgraded:
        where = f" ({', '.join(item.targets)})" if item.targets else ""
        yield at.out(f"upgraded {item.key}{where}: {item.old} -> {item.new}", "bold")
    if not compiled.upgraded:
        yield "nothing to upgrade: what was named is at its newest version"
        return
    new, labels = compiled.derived.lock, ("before", "after")
    pairs = choose_pairs(before.lock, new, (), labels=labels)
    found = diff(before.lock, new, pairs, whole=True)
    yield from text_lines(found, labels, at.out, width=at.width, all_facts=False)
    yield ""


def _merged(compiled: Compiled) -> Iterator[str]:
    from kavaspec.lock.merge import derived_again

    if compiled.before.sides is not None:
        again = derived_again(compiled.before.sides, compiled.derived.lock)
        keys = "1 key" if len(again) == 1 else f"{len(again)} keys"
        names = f": {', '.join(again)}" if again else ""
        yield f"merge resolved: {keys} derived again{names}"
        for key, value in compiled.before.kept.items():
            yield f"kept from the merge: --set {shlex.quote(f'{key}={toml(value)}')}"
        for key in compiled.before.settled:
            yield f"no longer set: {key}; kava.toml says which of the two sides it is"


def _no_longer_set(compiled: Compiled) -> Iterator[str]:
    """A `--set` of the old lock that was not given again is no longer part of the spec."""
    old = compiled.before.lock.set if compiled.before.lock else {}
    gone = {key: value for key, value in old.items() if key not in compiled.derived.lock.set}
    for key, value in gone.items():
        setting = shlex.quote(f"{key}={toml(value)}")
        yield f"no longer set: {key}; to keep it, lock with: --set {setting}"


def _decisions(compiled: Compiled, at: Shell, *, all_keys: bool) -> Iterator[str]:
    """One line for each decision that is not a plain default: the experiment, then each target.

    A further target shows only what differs from the first.
    """
    lock, decided = compiled.derived.lock, compiled.derived.decisions
    first = next(iter(decided))
    yield from _section("experiment", lock.experiment, decided[first], at, all_keys=all_keys)
    for name, target in lock.targets.items():
        title, shown = f"target {name}", list(target.decisions)
        if name != first:
            title += f", where it differs from {first}"
            shown = [key for key in shown if decided[name][key].value != decided[first][key].value]
        yield from _section(title, shown, decided[name], at, all_keys=all_keys)


def _section(
    title: str,
    shown: Iterable[str],
    decisions: Mapping[str, Decision],
    at: Shell,
    *,
    all_keys: bool,
) -> Iterator[str]:
    told = {key: decisions[key] for key in shown}
    quiet = {key for key, it in told.items() if it.by.startswith("default") and not all_keys}
    rows = [
        (
            f" {'~' if decision.provisional else ' '} {key}",
            clip(show(decision.value), 34),
            _tier(key),
            decision.because,
        )
        for key, decision in told.items()
        if key not in quiet
    ]
    yield at.out(title, "bold", "cyan")
    yield from table(rows, at.width)
    if any(decision.provisional for key, decision in told.items() if key not in quiet):
        note = "~ provisional: rests on something nobody measured; `run` confirms it or stops"
        yield at.out(f"   {note}", "dim")
    if quiet:
        yield at.out(
            f"   and {counted(len(quiet), 'key')} at their default (--all shows them)", "dim"
        )
    yield ""


def _tier(key: str) -> str:
    from kavaspec.spec.schema import keys

    return keys()[key].tier


def _print_json(compiled: Compiled, lock_path: Path, *, written: bool) -> None:
    from kavaspec.lock.ids import ids
    from kavaspec.lock.merge import derived_again

    lock = compiled.derived.lock
    print_json(
        "kavaspec.lock/1",
        lock=str(lock_path),
        written=written,
        ids={name: ids(lock, name) for name in lock.targets},
        decisions=compiled.derived.decisions,
        upgraded=compiled.upgraded,
        newer=compiled.derived.newer,
        merged=None
        if compiled.before.sides is None
        else derived_again(compiled.before.sides, lock),
        warnings=[item for item in compiled.derived.problems if item.severity == "warning"],
        not_found=compiled.observed.not_found,
    )
