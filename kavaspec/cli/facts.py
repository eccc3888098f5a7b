"""`kavaspec facts`: what this machine is, and what could not be found out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kavaspec.cli.app import shell
from kavaspec.cli.render import clip, print_json, table
from kavaspec.plain import show


def command(
    save: Annotated[
        str | None, typer.Option(metavar="NAME", help="Write facts/NAME.yaml, to be committed.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The facts as JSON.")] = False,
) -> int:
    """Print what this machine is, and what could not be found out."""
    from kavaspec.facts.file import write_facts
    from kavaspec.facts.observe import observe_machine

    at = shell()
    name = None if save is None else _checked(save)
    seen = observe_machine(env=at.env, report=lambda text: at.err.line(at.err(f"· {text}", "dim")))
    if as_json:
        print_json("kavaspec.facts/1", facts=seen.facts, not_found=seen.not_found)
    else:
        rows = [
            (name, clip(show(fact.value), 40), f"{fact.how} by {fact.probe}", fact.evidence)
            for name, fact in sorted(seen.facts.items())
        ]
        for line in table(rows, at.width):
            at.out.line(line)
        for item in seen.not_found:
            at.out.line(at.out(f"{item.fact}: not found: {item.because}", "yellow"))
            if item.hint:
                at.out.line(f"  {item.hint}")
    if name is not None:
        path = Path("facts") / f"{name}.yaml"
        path.parent.mkdir(exist_ok=True)
        write_facts(path, seen.facts, note=f"Observed by `kavaspec facts --save {name}`.")
        at.err.line(f"wrote {path}")
    return 0


def _checked(name: str) -> str:
    from kavaspec.errors import Exit, fail

    if (
        not name
        or not name.replace("-", "").replace("_", "").replace(".", "").isalnum()
        or name[0] == "."
    ):
        raise fail(f"--save {name}: use letters, digits, `.`, `_` and `-`", Exit.USAGE)
    return name
