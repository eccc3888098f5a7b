"""`kavaspec check`: derive every value again from spec and lock alone; change nothing."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kavaspec.cli.app import Shell, shell
from kavaspec.cli.render import clip, print_json, problems_text, table
from kavaspec.errors import Exit, KavaError, Problem, fail
from kavaspec.lock.file import read_lock
from kavaspec.lock.ids import Ids, ids, short, spell
from kavaspec.lock.model import Lock
from kavaspec.lock.stale import Comparison, Known, compare
from kavaspec.lock.versions import Newer
from kavaspec.plain import Plain, toml
from kavaspec.spec.load import load_spec
from kavaspec.spec.spec import Spec

if TYPE_CHECKING:
    from kavaspec.lock.reasons import Reason


class Format(StrEnum):
    """How the verdict is told."""

    TEXT = "text"
    JSON = "json"
    GITHUB = "github"
    SARIF = "sarif"


MARKED = (Format.GITHUB, Format.SARIF)
"""Told to programs that mark lines of files."""


def command(
    lock: Annotated[Path, typer.Argument(help="The lock.")] = Path("kava.lock"),
    spec: Annotated[Path | None, typer.Option(help="The spec; LOCK with .toml by default.")] = None,
    format: Annotated[
        Format,
        typer.Option(help="text, json, github (annotations of a pull request), or sarif."),
    ] = Format.TEXT,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
) -> int:
    """Derive every value again, offline; change nothing."""
    at = shell()
    try:
        return _check(lock, spec, format, as_json, at)
    except KavaError as error:
        if format in MARKED and not as_json:
            _mark(format, lock, (), error.problems, "", at)
        raise


def _check(lock: Path, spec: Path | None, format: Format, as_json: bool, at: Shell) -> int:
    locked = read_lock(lock)
    path = _spec_of(lock, spec)
    loaded = load_spec(path, set=locked.set)
    known = _known(loaded, locked, path.parent)
    found = compare(loaded, locked, known=known)
    code = Exit.OK if found.fresh else Exit.STALE
    impossible = explained_again(found, loaded, locked, known)
    if impossible:
        code = impossible[0].exit
    told = () if found.fresh else _reasons(loaded, locked, found, path.parent)
    fix = lock_command(path, lock, locked.set)
    if as_json or format is Format.JSON:
        print_json(
            "kavaspec.check/1",
            lock=str(lock),
            fresh=found.fresh,
            exit=int(code),
            ids={name: ids(locked, name) for name in locked.targets},
            ids_after=_after(found),
            reasons=told,
            newer=found.newer,
            missing_facts=found.missing_facts,
            outdated_trials=found.outdated,
            problems=impossible or found.derived.problems,
            notes=known.notes if known else (),
            fix=None if found.fresh or impossible else fix,
        )
    elif format in MARKED:
        _mark(format, lock, told, impossible, "" if impossible else fix, at)
    else:
        _print(lock, locked, found, told, impossible, fix, at)
        for note in known.notes if known else ():
            at.out.line(at.out(f"note: {note}", "dim"))
    return int(code)


def _mark(
    format: Format,
    lock: Path,
    told: Sequence[Reason],
    problems: Sequence[Problem],
    fix: str,
    at: Shell,
) -> None:
    from kavaspec.cli.marks import github_line, marks, sarif  # a person needs none of it

    causes = [(it, _follows(it)) for it in told]
    found = marks(lock, causes, problems, fix=fix, env=at.env)
    lines = [sarif(found)] if format is Format.SARIF else map(github_line, found)
    for line in lines:
        at.out.line(line)


def _follows(it: Reason) -> str:
    return ", ".join(f"{name.strip()} {change}" for name, change, _, _ in _rows(it.below, 0))


def _known(spec: Spec, lock: Lock, folder: Path) -> Known | None:
    """What the fact files say by now, as `lock` would read them; None for the lock's own facts."""
    if not spec.facts and all(target.facts is None for target in spec.targets.values()):
        return None
    from kavaspec.recall import recall  # only a spec that names a fact file needs it

    return recall(spec, lock, folder, absent_files=True)


def _reasons(spec: Spec, lock: Lock, found: Comparison, folder: Path) -> tuple[Reason, ...]:
    from kavaspec.lock.reasons import reasons  # a fresh lock needs none

    if not found.changed_facts:
        return reasons(spec, lock, found)
    from kavaspec.recall import fact_places

    places = fact_places(spec, folder, found.changed_facts)
    return reasons(spec, lock, found, fact_places=places)


def _after(found: Comparison) -> Mapping[str, Ids]:
    """The ids that locking again would give, by target; none where that cannot be known yet."""
    if found.fresh or found.derived.errors or found.missing_facts or found.outdated:
        return {}
    lock = found.derived.lock
    return {name: ids(lock, name) for name in lock.targets}


def lock_command(spec: Path, lock: Path, set: Mapping[str, Plain]) -> str:
    """The command that makes this lock again, with everything that it was made with."""
    words = ["kavaspec", "lock"]
    if str(spec) != "kava.toml":
        words.append(shlex.quote(str(spec)))
    if lock != spec.with_suffix(".lock"):
        words += ["-o", shlex.quote(str(lock))]
    for key, value in set.items():
        words += ["--set", shlex.quote(f"{key}={toml(value)}")]
    return " ".join(words)


def _spec_of(lock: Path, spec: Path | None) -> Path:
    path = spec or lock.with_suffix(".toml")
    if not path.exists():
        hint = f"name the spec: kavaspec check {lock} --spec PATH"
        raise fail(
            f"there is no {path} to hold {lock} against", Exit.ENVIRONMENT, code="KV0001", hint=hint
        )
    return path


def explained_again(
    found: Comparison, spec: Spec, lock: Lock, known: Known | None = None
) -> tuple[Problem, ...]:
    """What locking again would meet too, with the lines of the spec that conflict."""
    if not found.impossible:
        return ()
    from kavaspec.conflict import explained  # only a spec that fails needs it

    about = {key for fact in lock.facts.values() for key in fact.of}
    return explained(
        found.impossible,
        spec,
        lambda candidate: compare(candidate, lock, known=known).derived.problems,
        fixed=about,
    )


def _print(
    path: Path,
    lock: Lock,
    found: Comparison,
    told: Sequence[Reason],
    impossible: Sequence[Problem],
    fix: str,
    at: Shell,
) -> None:
    names = {name: ids(lock, name) for name in lock.targets}
    count = len(lock.experiment) + sum(len(target.decisions) for target in lock.targets.values())
    if found.fresh:
        at.out.line(at.out(f"{path} is fresh: {count} decisions derived again, all equal", "green"))
        for key, value in lock.set.items():
            at.out.line(f"  with --set {key}={toml(value)}")
        for line in newer_lines(found.newer):
            at.out.line(line)
        for name, it in names.items():
            at.out.line(spell(name, it))
        return
    at.out.line(at.out("error[KV0301]", "bold", "red") + f": {path} is stale")
    for line in table(list(_rows(told, 1)), at.width):
        at.out.line(line)
    others = count - len([key for target, key in found.differing if _there(lock, target, key)])
    at.out.line(at.out(f"  {others} of {count} decisions are as they were", "dim"))
    after = _after(found)
    for name, it in names.items():
        at.out.line(_becomes(name, it, after.get(name)))
    if impossible:
        at.err.line(problems_text(impossible, at.err))
    else:
        at.out.line(f"fix: {fix}")


def _there(lock: Lock, target: str, key: str) -> bool:
    return key in (lock.targets[target].decisions if target in lock.targets else lock.experiment)


def _rows(told: Iterable[Reason], depth: int) -> Iterator[tuple[str, str, str, str]]:
    """Key, old and new value, why, and where kava.toml says it; consequences are indented."""
    for it in told:
        where = f"{it.where.path}:{it.where.line}:{it.where.column}" if it.where else ""
        named = f" ({', '.join(it.targets)})" if it.targets else ""
        name = f"target {it.key}" if it.kind == "target" else it.key
        change = it.told(lambda side: clip(side, SIDE))
        yield f"{'  ' * depth}{name}{named}", change, where, it.because
        yield from _rows(it.below, depth + 1)


SIDE = 32
"""Columns of the old and of the new value, at most: neither hides the other."""


def _becomes(target: str, before: Ids, after: Ids | None) -> str:
    line = spell(target, before)
    if after is None:
        return line
    changed = [
        f"{tier} {short(new, provisional=False)}"
        for tier, old, new in (
            ("experiment", before.kx, after.kx),
            ("numerics", before.kn, after.kn),
        )
        if old != new
    ]
    return line + (f"; would become {', '.join(changed)}" if changed else "; would stay the same")


def newer_lines(newer: Sequence[Newer]) -> Iterator[str]:
    """What a newer kavaspec brought, and how to take it: a lock never moves by itself."""
    if newer:
        count = "1 newer rule is" if len(newer) == 1 else f"{len(newer)} newer rules are"
        names = ", ".join(f"{item.key} ({item.old} -> {item.new})" for item in newer)
        yield f"{count} available: {names}"
        yield "  take one: kavaspec lock --upgrade KEY"
