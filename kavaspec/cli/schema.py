"""`kavaspec schema`: what kava.toml may say, for editors and for people."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from kavaspec.cli.app import shell
from kavaspec.spec.json_schema import json_schema, markdown


def command(
    as_markdown: Annotated[
        bool, typer.Option("--markdown", help="The reference page of all keys.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON Schema, as without it.")] = False,
) -> int:
    """Print the JSON Schema of kava.toml: completion and hover in editors."""
    at = shell()
    at.out.line((markdown() if as_markdown and not as_json else schema_text()).rstrip("\n"))
    return 0


def schema_text() -> str:
    """The text of kava.schema.json."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"
