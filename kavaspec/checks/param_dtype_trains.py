"""The student's weights can move in the dtype that they are kept in."""

from __future__ import annotations

from kavaspec.checks.check import Check, error, warning
from kavaspec.choice import impossible
from kavaspec.errors import Problem
from kavaspec.rules.param_dtype import candidates, frozen_from


def param_dtype_trains(param_dtype: str, learning_rate: float) -> Problem | None:
    """float16 weights cannot be trained with a scaled loss; bfloat16 ones move only when small."""
    why = impossible(candidates(learning_rate), param_dtype)
    if why is not None:
        return error(
            f"{param_dtype} weights cannot be trained: {why}",
            key="train.param_dtype",
            hint='train.param_dtype = "float32"',
        )
    if param_dtype == "float32":
        return None
    return warning(
        f"bfloat16 weights of {frozen_from(learning_rate):g} and more do not move at "
        f"train.learning_rate = {learning_rate}: the update is rounded away",
        key="train.param_dtype",
        hint='train.param_dtype = "float32"',
        code="KV0734",
    )


CHECK = Check(
    name="param_dtype_trains",
    code="KV0733",
    inputs={"param_dtype": "train.param_dtype", "learning_rate": "train.learning_rate"},
    veto=param_dtype_trains,
)
