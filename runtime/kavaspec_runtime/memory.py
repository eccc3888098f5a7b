"""How much memory was needed at most, on the device that computes."""

from __future__ import annotations

import gc

import torch

from kavaspec.errors import Exit, KavaError, fail

OUT_OF_MEMORY = (
    "out of memory",  # CUDA, HIP and MPS, allocator and driver
    "CUBLAS_STATUS_ALLOC_FAILED",
    "DefaultCPUAllocator: can't allocate memory",
    "DefaultCPUAllocator: not enough memory",
)


def peak_bytes(device: torch.device) -> int:
    """Most bytes held at once since `forget_peak` (CUDA, ROCm), or by the process (MPS, CPU)."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    if device.type == "mps":
        return torch.mps.driver_allocated_memory()
    return resident_peak_bytes()


def process_peak_bytes(device: torch.device) -> int:
    """Most bytes of the device that the process took: CUDA's and ROCm's context and gaps included.

    What other processes hold on the same card is counted too: torch cannot tell it from the context.
    """
    if device.type == "cuda":
        free, total = torch.cuda.mem_get_info(device)
        beside = total - free - torch.cuda.memory_reserved(device)
        return torch.cuda.max_memory_reserved(device) + beside
    return peak_bytes(device)


def resident_peak_bytes() -> int:
    """Most bytes of this process that were ever in main memory."""
    import psutil

    now = psutil.Process().memory_info()
    windows = getattr(now, "peak_wset", None)
    if windows is not None:
        return int(windows)
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # KiB on Linux, bytes on macOS; a peak in bytes is never below what is resident now
    return int(most if most >= now.rss else most * 1024)


def forget_peak(device: torch.device) -> None:
    """Start measuring anew, where the device can; what nobody refers to is given back first."""
    give_back(device)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def give_back(device: torch.device) -> None:
    """Return to the device what nobody refers to."""
    if device.type == "cuda":
        gc.collect()
        torch.cuda.empty_cache()
    if device.type == "mps":
        gc.collect()
        torch.mps.empty_cache()


def is_out_of_memory(error: BaseException) -> bool:
    """By class where torch has one, else by the words of each backend."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(text in str(error) for text in OUT_OF_MEMORY)


def no_memory(doing: str, micro_batch: int, device: torch.device, exit: Exit) -> KavaError:
    """The error for running out of memory while `doing` something."""
    return fail(
        f"out of memory {doing} with train.micro_batch = {micro_batch}: "
        f"{peak_bytes(device) / 2**30:.2f} GiB ({peak_bytes(device)} bytes) were in use on {device}",
        exit,
        code="KV0801" if exit is Exit.FAILED else "KV0802",
        key="train.micro_batch",
        hint=f"set train.micro_batch to a divisor of it below {micro_batch} and lock again; "
        "the experiment stays the same",
    )
