"""There is at least one global batch to train on, and one row to judge by."""

from __future__ import annotations

from kavaspec.checks.check import Check, error
from kavaspec.errors import Problem


def data_not_empty(rows: int, global_batch: int, tail: str) -> Problem | None:
    """With `tail = "drop"` an epoch of less than a global batch has no step at all."""
    if rows == 0:
        return error("data.split has no rows", key="data.split", hint="name another split")
    if tail == "wrap" or rows >= global_batch:
        return None
    return error(
        f"data.split has {rows} rows, which do not fill one global batch of {global_batch}",
        key="data.split",
        hint=f'train.global_batch = {rows} or less, or data.tail = "wrap"',
    )


def eval_not_empty(eval_rows: int) -> Problem | None:
    """The result is judged on held-out rows."""
    if eval_rows > 0:
        return None
    return error("data.eval_split has no rows", key="data.eval_split", hint="name another split")


CHECKS = (
    Check(
        name="data_not_empty",
        inputs={
            "rows": "fact.data.rows",
            "global_batch": "train.global_batch",
            "tail": "data.tail",
        },
        veto=data_not_empty,
    ),
    Check(name="eval_not_empty", inputs={"eval_rows": "fact.data.eval_rows"}, veto=eval_not_empty),
)
