"""Data order: which rows make up which global batch, as a pure function of a position.

    epoch e    a permutation of all rows, keyed by (seed, e)
    window     `window` x `global_batch` consecutive positions; the last one of an epoch may be shorter
    in it      sorted by length, cut into global batches, the batches shuffled by (seed, e, window)

A global batch then holds rows of like length (little padding), yet short and long ones take turns.
Micro-batch, processes and workers do not appear here, so they cannot change the order; to resume is
to go on with the next integer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from hashlib import blake2b

from kavaspec.errors import Exit, fail
from kavaspec_runtime.randomness import seed_of

ROUNDS = 6
"""Six half-rounds: every half has been mixed with the other three times."""


class Permutation:
    """A keyed shuffle of `0 .. size-1` that answers for one place at a time, in constant memory.

    A Feistel network in mixed radix: a place is written as (left, right) with left < a, right < b,
    a x b >= size; each round adds to one half a keyed hash of the other. Places that land outside
    are sent round again, which ends because the network is itself a permutation.
    """

    def __init__(self, size: int, key: int) -> None:
        self.size = size
        self._a = math.isqrt(max(size - 1, 0)) + 1
        self._b = -(-size // self._a)
        self._key = key.to_bytes(8, "big")

    def __getitem__(self, place: int) -> int:
        if not 0 <= place < self.size:
            raise IndexError(f"{place} is outside a permutation of {self.size}")
        while True:
            place = self._network(place)
            if place < self.size:
                return place

    def _network(self, place: int) -> int:
        left, right = divmod(place, self._b)
        for number in range(0, ROUNDS, 2):
            left = (left + self._hash(number, right)) % self._a
            right = (right + self._hash(number + 1, left)) % self._b
        return left * self._b + right

    def _hash(self, number: int, half: int) -> int:
        word = number.to_bytes(1, "big") + half.to_bytes(8, "big")
        return int.from_bytes(blake2b(word, digest_size=8, key=self._key).digest(), "big")


class Order:
    """The rows of every global batch of a run."""

    def __init__(
        self, *, lengths: Sequence[int], global_batch: int, window: int, tail: str, seed: int
    ) -> None:
        self._lengths = lengths
        self._global_batch = global_batch
        self._window = window
        self._seed = seed
        self._kept: tuple[tuple[int, int], list[tuple[int, ...]]] | None = None
        rows = len(lengths)
        self.batches_per_epoch = (
            -(-rows // global_batch) if tail == "wrap" else rows // global_batch
        )
        if self.batches_per_epoch == 0:
            raise fail(
                f"{rows} training rows do not fill one global batch of {global_batch}",
                Exit.UNSATISFIABLE,
                code="KV0711",
                key="train.global_batch",
                hint=f'set train.global_batch to at most {rows}, or data.tail = "wrap"',
            )

    def rows(self, step: int) -> tuple[int, ...]:
        """The rows of the global batch that step `step` consumes; `step` counts from 0."""
        epoch, batch = divmod(step, self.batches_per_epoch)
        window, place = divmod(batch, self._window)
        return self._batches(epoch, window)[place]

    def _batches(self, epoch: int, window: int) -> list[tuple[int, ...]]:
        if self._kept is None or self._kept[0] != (epoch, window):
            self._kept = (epoch, window), self._make(epoch, window)
        return self._kept[1]

    def _make(self, epoch: int, window: int) -> list[tuple[int, ...]]:
        size = self._global_batch
        first = window * self._window
        count = min(self._window, self.batches_per_epoch - first)
        rows = self._shuffled(epoch, range(first * size, (first + count) * size))
        if self._window > 1:  # a window of one batch is "off": rows stay as the shuffle left them
            rows.sort(key=lambda row: self._lengths[row])  # stable: ties stay shuffled
        turns = Permutation(count, seed_of(self._seed, "window", epoch, window))
        return [tuple(rows[turns[i] * size : (turns[i] + 1) * size]) for i in range(count)]

    def _shuffled(self, epoch: int, positions: range) -> list[int]:
        """Positions past the last row wrap round to the start of the same epoch."""
        permutation = Permutation(len(self._lengths), seed_of(self._seed, "epoch", epoch))
        return [permutation[position % permutation.size] for position in positions]
