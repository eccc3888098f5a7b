"""Numbers in 8 bits: 256 steps of a scale that is finer towards zero, and one factor for each 256 numbers.

    decode(code, factor) = table[code] x factor          factor = the largest magnitude of the block

The table is dynamic tree quantization (Dettmers et al. 2022, arXiv 2110.02861, section 1.3): seven
powers of ten, with twice as many steps in each as in the one below. One number that is far too large
spoils only its own block.

A number goes to one of the two steps beside it, with the probability that makes the mean right: what
decays by a thousandth a step, and would always be rounded back to where it was, decays in the mean.
"""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

CPU = torch.device("cpu")

BLOCK = 256
"""Numbers that share a factor."""

POWERS = 7
"""Powers of ten that the table spans."""

DROPPED_BITS = 12
"""Of float32's 23 bits of fraction: the other 11 tell two steps of the table well apart."""

PLACES = 2 ** (32 - DROPPED_BITS)
"""Upper bits of a float32 that there are: sign, exponent and 11 bits of fraction."""


def blocks(count: int) -> int:
    """How many factors `count` numbers have."""
    return -(-count // BLOCK)


def encode(
    values_N: Tensor, *, signed: bool, draw: torch.Generator | None
) -> tuple[Tensor, Tensor]:
    """float32 `[N]` as codes (uint8 `[N]`) and factors (float32 `[N / 256, rounded up]`).

    Each goes to one of its two neighbours by `draw`, without it to the nearer one. Of unsigned
    numbers only 0 becomes 0: what lies below the smallest step goes up to it, so that dividing by
    the root of a second moment never explodes.
    """
    count = values_N.numel()
    ratio_FB = torch.nn.functional.pad(values_N, (0, blocks(count) * BLOCK - count)).view(-1, BLOCK)
    factor_F = ratio_FB.abs().amax(dim=1)
    ratio_FB = ratio_FB / torch.where(factor_F > 0, factor_F, 1.0)[:, None]
    ratio_N = ratio_FB.flatten()[:count]
    table = _table(signed, values_N.device)
    below_N = _below(ratio_N, table, signed=signed)
    low_N, high_N = table.index_select(0, below_N), table.index_select(0, below_N + 1)
    share_N = (ratio_N - low_N) / (high_N - low_N)
    if draw is None:
        up_N = share_N >= 0.5
    else:
        up_N = torch.rand(count, device=values_N.device, generator=draw) < share_N
    if not signed:
        up_N |= (below_N == 0) & (ratio_N > 0)
    return (below_N + up_N).to(torch.uint8), factor_F


def zeros(count: int, *, signed: bool) -> tuple[int, Tensor]:
    """The code of 0, and factors for `count` zeros, as `encode` would make them."""
    return int((_table(signed, CPU) == 0).nonzero().item()), torch.zeros(blocks(count))


def decode(codes_N: Tensor, factor_F: Tensor, *, signed: bool) -> Tensor:
    """The inverse, as near as the table allows: float32 `[N]`."""
    table = _table(signed, codes_N.device)
    return (
        table.index_select(0, codes_N.int()) * factor_F.repeat_interleave(BLOCK)[: codes_N.numel()]
    )


@cache
def _table(signed: bool, device: torch.device) -> Tensor:  # one of two tables
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
    return torch.tensor(sorted(steps), dtype=torch.float32).to(device)


def make_tables() -> None:
    """Make what is kept for the rest of the process, before anybody counts bytes or fakes content."""
    for signed in (True, False):
        _first(signed, CPU)


def _below(ratio_N: Tensor, table: Tensor, *, signed: bool) -> Tensor:
    """The last step that is not above each number (int32 `[N]`), the one before the last at most.

    Looked up by the upper bits, because searching the table takes ten times as long on a CPU.
    """
    place_N = ratio_N.view(torch.int32).bitwise_right_shift(DROPPED_BITS).bitwise_and_(PLACES - 1)
    below_N = _first(signed, ratio_N.device).index_select(0, place_N).int()
    # a step may lie within what the upper bits do not tell apart
    below_N += (table.index_select(0, below_N + 1) <= ratio_N).int()
    return below_N.clamp_(max=len(table) - 2)


@cache
def _first(signed: bool, device: torch.device) -> Tensor:  # one of two tables
    """The last step not above the smallest float32 that has these upper bits, for all of them."""
    bits = torch.arange(PLACES, dtype=torch.int64) << DROPPED_BITS
    # a negative number with given upper bits is smallest where its lower bits are all ones
    bits[PLACES // 2 :] += (1 << DROPPED_BITS) - 1
    least = (bits - ((bits >= 2**31).long() << 32)).to(torch.int32).view(torch.float32)
    table = _table(signed, CPU)
    below = torch.bucketize(least, table, right=True) - 1
    return below.clamp(0, len(table) - 2).to(device, torch.uint8)
