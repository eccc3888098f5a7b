"""`kavaspec fix`: write the repairs that are certain into the spec, and change nothing else in it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kavaspec.cli.app import shell
from kavaspec.cli.render import print_json, table
from kavaspec.errors import Exit, KavaError
from kavaspec.lock.file import write_lock as write_whole
from kavaspec.spec.fix import Edit, repaired
from kavaspec.spec.load import read_text

MARK = "\ufeff"
"""What some editors put at the start of a file; it stays there."""


def command(
    spec: Annotated[Path, typer.Argument(help="The spec.")] = Path("kava.toml"),
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show, but write nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The repairs as JSON.")] = False,
) -> int:
    """Write every certain repair into the spec: misspelt names, quoted numbers, `True` for `true`."""
    at = shell()
    text = read_text(spec)
    found = repaired(text, str(spec))
    if found.edits and not dry_run:
        write_spec(spec, found.text)
    if as_json:
        print_json(
            "kavaspec.fix/1",
            spec=str(spec),
            written=bool(found.edits) and not dry_run,
            edits=found.edits,
            left=found.left,
            exit=int(found.left[0].exit if found.left else Exit.OK),
        )
        return int(found.left[0].exit if found.left else Exit.OK)
    for line in table([_row(edit) for edit in found.edits], at.width):
        at.out.line(line)
    if found.left:
        raise KavaError(*found.left)
    if not found.edits:
        at.out.line(f"{spec}: nothing to fix")
    return Exit.OK


def write_spec(spec: Path, text: str) -> None:
    """Another text for a spec that is there; a mark at its start stays."""
    mark = MARK if spec.read_bytes().startswith(MARK.encode()) else ""
    write_whole(spec, mark + text)


def _row(edit: Edit) -> tuple[str, str]:
    return str(edit.where), f"{edit.old} -> {edit.new}"
