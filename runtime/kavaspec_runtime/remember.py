"""The teacher's keys and values on disk, so that it reads every row once, however many epochs there are.

    data.bin    for each row: keys, then values, of each layer that is compared      [T, heads x width]
    rows.crc    for each row: a checksum of its bytes, and that they are there

A row is computed together with the rows that are nearest to it in length, always the same ones, the
first time that one of them is needed. So what is remembered is a function of data and teacher alone:
a run that finds the file, one that fills it, and one whose file was lost midway have the same bits.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import accumulate
from pathlib import Path

import torch
from torch import Tensor

from kavaspec_runtime.capture import Kept
from kavaspec_runtime.data import Batch, Feed

FORMAT = 1
THERE = 1 << 32
"""Beside the checksum: 0 is a checksum too."""
ENTRY_BYTES = 8

Tell = Callable[[str], None]
Teach = Callable[[Batch], Kept]


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """Keys or values of one layer, for one token."""

    layer: int
    tensor: str
    """`key` or `value`."""
    heads: int
    width: int
    dtype: torch.dtype

    @classmethod
    def of(cls, layer: int, tensor: str, x_BHTD: Tensor) -> Part:
        heads, width = x_BHTD.shape[1], x_BHTD.shape[3]
        return cls(layer=layer, tensor=tensor, heads=heads, width=width, dtype=x_BHTD.dtype)

    @property
    def token_bytes(self) -> int:
        return self.heads * self.width * self.dtype.itemsize


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """What is kept of every token, in order."""

    parts: tuple[Part, ...]

    @property
    def token_bytes(self) -> int:
        return sum(part.token_bytes for part in self.parts)

    @classmethod
    def of(cls, kept: Kept, layers: Sequence[int]) -> Layout:
        """As a forward pass leaves them."""
        parts = []
        for layer in sorted(set(layers)):
            parts.append(Part.of(layer, "key", kept.keys_BHTD[layer]))
            parts.append(Part.of(layer, "value", kept.values_BHTD[layer]))
        return cls(parts=tuple(parts))


class Remembered:
    """The rows of one split as the teacher sees them."""

    def __init__(
        self, folder: Path, feed: Feed, layout: Layout, teach: Teach, *, together: int, tell: Tell
    ) -> None:
        self.split = feed.split
        self._feed, self._layout, self._teach, self._tell = feed, layout, teach, tell
        self._lengths = [len(row.ids) for row in feed.rows]
        ends = list(accumulate(length * layout.token_bytes for length in self._lengths))
        self._starts = [0, *ends[:-1]]
        order = sorted(range(len(feed.rows)), key=lambda row: (self._lengths[row], row))
        groups = [order[at : at + together] for at in range(0, len(order), together)]
        self._group = {row: group for group in groups for row in group}
        self._full = False
        folder.mkdir(parents=True, exist_ok=True)
        self._data = _opened(folder / "data.bin", ends[-1])
        self._sums = _opened(folder / "rows.crc", len(order) * ENTRY_BYTES)

    def sees(self, batch: Batch) -> Kept:
        """Keys and values of these rows, on the batch's device; zeros where there is padding."""
        fresh: dict[int, bytes] = {}
        blocks = [self._block(row, fresh) for row in batch.rows]
        keys: dict[int, Tensor] = {}
        values: dict[int, Tensor] = {}
        rows, longest = batch.ids_BT.shape
        begin = 0
        for part in self._layout.parts:
            x_BHTD = torch.zeros(rows, part.heads, longest, part.width, dtype=part.dtype)
            for place, (row, block) in enumerate(zip(batch.rows, blocks, strict=True)):
                length = self._lengths[row]
                own = block[begin * length : (begin + part.token_bytes) * length]
                x_T = torch.frombuffer(bytearray(own), dtype=part.dtype)
                x_BHTD[place, :, :length] = x_T.view(length, part.heads, part.width).transpose(0, 1)
            begin += part.token_bytes
            (keys if part.tensor == "key" else values)[part.layer] = x_BHTD.to(batch.ids_BT.device)
        return Kept(keys_BHTD=_by_layer(keys), values_BHTD=_by_layer(values))

    def close(self) -> None:
        os.close(self._data)
        os.close(self._sums)

    def _block(self, row: int, fresh: dict[int, bytes]) -> bytes:
        """The bytes of one row: those that are there, if they are what was written."""
        if row in fresh:
            return fresh[row]
        kept = int.from_bytes(_read(self._sums, ENTRY_BYTES, row * ENTRY_BYTES), "little")
        if kept & THERE:
            size = self._lengths[row] * self._layout.token_bytes
            block = _read(self._data, size, self._starts[row])
            if len(block) == size and zlib.crc32(block) == kept & ~THERE:
                return block
            self._tell(f"what is remembered of row {row} is damaged: the teacher reads it again")
        fresh |= self._learn(self._group[row])
        return fresh[row]

    def _learn(self, group: Sequence[int]) -> dict[int, bytes]:
        """Let the teacher read these rows, and keep what it leaves."""
        kept = self._teach(self._feed.batch(group))
        layers = [part.layer for part in self._layout.parts]
        assert Layout.of(kept, layers) == self._layout, (
            "a model leaves the same shapes for all rows"
        )
        blocks = {}
        for place, row in enumerate(group):
            length = self._lengths[row]
            tensors = [
                (kept.keys_BHTD if part.tensor == "key" else kept.values_BHTD)[part.layer]
                for part in self._layout.parts
            ]
            blocks[row] = b"".join(
                _bytes_of(x_BHTD[place, :, :length].transpose(0, 1)) for x_BHTD in tensors
            )
        self._keep(blocks)
        return blocks

    def _keep(self, blocks: Mapping[int, bytes]) -> None:
        if self._full:
            return
        try:
            for row, block in blocks.items():
                _write(self._data, block, self._starts[row])
                entry = THERE | zlib.crc32(block)
                _write(self._sums, entry.to_bytes(ENTRY_BYTES, "little"), row * ENTRY_BYTES)
        except OSError as error:  # only speed is lost: the same bits are computed again
            self._full = True
            self._tell(f"no more rows of the teacher are remembered: {error.strerror}")


def name_of(*parts: object) -> str:
    """A folder's name from all that the bits depend on."""
    return sha256("\n".join(map(repr, (FORMAT, *parts))).encode()).hexdigest()[:16]


def _by_layer(found: Mapping[int, Tensor]) -> list[Tensor]:
    """By number of the layer; nothing where a layer is not compared."""
    nothing = torch.empty(0)
    return [found.get(layer, nothing) for layer in range(max(found) + 1)]


def _bytes_of(x_THD: Tensor) -> bytes:
    plain = x_THD.contiguous().cpu().view(torch.uint8)
    return plain.numpy().tobytes()


def _opened(path: Path, size: int) -> int:
    """A file of this size; what is not written yet takes no room."""
    file = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o644)
    if os.fstat(file).st_size != size:
        os.ftruncate(file, size)
    return file


def _read(file: int, count: int, at: int) -> bytes:
    """So many bytes from a place on; fewer at the end. `os.pread` is not everywhere."""
    os.lseek(file, at, os.SEEK_SET)
    parts = []
    while count and (part := os.read(file, count)):
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def _write(file: int, data: bytes, at: int) -> None:
    os.lseek(file, at, os.SEEK_SET)
    written = 0
    while written < len(data):
        written += os.write(file, data[written:])
