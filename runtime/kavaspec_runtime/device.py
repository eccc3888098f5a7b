"""The locked device and numerics, made real. Nothing is looked for: what is not there fails."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch.utils import deterministic

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}

BACKENDS = {"cuda": "cuda", "rocm": "cuda", "mps": "mps", "cpu": "cpu"}
"""What torch calls each `train.device`. It calls ROCm cuda as well."""


def device_of(name: str, index: int) -> torch.device:
    """The torch device of `train.device`; `index` is which of several accelerators."""
    backend = BACKENDS[name]
    return torch.device(backend, index) if backend == "cuda" else torch.device(backend)


def title(name: str, device: torch.device, threads: int) -> str:
    """What computes, for people."""
    if device.type == "cuda":
        return f"{torch.cuda.get_device_name(device)} ({name})"
    return f"{name} ({threads} threads)" if name == "cpu" else "Apple GPU (mps)"


def scaler_for(precision: torch.dtype, device: torch.device) -> torch.amp.GradScaler | None:
    """float16 gradients underflow without one; the wider dtypes need none."""
    if precision != torch.float16:
        return None
    return torch.amp.GradScaler(
        device.type,
        init_scale=65536.0,
        growth_factor=2.0,
        backoff_factor=0.5,
        growth_interval=2000,
        enabled=True,
    )


@contextmanager
def computing(*, threads: int, reproducibility: str, device: torch.device) -> Iterator[None]:
    """Threads and determinism as locked; torch is left as it was found."""
    before = (
        torch.get_num_threads(),
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
        deterministic.fill_uninitialized_memory,  # type: ignore[attr-defined]  # a property of the module
    )
    torch.set_num_threads(threads)
    exact = reproducibility == "bitwise"
    torch.use_deterministic_algorithms(exact, warn_only=False)
    # filling would turn buffers that transformers fills later into NaN
    deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # a property of the module
    if device.type == "cuda":
        torch.cuda.set_device(device)
        torch.backends.cudnn.benchmark = False
        torch.backends.cuda.enable_cudnn_sdp(not exact)  # its backward is not deterministic
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        torch.use_deterministic_algorithms(before[1], warn_only=before[2])
        deterministic.fill_uninitialized_memory = before[3]  # type: ignore[attr-defined]  # a property of the module


def synchronize(device: torch.device) -> None:
    """Wait until the device has done what it was told, so that a clock means something."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    if device.type == "mps":
        torch.mps.synchronize()
