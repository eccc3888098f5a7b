"""How a global batch is split: micro_batch x accumulation x world = global_batch, exactly."""

from __future__ import annotations

from collections.abc import Iterable
from math import isqrt

MOST_ROWS = 10_000_000
"""More than any optimizer step takes; so few that all their divisors can be tried."""


def divisors(number: int) -> tuple[int, ...]:
    """All divisors, smallest first."""
    small = [part for part in range(1, isqrt(number) + 1) if number % part == 0]
    large = [number // part for part in reversed(small) if part * part != number]
    return (*small, *large)


def nearest(values: Iterable[int], wanted: int) -> tuple[int, ...]:
    """The nearest of `values` below and above `wanted` (or `wanted` alone when it is there)."""
    known = sorted(values)
    if wanted in known:
        return (wanted,)
    below = [value for value in known if value < wanted][-1:]
    above = [value for value in known if value > wanted][:1]
    return (*below, *above)


def repairs(global_batch: int, micro_batch: int, world: int) -> str:
    """What to write instead, when `micro_batch * world` does not divide `global_batch`."""
    per_step = micro_batch * world
    down = global_batch // per_step * per_step
    ways = [_assign("global_batch", [size for size in (down, down + per_step) if size])]
    if global_batch % world == 0:
        micros = nearest(divisors(global_batch // world), micro_batch)
        ways.append(_assign("micro_batch", micros))
    if global_batch % micro_batch == 0:
        worlds = nearest(divisors(global_batch // micro_batch), world)
        ways.append(_assign("world", worlds))
    return ", or ".join(ways)


def _assign(name: str, values: Iterable[int]) -> str:
    return f"train.{name} = " + " or ".join(str(value) for value in values)
