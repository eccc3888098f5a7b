"""Steps and epochs, when both are written, say the same."""

from __future__ import annotations

from kavaspec.checks.check import Check, error
from kavaspec.decision import Undecidable
from kavaspec.errors import Problem
from kavaspec.rules.steps import steps as steps_of


def steps_match_epochs(
    steps: int, epochs: int | None, rows: int, global_batch: int, tail: str
) -> Problem | None:
    """Neither wins in silence."""
    if epochs is None:
        return None
    try:
        right = steps_of(epochs, rows, global_batch, tail)
    except Undecidable:
        return None  # data_not_empty says it
    if right.value == steps:
        return None
    return error(
        f"train.steps is {steps}, but train.epochs = {epochs} over {rows} rows gives {right.value}",
        key="train.steps",
        hint="leave train.steps or train.epochs out",
    )


CHECK = Check(
    name="steps_match_epochs",
    code="KV0748",
    inputs={
        "steps": "train.steps",
        "epochs": "train.epochs",
        "rows": "fact.data.rows",
        "global_batch": "train.global_batch",
        "tail": "data.tail",
    },
    veto=steps_match_epochs,
)
