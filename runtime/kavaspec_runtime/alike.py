"""Loops whose rounds are all alike: who only counts bytes learns from two of them as much as from all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import islice

from torch import Tensor

FEW = 2
"""The second begins while the first one's tensors are still there."""

_TRACED_FOR: ContextVar[str | None] = ContextVar("traced_for", default=None)


@contextmanager
def traced_for(backend: str) -> Iterator[None]:
    """Inside, what is computed here stands for that device, and loops of what is alike end after
    two rounds: their results are not all there.
    """
    before = _TRACED_FOR.set(backend)
    try:
        yield
    finally:
        _TRACED_FOR.reset(before)


def tracing() -> bool:
    """Whether bytes are all that is asked about: then one update among alike is enough."""
    return _TRACED_FOR.get() is not None


def rounds(starts: Sequence[int]) -> Iterator[int]:
    """All of them, or few."""
    return islice(starts, FEW) if tracing() else iter(starts)


def backend_for(x: Tensor) -> str:
    """What computes, or what is stood for."""
    return _TRACED_FOR.get() or x.device.type
