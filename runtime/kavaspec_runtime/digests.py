"""`digest.jsonl`: the bits of every step, so that two runs can be compared and parted at the first.

{"step":1,"loss":"0x1.5a3c4e0000000p+1","grad_norm":"0x1.0f2a8c0000000p+0","batch":"…","seal":"…"}

What the fields mean is in `kavaspec.seals`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path

import torch
from torch import Tensor

from kavaspec.seals import START, seal_of, sealed_line
from kavaspec_runtime.checkpoint import replace_flushed
from kavaspec_runtime.data import Batch

WEIGHTS_EVERY = 10
"""Steps. Reading every weight once costs about a hundredth of a step: a thousandth, this often."""

INTEGERS = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


def line(
    step: int, loss: float, grad_norm: float, batch: str, weights: Mapping[str, Tensor] | None
) -> str:
    """One step's bits, floats as hexadecimal; not yet sealed."""
    bits: dict[str, object] = {"step": step, "loss": loss.hex(), "grad_norm": grad_norm.hex()}
    bits["batch"] = batch
    if weights is not None:
        bits["weights"] = weights_digest(weights)
    return json.dumps(bits, separators=(",", ":"))


def append(path: Path, text: str, before: str) -> str:
    """Seal a line and add it; the seal. One write, so that a kill tears at most the last line."""
    sealed, seal = sealed_line(text, before)
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0)
    file = os.open(path, flags, 0o644)
    try:
        os.write(file, f"{sealed}\n".encode())
    finally:
        os.close(file)
    return seal


def cut(path: Path, step: int) -> str:
    """Keep the lines up to `step`: a resumed run says the later ones again. The seal of the last."""
    kept = [text for text in _lines(path) if json.loads(text)["step"] <= step]
    replace_flushed(path, "".join(text + "\n" for text in kept))
    return seal_of(kept[-1]) if kept else START


def batch_digest(micro: Sequence[Batch]) -> str:
    """Over the tokens of a global batch, padding left out: the same for every split of it."""
    digest = sha256()
    for batch in micro:
        digest.update(batch.ids_BT.numpy()[batch.mask_BT.numpy()].tobytes())
    return digest.hexdigest()[:16]


@torch.no_grad()
def weights_digest(weights: Mapping[str, Tensor]) -> str:
    """Over every bit of every weight: the sum of each as whole numbers, which no order changes."""
    sums = torch.stack([_sum(weight) for weight in weights.values()]).tolist() if weights else []
    named = [f"{name} {total}" for name, total in zip(weights, sums, strict=True)]
    return sha256("\n".join(named).encode()).hexdigest()[:16]


def _sum(weight: Tensor) -> Tensor:
    """Modulo 2**64, eight bytes at a time, without a copy; what is left over by itself."""
    flat = weight.detach().reshape(-1)
    size = flat.element_size()
    whole = flat.numel() * size // 8 * 8 // size
    if size > 8 or flat.storage_offset() * size % 8:
        whole = 0
    left = flat[whole:].view(INTEGERS[size]).sum(dtype=torch.int64)
    if not whole:
        return left
    words = flat[:whole].view(torch.int64)
    if words.device.type == "cpu":  # where torch adds whole numbers ten times slower than numpy
        return left + torch.from_numpy(words.numpy().sum(keepdims=True))[0]
    return left + words.sum()


def _lines(path: Path) -> list[str]:
    """Whole lines; one that a kill tore is left out."""
    if not path.exists():
        return []
    return path.read_bytes().decode("ascii", "ignore").split("\n")[:-1]
