"""This version trains with one process."""

from __future__ import annotations

from kavaspec.checks.check import Check, error
from kavaspec.errors import Problem


def world_is_one(world: int) -> Problem | None:
    """More are refused by name, rather than run as one."""
    if world == 1:
        return None
    return error(
        f"train.world is {world}, but this version of kavaspec trains with one process",
        key="train.world",
        hint="train.world = 1",
    )


CHECK = Check(
    name="world_is_one", code="KV0756", inputs={"world": "train.world"}, veto=world_is_one
)
