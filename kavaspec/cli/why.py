"""`kavaspec why KEY`: everything worth knowing about one decision."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from kavaspec.cli.app import shell
from kavaspec.cli.render import Pen, print_json, table
from kavaspec.errors import Exit, KavaError, did_you_mean, fail
from kavaspec.explain import explain_all
from kavaspec.explanation import Explanation, headline
from kavaspec.lock.file import read_lock
from kavaspec.lock.model import Lock
from kavaspec.lock.recover import recover_spec
from kavaspec.lock.stale import compare
from kavaspec.plain import show
from kavaspec.spec.load import load_spec
from kavaspec.spec.spec import Spec


def command(
    key: Annotated[str, typer.Argument(help="A key, such as train.precision.")],
    lock: Annotated[Path, typer.Option(help="The lock.")] = Path("kava.lock"),
    spec: Annotated[Path | None, typer.Option(help="The spec; LOCK with .toml by default.")] = None,
    target: Annotated[str | None, typer.Option(help="Which target.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The explanation as JSON.")] = False,
) -> int:
    """Explain one value."""
    at = shell()
    locked = read_lock(lock)
    loaded, moved_on = spec_behind(
        locked, spec or lock.with_suffix(".toml"), asked=spec is not None
    )
    if moved_on and not as_json:
        at.err.line(at.err(f"note: {moved_on} has changed since; this is what is locked", "yellow"))
    explained = explain_all(loaded, locked, evidence={})
    shown = explained[_target(locked, target)]
    if key not in shown:
        near = did_you_mean(key, shown)
        hint = f"did you mean {near}?" if near else None
        raise fail(f"{key} is not decided in {lock}", Exit.USAGE, key=key, hint=hint)
    if as_json:
        print_json("kavaspec.why/1", explanation=shown[key])
    else:
        for line in explanation_lines(shown[key], at.out):
            at.out.line(line)
    return 0


def spec_behind(lock: Lock, path: Path, *, asked: bool) -> tuple[Spec, Path | None]:
    """The spec that gives this lock: the file, or else what the lock tells of it.

    The path comes back when the file is there and says something else by now.
    """
    if not asked and not path.exists():
        return recover_spec(lock), None
    try:
        spec = load_spec(path, set=lock.set)
    except KavaError:
        if asked:
            raise
        return recover_spec(lock), path
    return (spec, None) if compare(spec, lock).fresh else (recover_spec(lock), path)


def explanation_lines(it: Explanation, pen: Pen) -> Iterator[str]:
    """The explanation as text, most important first."""
    yield pen(headline(it), "bold") + (f"  {it.unit}" if it.unit else "")
    yield f"  because  {it.because}"
    yield f"  tier     {it.tier}, by {it.by}, {it.asked}"
    if it.provisional:
        yield pen(f"  provisional: {it.provisional}", "yellow")
    if it.terms:
        rows = [(f"    {term.name}", f"= {term.formula}", f"= {term.value}") for term in it.terms]
        yield "  arithmetic"
        yield from table(rows, 400)
    if it.sources:
        yield "  from"
        rows = [
            (
                f"    {item.name}",
                f"= {show(item.value)}",
                item.how + (f": {item.evidence}" if item.evidence else ""),
            )
            for item in it.sources
        ]
        yield from table(rows, 400)
    if it.rejected:
        yield "  not"
        yield from table([(f"    {show(item.value)}", item.because) for item in it.rejected], 400)
    if it.guard:
        yield "  valid while"
        yield from (f"    {guard}" for guard in it.guard)
    if it.feeds:
        yield f"  feeds    {', '.join(it.feeds)}"
    yield f"  means    {it.meaning}"
    yield f"  to override it, write in kava.toml:  {it.override}"


def _target(lock: Lock, name: str | None) -> str:
    known = ", ".join(lock.targets)
    if name is None and len(lock.targets) == 1:
        return next(iter(lock.targets))
    if name is None:
        raise fail(
            f"the lock has several targets: {known}", Exit.USAGE, hint="name one: --target NAME"
        )
    if name not in lock.targets:
        raise fail(f"the lock has no target {name}; it has {known}", Exit.USAGE)
    return name
