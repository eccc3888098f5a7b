"""One process shares nothing; several must share somehow."""

from __future__ import annotations

from kavaspec.checks.check import Check, error
from kavaspec.choice import impossible
from kavaspec.errors import Problem
from kavaspec.rules.parallel import candidates


def parallel_fits_world(parallel: str, world: int) -> Problem | None:
    """`single` for one process only, the others for more."""
    why = impossible(candidates(world), parallel)
    if why is None:
        return None
    return error(
        f'train.parallel = "{parallel}" with train.world = {world}: {why}',
        key="train.parallel",
        hint='train.parallel = "auto"',
    )


CHECK = Check(
    name="parallel_fits_world",
    code="KV0732",
    inputs={"parallel": "train.parallel", "world": "train.world"},
    veto=parallel_fits_world,
)
