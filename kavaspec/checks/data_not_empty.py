"""There is at least one global batch to train on, and one row to judge by."""

from __future__ import annotations

from kavaspec.checks.check import Check, error
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
)
