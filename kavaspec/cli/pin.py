"""`kavaspec pin`: write a value into kava.toml where a person would, comments and all else kept."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kavaspec.cli.app import shell
from kavaspec.cli.fix import write_spec
from kavaspec.cli.render import print_json
from kavaspec.decision import AUTO
from kavaspec.errors import Exit, did_you_mean, fail
from kavaspec.lock.file import read_lock
from kavaspec.lock.model import Lock
from kavaspec.paste import Paste, paste
from kavaspec.plain import Plain, same, show, toml
from kavaspec.spec.load import literal_value, parse_spec, read_text
from kavaspec.spec.schema import keys
from kavaspec.spec.spec import Spec


def command(
    setting: Annotated[
        str,
        typer.Argument(
            metavar="KEY[=VALUE]",
            help="A key: its locked value is written. KEY=VALUE writes another, KEY=auto gives it back.",
        ),
    ],
    spec: Annotated[Path, typer.Option(help="The spec.")] = Path("kava.toml"),
    lock: Annotated[Path | None, typer.Option(help="The lock; SPEC with .lock by default.")] = None,
    target: Annotated[str | None, typer.Option(help="For this target alone.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show, but write nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="What is written, as JSON.")] = False,
) -> int:
    """Write a locked value, or another, into the spec; `KEY=auto` lets the machine decide again."""
    at = shell()
    key, equals, literal = (part.strip() for part in setting.partition("="))
    _refuse_unknown(key, target)
    text = read_text(spec)
    loaded = parse_spec(text, str(spec), set={})
    _refuse_target(loaded, target)
    value: Plain = (
        literal_value(literal)
        if equals
        else _locked(read_lock(lock or spec.with_suffix(".lock")), key, target)
    )
    way = _way(loaded, key, value, target)
    written = way.into(text)
    parse_spec(written, str(spec), set={})  # a value that the key does not take is never written
    if not dry_run and written != text:
        write_spec(spec, written)
    if as_json:
        print_json(
            "kavaspec.pin/1",
            spec=str(spec),
            key=key,
            value=value,
            target=target,
            at=way.at,
            text=way.text,
            written=not dry_run and written != text,
        )
        return Exit.OK
    at.out.line(f"{way.at}:")
    for line in way.text.splitlines():
        at.out.line(f"  {line}")
    at.out.line("nothing was written" if dry_run else "next: kavaspec lock")
    return Exit.OK


def _refuse_unknown(key: str, target: str | None) -> None:
    if key not in keys():
        near = did_you_mean(key, keys())
        hint = f"did you mean {near}?" if near else "docs/keys.md lists every key"
        raise fail(f"there is no key {key}", Exit.USAGE, code="KV0009", key=key, hint=hint)
    if target is not None and keys()[key].tier == "experiment":
        message = f"{key} is part of the experiment, which all targets share"
        raise fail(message, Exit.USAGE, code="KV0007", key=key, hint="leave out --target")


def _refuse_target(spec: Spec, target: str | None) -> None:
    named = [name for name in spec.targets if spec.where_target(name) is not None]
    if target is not None and target not in named:
        near = did_you_mean(target, named)
        hint = f"did you mean {near}?" if near else f"kava.toml has {', '.join(named) or 'none'}"
        raise fail(f"there is no target {target}", Exit.USAGE, code="KV0007", hint=hint)


def _locked(lock: Lock, key: str, target: str | None) -> Plain:
    """The value that the lock has, for a target or for all of them.

    Raises:
        KavaError: exit 2 where the lock does not have it, or its targets differ.
    """
    names = list(lock.targets) if target is None else [target]
    found = {name: lock.values(name) for name in names if name in lock.targets}
    held = {name: values[key] for name, values in found.items() if key in values}
    if not held:
        hint = f"write a value: kavaspec pin {key}=VALUE"
        raise fail(f"the lock does not decide {key}", Exit.USAGE, code="KV0009", key=key, hint=hint)
    first = next(iter(held.values()))
    if not all(same(value, first) for value in held.values()):
        told = ", ".join(f"{show(value)} on {name}" for name, value in held.items())
        hint = f"name one: --target {next(iter(held))}"
        raise fail(f"{key} is {told}", Exit.USAGE, code="KV0007", key=key, hint=hint)
    return first


def _way(spec: Spec, key: str, value: Plain, target: str | None) -> Paste:
    if value == AUTO and not keys()[key].auto:
        hint = "take its line out of kava.toml, and the default stands again"
        raise fail(f"{key} is never decided by lock", Exit.USAGE, code="KV0106", key=key, hint=hint)
    way = paste(spec, key, value, target=target)
    if way.lines is None:
        message = (
            f"{spec.path} has no line where {key} = {toml(value)} could be written for certain"
        )
        raise fail(message, Exit.USAGE, code="KV0015", key=key, hint="write it there by hand")
    return way
