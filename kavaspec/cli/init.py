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
        bool | None,
        typer.Option(
            "--schema/--no-schema",
            help="Write kava.schema.json beside it, for editors; by default where there is none.",
        ),
    ] = None,
) -> int:
    """Write a commented kava.toml to start from, and its schema for editors. Never overwrites a spec.

    The first line names the schema where that lies beside the spec: a line that leads nowhere would
    be an error in every editor.
    """
    at = shell()
    beside = path.with_name(SCHEMA)
    there = beside.exists()
    written = beside if schema or (schema is None and not there) else None
    named = f"#:schema ./{SCHEMA}\n\n" if written or there else ""
    try:
        _write_new(path, named + START, written)
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
    both = f" and {written.name}, with which editors complete it" if written else ""
    at.out.line(f"wrote {path}{both}; next: kavaspec lock {path}")
    return 0


def _write_new(path: Path, text: str, schema: Path | None) -> None:
    """The spec, and its schema; both or no spec. What an older kavaspec generated is replaced.

    Raises:
        OSError: FileExistsError when there is a spec already.
    """
    file = path.open("x", encoding="utf-8", newline="\n")
    try:
        with file:
            file.write(text)
        if schema is not None:
            from kavaspec.cli.schema import schema_text
            from kavaspec.replace import replace_file

            replace_file(schema, schema_text().encode())
    except BaseException:  # half a spec would stand in the way of the next `init`
        path.unlink()
        raise
