"""Randomness without state: every random number comes from the seed and from where it is used.

    seed_of(seed, "forward", step, micro, rank)  ->  the same 63 bits, for ever and everywhere

Nothing has to be saved to go on later, and nothing can get out of step.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b

import torch


def seed_of(*place: int | str) -> int:
    """63 bits that depend on every part of `place`, and on nothing else."""
    text = "\x1f".join(f"{type(part).__name__}:{part}" for part in place)
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def seed_forward(seed: int, *, step: int, micro: int, rank: int) -> None:
    """Seed the generators of every device for the dropout of one micro-batch."""
    torch.manual_seed(seed_of(seed, "forward", step, micro, rank))


@contextmanager
def seeded(seed: int, purpose: str) -> Iterator[None]:
    """Draw initial weights inside; the CPU generator is as before afterwards."""
    before = torch.random.get_rng_state()
    torch.default_generator.manual_seed(seed_of(seed, purpose))
    try:
        yield
    finally:
        torch.random.set_rng_state(before)
