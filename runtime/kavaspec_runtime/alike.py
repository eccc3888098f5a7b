"""Loops whose rounds are all alike: for who only counts bytes, two of them tell as much as all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import islice

FEW = 2
"""The second begins while the first one's tensors are still there."""

_FEW_ROUNDS: ContextVar[bool] = ContextVar("few_rounds", default=False)


@contextmanager
def few_rounds() -> Iterator[None]:
    """Inside, loops over what is alike end after two rounds: their results are not all there."""
    before = _FEW_ROUNDS.set(True)
    try:
        yield
    finally:
        _FEW_ROUNDS.reset(before)


def rounds(starts: Sequence[int]) -> Iterator[int]:
    """All of them, or few."""
    return islice(starts, FEW) if _FEW_ROUNDS.get() else iter(starts)
