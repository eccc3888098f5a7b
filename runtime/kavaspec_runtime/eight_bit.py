"""Numbers in 8 bits: 256 steps of a scale that is finer towards zero, and one factor for each 256 numbers.

    decode(code, factor) = table[code] x factor          factor = the largest magnitude of the block

The table is dynamic tree quantization (Dettmers et al. 2022, arXiv 2110.02861, section 1.3): seven
powers of ten, with twice as many steps in each as in the one below. What is off is at most 0.7 % of
the block's largest number, and one number that is far too large spoils only its own block.
"""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

BLOCK = 256
"""Numbers that share a factor."""

POWERS = 7
"""Powers of ten that the table spans."""

DROPPED_BITS = 12
"""Of float32's 23 bits of fraction: the other 11 tell two steps of the table well apart."""

PLACES = (0x3F800000 >> DROPPED_BITS) + 1
"""Magnitudes from 0 to 1 (whose bits are 0x3F800000) that are told apart."""


def blocks(count: int) -> int:
    """How many factors `count` numbers have."""
    return -(-count // BLOCK)


def encode(values_N: Tensor, *, signed: bool) -> tuple[Tensor, Tensor]:
    """float32 `[N]` as codes (uint8 `[N]`) and factors (float32 `[N / 256, rounded up]`).

    Signed numbers go to the nearest step. Of unsigned ones only 0 becomes 0: what lies below the
    smallest step goes up to it, so that dividing by the root of a second moment never explodes.
    """
    count = values_N.numel()
    ratio_FB = torch.nn.functional.pad(values_N, (0, blocks(count) * BLOCK - count)).view(-1, BLOCK)
    factor_F = ratio_FB.abs().amax(dim=1)
    ratio_FB = ratio_FB / torch.where(factor_F > 0, factor_F, 1.0)[:, None]
    place_N = ratio_FB.abs().view(torch.int32).bitwise_right_shift(DROPPED_BITS).flatten()[:count]
    if signed:
        place_N += PLACES * (ratio_FB.flatten()[:count] < 0)
    codes = _codes(signed).to(values_N.device)
    return codes.index_select(0, place_N), factor_F


def decode(codes_N: Tensor, factor_F: Tensor, *, signed: bool) -> Tensor:
    """The inverse, as near as the table allows: float32 `[N]`."""
    table = _table(signed).to(codes_N.device)
    return table.take(codes_N.long()) * factor_F.repeat_interleave(BLOCK)[: codes_N.numel()]


@cache
def _table(signed: bool) -> Tensor:  # one of two tables
    """The 256 steps in rising order. Signed, -1 stands in for the smallest negative one, so that the
    largest number of a block is exact on both sides: else what is only read and written would fade.
    """
    steps = [0.0, 1.0]
    for power in range(POWERS):
        parts = 2 ** (power if signed else power + 1)
        edges = torch.linspace(0.1, 1.0, parts + 1, dtype=torch.float64)
        middles = ((edges[1:] + edges[:-1]) / 2 * 10.0 ** (power - POWERS + 1)).tolist()
        steps += middles + ([-step for step in middles] if signed else [])
    if signed:
        steps.remove(max(step for step in steps if step < 0))
        steps.append(-1.0)
    return torch.tensor(sorted(steps), dtype=torch.float32)


@cache
def _codes(signed: bool) -> Tensor:  # one of two tables
    """The code of every magnitude from 0 to 1, by its upper bits; signed, of their negatives after them.

    Looked up, because searching the table for each number takes twenty times as long on a CPU.
    """
    first = torch.arange(PLACES, dtype=torch.int32).bitwise_left_shift(DROPPED_BITS)
    middle = (first + 2 ** (DROPPED_BITS - 1)).view(torch.float32)
    middle[0], middle[-1] = 0.0, 1.0
    table = _table(signed)
    bounds = (table[1:] + table[:-1]) / 2
    if not signed:
        bounds[0] = 0.0
    numbers = torch.cat([middle, -middle]) if signed else middle
    return torch.bucketize(numbers, bounds).to(torch.uint8)
