"""The KV layout of a model: for each layer, what it leaves in its cache for one token.

    28x2x128              28 layers with 2 heads of 128 numbers, in each of keys and values
    6x4x256:sliding+1x4x256    six layers that keep a window, then one that keeps everything
    3x0x0:linear+1x2x256       three layers without keys and values, then one with

A segment is COUNTxHEADSxHEAD_DIM, with `:KIND` when the kind is not `full`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from kavaspec.decision import Undecidable

HOLDS_KV = ("full", "sliding")
"""Kinds whose layers keep keys and values of their own."""

_SEGMENT = re.compile(r"(\d{1,5})x(\d{1,7})x(\d{1,7})(?::([a-z]+))?")


_NAME_OTHERS = "name layers that keep keys and values"


class LayoutError(Undecidable):
    """A layout cannot be read, or a layer that was asked for has no keys and values."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Layer:
    """What one layer keeps for one token."""

    heads: int
    head_dim: int
    kind: str = "full"

    @property
    def width(self) -> int:
        """Numbers for one token, in keys as in values."""
        return self.heads * self.head_dim

    @property
    def holds_kv(self) -> bool:
        return self.kind in HOLDS_KV


def parse_layout(text: str) -> tuple[Layer, ...]:
    """One `Layer` for each layer of the model, first to last.

    Raises:
        LayoutError: if the text is not a layout.
    """
    layers: list[Layer] = []
    for segment in text.split("+"):
        match = _SEGMENT.fullmatch(segment)
        if match is None:
            raise LayoutError(f"{text!r} is not a KV layout: expected one like 28x2x128")
        count, heads, head_dim = (int(number) for number in match.groups()[:3])
        layers += [Layer(heads=heads, head_dim=head_dim, kind=match[4] or "full")] * count
    return tuple(layers)


def write_layout(layers: Iterable[Layer]) -> str:
    """The inverse of `parse_layout`; equal neighbours share a segment."""
    return "+".join(
        f"{len(list(run))}x{layer.heads}x{layer.head_dim}"
        + ("" if layer.kind == "full" else f":{layer.kind}")
        for layer, run in groupby(layers)
    )


def holders(layout: str) -> tuple[int, ...]:
    """Indices of the layers that keep keys and values of their own."""
    return tuple(index for index, layer in enumerate(parse_layout(layout)) if layer.holds_kv)


def select(layout: str, indices: Sequence[int]) -> tuple[Layer, ...]:
    """The layers at `indices`.

    Raises:
        LayoutError: if one does not exist, or keeps no keys and values.
    """
    layers = parse_layout(layout)
    for index in indices:
        if not 0 <= index < len(layers):
            message = f"layer {index} does not exist, {layout} has 0 to {len(layers) - 1}"
            raise LayoutError(message, hint=_NAME_OTHERS)
        if not layers[index].holds_kv:
            kind = layers[index].kind
            message = f"layer {index} is {kind} and keeps no keys and values of its own"
            raise LayoutError(message, hint=_NAME_OTHERS)
    return tuple(layers[index] for index in indices)


def sum_of_widths(layers: Iterable[Layer]) -> str:
    """The sum of the layers' widths as a formula: `28 * 2 * 128`."""
    runs = groupby((layer.heads, layer.head_dim) for layer in layers)
    return " + ".join(f"{len(list(run))} * {heads} * {dim}" for (heads, dim), run in runs)


def spell(width: int | Sequence[int]) -> str:
    """A width, or the widths of several layers, in few words: `3072`, `24 of 128`, `128 to 256`."""
    if isinstance(width, int):
        return str(width)
    low, high = min(width), max(width)
    return f"{len(width)} of {low}" if low == high else f"{len(width)} of {low} to {high}"
