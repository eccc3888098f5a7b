"""The templates name columns that the data has."""

from __future__ import annotations

from collections.abc import Sequence

from kavaspec.checks.check import Check
from kavaspec.errors import Exit, Problem, did_you_mean
from kavaspec.template import columns_of


def prompt_columns_exist(prompt: str, columns: Sequence[str]) -> Problem | None:
    """For `data.prompt`."""
    return _unknown("data.prompt", prompt, columns)


def completion_columns_exist(completion: str, columns: Sequence[str]) -> Problem | None:
    """For `data.completion`."""
    return _unknown("data.completion", completion, columns)


def _unknown(key: str, template: str, columns: Sequence[str]) -> Problem | None:
    missing = [name for name in columns_of(template) if name not in columns]
    if not missing:
        return None
    near = did_you_mean(missing[0], columns)
    message = (
        f"{key} names the column {missing[0]!r}, which the data does not have; "
        f"it has {', '.join(columns)}"
    )
    hint = f"write {{{near}}}" if near else None
    return Problem(message=message, exit=Exit.USAGE, key=key, hint=hint)


CHECKS = (
    Check(
        name="prompt_columns_exist",
        inputs={"prompt": "data.prompt", "columns": "fact.data.columns"},
        veto=prompt_columns_exist,
    ),
    Check(
        name="completion_columns_exist",
        inputs={"completion": "data.completion", "columns": "fact.data.columns"},
        veto=completion_columns_exist,
    ),
)
