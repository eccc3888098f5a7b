"""The student's weights can be trained in the dtype that they are kept in."""

from __future__ import annotations

from kavaspec.checks.check import Check, error
from kavaspec.choice import impossible
from kavaspec.errors import Problem
from kavaspec.rules.param_dtype import candidates


def param_dtype_trains(param_dtype: str, learning_rate: float) -> Problem | None:
    """float16 weights cannot be trained with a scaled loss. bfloat16 ones are rounded stochastically."""
    why = impossible(candidates(learning_rate), param_dtype)
    if why is None:
        return None
    return error(
        f"{param_dtype} weights cannot be trained: {why}",
        key="train.param_dtype",
        hint='train.param_dtype = "float32"',
    )


CHECK = Check(
    name="param_dtype_trains",
    code="KV0733",
    inputs={"param_dtype": "train.param_dtype", "learning_rate": "train.learning_rate"},
    veto=param_dtype_trains,
)
