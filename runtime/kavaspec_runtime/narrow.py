"""AdamW for weights or moments of fewer than 32 bits; the arithmetic is float32.

    weights   bfloat16
    moments   bfloat16, or 8 bits: 256 steps for each block of 256

bfloat16 holds 8 bits: a weight's update, or a moment's decay, of less than 1/512 would always be
rounded away. Rounded stochastically, to the upper or the lower neighbour, it is made with the
probability that makes it right in the mean (Zamirai et al. 2020, arXiv 2010.06192). Each weight is worked on a piece at a time: beside the step's own
tensors only a few of `PIECE` numbers live.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from kavaspec_runtime.alike import rounds, tracing
from kavaspec_runtime.eight_bit import BLOCK, blocks, decode, encode, zeros
from kavaspec_runtime.randomness import seed_of

MOMENTS = ("exp_avg", "exp_avg_sq")

PIECE = 4096 * BLOCK
"""Numbers of a weight that are updated at once. Part of what is drawn for it: never to be changed."""

SMALLEST_IN_8_BITS = 4096
"""Weights with fewer numbers keep float32 moments, whatever the lock says: biases and norms, which
are sensitive and take no room."""


class NarrowAdamW(torch.optim.AdamW):
    """AdamW whose weights, or whose moments, are kept in fewer than 32 bits."""

    state_dtype: torch.dtype
    """Of the moments; uint8 for 8 bits with a factor for each block."""
    seed: int

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]  # noqa: ARG002  # torch's signature
        place, sizes = 0, set()
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    self._start(weight)
                    if not (tracing() and weight.numel() in sizes):
                        self._update(weight, group, place)
                    sizes.add(weight.numel())
                place += 1

    def _start(self, weight: Tensor) -> None:
        if not self.state[weight]:
            self.state[weight] |= _started(weight, kept_in(weight, self.state_dtype))

    def _update(self, weight: Tensor, group: Mapping[str, Any], place: int) -> None:
        state = self.state[weight]
        state["step"] += 1
        count = int(state["step"].item())
        draw = torch.Generator(device=weight.device)
        draw.manual_seed(seed_of(self.seed, "rounding", place, count))
        flat_N, gradient_N = weight.view(-1), weight.grad.reshape(-1)  # type: ignore[union-attr]  # `step` asked
        beta1, beta2 = group["betas"]
        for piece in _pieces(weight.numel()):
            gradient = gradient_N[piece].float()
            mean = _read(state, "exp_avg", piece).lerp_(gradient, 1 - beta1)
            square = _read(state, "exp_avg_sq", piece).mul_(beta2)
            square.addcmul_(gradient, gradient, value=1 - beta2)
            scale = square.sqrt().div_(math.sqrt(1 - beta2**count)).add_(group["eps"])
            moved = flat_N[piece].float().mul_(1 - group["lr"] * group["weight_decay"])
            moved.addcdiv_(mean, scale, value=-group["lr"] / (1 - beta1**count))
            flat_N[piece] = rounded(moved, weight.dtype, draw)
            _write(state, "exp_avg", piece, mean, draw)
            _write(state, "exp_avg_sq", piece, square, draw)


def rounded(values: Tensor, dtype: torch.dtype, draw: torch.Generator) -> Tensor:
    """float32 as `dtype`; as bfloat16 to one of its two neighbours, to the nearer more often.

    The mean over all draws is the float32 number itself.
    """
    if dtype != torch.bfloat16:
        return values.to(dtype)
    # bfloat16 is the upper half of float32's bits: carry into it as often as the lower half is large
    noise = torch.randint(
        0, 2**16, values.shape, dtype=torch.int32, device=values.device, generator=draw
    )
    return (values.view(torch.int32) + noise).bitwise_and_(-(2**16)).view(torch.float32).to(dtype)


def kept_in(weight: Tensor, dtype: torch.dtype) -> torch.dtype:
    """What this weight's moments are kept in where the lock says `dtype`."""
    small = dtype == torch.uint8 and weight.numel() < SMALLEST_IN_8_BITS
    return torch.float32 if small else dtype


def converted(
    saved: Mapping[str, Tensor], weight: Tensor, dtype: torch.dtype
) -> Mapping[str, Tensor]:
    """What an optimizer remembered of a weight, with moments of `dtype`, rounded to the nearest."""
    if saved["exp_avg"].dtype == dtype:
        return saved
    state = _started(weight, dtype) | {"step": saved["step"]}
    there = {name: tensor.to(weight.device) for name, tensor in saved.items()}
    for piece in _pieces(weight.numel()):
        for name in MOMENTS:
            _write(state, name, piece, _read(there, name, piece), None)
    return state


def _started(weight: Tensor, dtype: torch.dtype) -> dict[str, Tensor]:
    """No step done, all moments zero."""
    state = {"step": torch.zeros(())}
    for name in MOMENTS:
        state[name] = torch.zeros_like(weight, dtype=dtype)
        if dtype == torch.uint8:
            code, factor_F = zeros(weight.numel(), signed=_signed(name))
            state[name].fill_(code)
            state[f"{name}_factor"] = factor_F.to(weight.device)
    return state


def _read(state: Mapping[str, Tensor], name: str, piece: slice) -> Tensor:
    """A piece of a moment in float32, to be worked on in place."""
    part_N = state[name].view(-1)[piece]
    if part_N.dtype != torch.uint8:
        return part_N.to(torch.float32, copy=True)
    return decode(part_N, state[f"{name}_factor"][_factors(piece)], signed=_signed(name))


def _write(
    state: Mapping[str, Tensor],
    name: str,
    piece: slice,
    values: Tensor,
    draw: torch.Generator | None,
) -> None:
    part_N = state[name].view(-1)[piece]
    if part_N.dtype != torch.uint8:
        part_N.copy_(values if draw is None else rounded(values, part_N.dtype, draw))
        return
    codes_N, factor_F = encode(values, signed=_signed(name), draw=draw)
    part_N.copy_(codes_N)
    state[f"{name}_factor"][_factors(piece)] = factor_F


def _signed(name: str) -> bool:
    return name == "exp_avg"


def _pieces(count: int) -> Iterator[slice]:
    return (slice(start, min(start + PIECE, count)) for start in rounds(range(0, count, PIECE)))


def _factors(piece: slice) -> slice:
    return slice(piece.start // BLOCK, blocks(piece.stop))
