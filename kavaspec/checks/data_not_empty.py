"""There is at least one global batch to train on, one row to judge by, and text in every row."""

from __future__ import annotations

from collections.abc import Sequence

from kavaspec.checks.check import Check, error, warning
from kavaspec.errors import Problem


def data_not_empty(steps: int, rows: int, global_batch: int, tail: str) -> Problem | None:
    """With `tail = "drop"` an epoch of less than a global batch has no step at all."""
    if rows == 0:
        return error(
            f"data.split has no rows for {steps} steps", key="data.split", hint="name another split"
        )
    if tail == "wrap" or rows >= global_batch:
        return None
    return error(
        f"train.steps is {steps}, but the {rows} rows of data.split do not fill "
        f"one global batch of {global_batch}",
        key="train.global_batch",
        hint=f'train.global_batch = {rows} or less, or data.tail = "wrap"',
    )


def eval_not_empty(split: str, eval_rows: int) -> Problem | None:
    """The result is judged on held-out rows."""
    if eval_rows > 0:
        return None
    return error(
        f'data.eval_split = "{split}" has no rows', key="data.eval_split", hint="name another split"
    )


def rows_not_empty(source: str, empty: Sequence[str]) -> Problem | None:
    """An empty prompt asks nothing, an empty completion teaches to be silent. Some data have a few."""
    if not empty:
        return None
    return warning(
        f"rows of {source} have an empty prompt or completion: {', '.join(empty)}",
        key="data.source",
        hint="write what is missing into these rows, or take them out",
    )


CHECKS = (
    Check(
        name="data_not_empty",
        code="KV0711",
        inputs={
            "steps": "train.steps",
            "rows": "fact.data.rows",
            "global_batch": "train.global_batch",
            "tail": "data.tail",
        },
        veto=data_not_empty,
    ),
    Check(
        name="eval_not_empty",
        code="KV0716",
        inputs={"split": "data.eval_split", "eval_rows": "fact.data.eval_rows"},
        veto=eval_not_empty,
    ),
    Check(
        name="rows_not_empty",
        code="KV0764",
        inputs={"source": "data.source", "empty": "fact.data.empty_rows"},
        veto=rows_not_empty,
        since=2,
    ),
)
