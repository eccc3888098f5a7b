"""`kavaspec init`: a commented kava.toml to start from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kavaspec.cli.app import shell
from kavaspec.errors import Exit, fail

START = """\
# kava.toml: what this experiment is. Leave out, or write "auto", what the machine should decide;
# then: kavaspec lock, kavaspec why KEY, kavaspec run kava.lock

name = "kava"

[model.teacher]

source = "builtin:tiny-teacher"     # a hub id, a folder, a .gguf file, or a builtin

[model.student]

source = "builtin:tiny-student"

init = "random"                     # "pretrained", "random", or "teacher_layers" with layers = [...]

[data]

source = "builtin:arithmetic"       # a folder or file (.jsonl, .parquet), a hub id, or a builtin

prompt = "{question}\\n"            # {column} is replaced by that column

completion = "{answer}"

[objective]

kind = "kv"                         # learn the teacher's keys and values; "ce" has no teacher

[train]

global_batch = 32                   # rows per optimizer step, on every machine

steps = 300

learning_rate = 2e-3

micro_batch = "auto"                # the machine decides; or { auto = true, max = 8 }

precision = "auto"

[eval]

exact_match_rows = 64

# One lock can hold a plan for several machines, each described by a fact file
# (`kavaspec facts --save NAME` writes one where you are):
#
# [targets.laptop]
#
# [targets.cluster]
#
# facts = "facts/cluster.yaml"
"""


SCHEMA = "kava.schema.json"
"""Editors that know taplo read it from the first line of a spec."""


def command(
    path: Annotated[Path, typer.Argument(help="The file to write.")] = Path("kava.toml"),
    schema: Annotated[
        bool, typer.Option("--schema", help="Also write kava.schema.json beside it, for editors.")
    ] = False,
) -> int:
    """Write a commented kava.toml to start from. Never overwrites it."""
    at = shell()
    try:
        with path.open("x", encoding="utf-8", newline="\n") as file:
            file.write((f"#:schema ./{SCHEMA}\n\n" if schema else "") + START)
        if schema:
            _write_schema(path.with_name(SCHEMA))
    except FileExistsError:
        raise fail(
            f"there is already a {path}", Exit.USAGE, code="KV0004", hint="nothing was changed"
        ) from None
    except OSError as error:
        raise fail(
            f"cannot write {path}: {error.strerror}",
            Exit.ENVIRONMENT,
            code="KV0003",
            hint="make its folder first, or name another",
        ) from None
    at.out.line(f"wrote {path}; next: kavaspec lock {path}")
    return 0


def _write_schema(path: Path) -> None:
    """Generated, so what an older kavaspec wrote is replaced."""
    from kavaspec.cli.schema import schema_text

    path.write_text(schema_text(), encoding="utf-8", newline="\n")
