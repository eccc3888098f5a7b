"""A small training step in a 16-bit dtype against the same step in float32: is it right, is it faster?

The step has what a transformer layer has: layer norm, attention, two matrix products, a vocabulary
head, cross-entropy, and the way back. Only the class of the outcome is a fact, never a time.

On a CPU one thread is measured, in time of its own: then what else the machine does cannot turn
the outcome. On a card the clock on the wall is read, after waiting for the card.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

FASTER_FROM = 1.15
"""Less than this is not worth fewer bits."""
LARGEST_ERROR = 0.1
"""Of a gradient, relative to its norm; bfloat16 has about 0.01 here, a wrong kernel 1."""
BUDGET_S = 0.8
"""Time for measuring one dtype."""
REPEATS = 5
HOPELESS = 4.0
"""So many times slower in the first try: no need for a second."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Size:
    """How big the step is: big enough that matrix products take most of the time."""

    tokens: int
    width: int
    heads: int
    vocabulary: int


ON_CPU = Size(tokens=64, width=512, heads=8, vocabulary=2048)
ON_GPU = Size(tokens=4096, width=2048, heads=16, vocabulary=8192)


def canary(torch: Any, where: str, dtype_name: str) -> tuple[str, str]:
    """`faster`, `slower`, `wrong` or `unsupported`, with what was seen.

    Args:
        torch: the module.
        where: `cuda`, `rocm`, `mps` or `cpu`.
        dtype_name: `bfloat16` or `float16`.
    """
    device = "cuda" if where == "rocm" else where
    with _one_thread(torch, device):
        outcome, evidence = _compare(torch, device, getattr(torch, dtype_name))
    return outcome, f"{evidence} on {where}"


def _compare(torch: Any, device: str, dtype: Any) -> tuple[str, str]:
    weights = _weights(torch, ON_CPU if device == "cpu" else ON_GPU, device)
    exact, narrow = _Step(torch, weights, torch.float32), _Step(torch, weights, dtype)
    try:
        exact_s, exact_gradients = _timed(torch, device, exact)
        narrow_s, narrow_gradients = _timed(torch, device, narrow)
    except (RuntimeError, NotImplementedError, TypeError) as refusal:
        return "unsupported", f"refused ({str(refusal).strip().partition(chr(10))[0]})"
    error = _error(torch, exact_gradients, narrow_gradients)
    if not error <= LARGEST_ERROR:  # also when it is not a number
        return "wrong", f"gradients are off by {error:.0%}"
    # a second try would take seconds; a card's first try says nothing, it loads its kernels
    hopeless = device == "cpu" and narrow_s > HOPELESS * exact_s
    speed = exact_s / narrow_s if hopeless else _speed(torch, device, exact, narrow)
    outcome = "faster" if speed >= FASTER_FROM else "slower"
    return outcome, f"{speed:.2g} times the speed of float32, gradients within {error:.1%}"


class _Step:
    """One training step in one dtype, on copies of the same weights."""

    def __init__(self, torch: Any, weights: dict[str, Any], dtype: Any) -> None:
        self.torch, self.dtype = torch, dtype
        self.labels = weights["labels"]
        self.size = weights["size"]
        narrow = {
            name: weights[name].to(dtype) for name in ("x", "qkv", "out", "up", "down", "head")
        }
        self.x = narrow.pop("x")
        self.leaves = {name: tensor.detach().requires_grad_() for name, tensor in narrow.items()}

    def gradients(self) -> list[Any]:
        """Forward and backward; the gradient of every weight."""
        torch, w, f = self.torch, self.leaves, self.torch.nn.functional
        tokens, width, heads = self.size.tokens, self.size.width, self.size.heads
        x_TC = self.x
        qkv_T3HD = (f.layer_norm(x_TC, (width,)) @ w["qkv"]).view(tokens, 3, heads, width // heads)
        q_1HTD, k_1HTD, v_1HTD = (part[None] for part in qkv_T3HD.permute(1, 2, 0, 3).unbind(0))
        mixed_1HTD = f.scaled_dot_product_attention(q_1HTD, k_1HTD, v_1HTD, is_causal=True)
        x_TC = x_TC + mixed_1HTD[0].transpose(0, 1).reshape(tokens, width) @ w["out"]
        x_TC = x_TC + f.gelu(f.layer_norm(x_TC, (width,)) @ w["up"]) @ w["down"]
        loss = f.cross_entropy((f.layer_norm(x_TC, (width,)) @ w["head"]).float(), self.labels)
        return list(torch.autograd.grad(loss, list(w.values())))


def _weights(torch: Any, size: Size, device: str) -> dict[str, Any]:
    generator = torch.Generator().manual_seed(0)

    def draw(*shape: int, scale: float) -> Any:
        return (torch.randn(*shape, generator=generator) * scale).to(device)

    width, small = size.width, size.width**-0.5
    return {
        "size": size,
        "labels": torch.randint(size.vocabulary, (size.tokens,), generator=generator).to(device),
        "x": draw(size.tokens, width, scale=1.0),
        "qkv": draw(width, 3 * width, scale=small),
        "out": draw(width, width, scale=small),
        "up": draw(width, 4 * width, scale=small),
        "down": draw(4 * width, width, scale=small / 2),
        "head": draw(width, size.vocabulary, scale=small),
    }


def _error(torch: Any, exact: list[Any], narrow: list[Any]) -> float:
    """The largest relative error of a gradient."""
    errors = [
        float(torch.linalg.vector_norm(b.float() - a) / torch.linalg.vector_norm(a))
        for a, b in zip(exact, narrow, strict=True)
    ]
    return max(errors, key=lambda error: (error != error, error))  # noqa: PLR0124  # NaN is the worst


def _speed(torch: Any, device: str, exact: _Step, narrow: _Step) -> float:
    """How many times as fast as float32: the best of each, in turns."""
    exact_s: list[float] = []
    narrow_s: list[float] = []
    while len(exact_s) < REPEATS and sum(exact_s) + sum(narrow_s) < BUDGET_S:
        exact_s.append(_timed(torch, device, exact)[0])
        narrow_s.append(_timed(torch, device, narrow)[0])
    return min(exact_s) / min(narrow_s)


def _timed(torch: Any, device: str, step: _Step) -> tuple[float, list[Any]]:
    clock = time.process_time if device == "cpu" else time.perf_counter
    _wait(torch, device)
    began = clock()
    gradients = step.gradients()
    _wait(torch, device)
    return max(clock() - began, 1e-9), gradients


@contextmanager
def _one_thread(torch: Any, device: str) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1 if device == "cpu" else before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _wait(torch: Any, device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()
    elif device == "mps":
        torch.mps.synchronize()
