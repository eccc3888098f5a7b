"""The templates name columns that the data has, and at least one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from kavaspec.checks.check import Check, error, warning
from kavaspec.errors import Problem, did_you_mean
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
    hint = f"write {{{near}}}" if near else "write one of these in braces"
    # the lengths of the rows cannot be counted then: one cause, one message
    return replace(error(message, key=key, hint=hint), about=("fact.data.token_lengths",))


def prompt_has_a_column(prompt: str, columns: Sequence[str]) -> Problem | None:
    """For `data.prompt`: without a column the model is asked the same in every row."""
    return _constant("data.prompt", prompt, columns, "every row begins with the same text")


def completion_has_a_column(completion: str, columns: Sequence[str]) -> Problem | None:
    """For `data.completion`: without a column every row teaches the same."""
    return _constant("data.completion", completion, columns, "every row teaches the same text")


def _constant(key: str, template: str, columns: Sequence[str], so: str) -> Problem | None:
    if columns_of(template):
        return None
    return warning(
        f"{key} names no column: {so}",
        key=key,
        hint=f"write a column in braces: {', '.join(f'{{{name}}}' for name in columns)}",
    )


CHECKS = (
    Check(
        name="prompt_columns_exist",
        code="KV0712",
        inputs={"prompt": "data.prompt", "columns": "fact.data.columns"},
        veto=prompt_columns_exist,
    ),
    Check(
        name="completion_columns_exist",
        code="KV0713",
        inputs={"completion": "data.completion", "columns": "fact.data.columns"},
        veto=completion_columns_exist,
    ),
    Check(
        name="prompt_has_a_column",
        code="KV0714",
        inputs={"prompt": "data.prompt", "columns": "fact.data.columns"},
        veto=prompt_has_a_column,
    ),
    Check(
        name="completion_has_a_column",
        code="KV0715",
        inputs={"completion": "data.completion", "columns": "fact.data.columns"},
        veto=completion_has_a_column,
    ),
)
