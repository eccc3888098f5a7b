"""What the installed torch can really use: `is_available()` is not enough, a kernel has to run.

Every function takes torch as a parameter, so that tests can hand over a pretend one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from kavaspec_runtime.probe_answer import Answer, seen

# pytorch#109457: on MPS a matrix product with this many columns was wrong from batch 9 on
_WIDE = (9, 32, 50_304)


def describe(torch: Any, transformers_version: str) -> Answer:
    """All facts about torch."""
    where, why = accelerator(torch)
    full = str(torch.__version__)
    built_for = backend(torch)
    facts = {
        "fact.torch.version": seen(full.partition("+")[0], f"torch {full}"),
        "fact.torch.backend": seen(built_for, _build(torch)),
        "fact.torch.arch_list": seen(arch_list(torch), "torch.cuda.get_arch_list()"),
        "fact.torch.accelerator": seen(where, why),
        "fact.transformers.version": seen(transformers_version, "transformers.__version__"),
    }
    return {"facts": facts, "not_found": []}


def backend(torch: Any) -> str:
    """What this torch was built for. ROCm calls itself cuda everywhere but in `torch.version`."""
    if torch.version.hip:
        return "rocm"
    if torch.version.cuda:
        return "cuda"
    return "mps" if torch.backends.mps.is_built() else "cpu"


def arch_list(torch: Any) -> list[str]:
    """Architectures that there are kernels for; empty where torch sees no card."""
    return sorted(torch.cuda.get_arch_list()) if backend(torch) in ("cuda", "rocm") else []


def accelerator(torch: Any) -> tuple[str | None, str]:
    """Where a kernel really ran, or None; with what was seen."""
    kind = backend(torch)
    if kind == "cpu":
        return None, f"torch {torch.__version__} is built for the CPU only"
    reason = _mps_trouble(torch) if kind == "mps" else _cuda_trouble(torch, kind)
    if reason is not None:
        return None, reason
    return kind, f"a matrix product ran on {_card(torch, kind)}"


def has_kernels(capability: tuple[int, int], archs: Sequence[str]) -> bool:
    """Whether code for one of `archs` runs on a card of this compute capability.

    Machine code (`sm_80`) runs on the same major version from its minor version on; the suffixed
    form (`sm_90a`) only on exactly that card; PTX (`compute_80`) is compiled for anything newer.
    """
    for arch in archs:
        match = re.fullmatch(r"(sm|compute)_(\d+)(\d)([a-z]?)", arch)
        if match is None:
            continue
        version = (int(match[2]), int(match[3]))
        if match[4]:
            fits = version == capability
        elif match[1] == "sm":
            fits = version[0] == capability[0] and version[1] <= capability[1]
        else:
            fits = version <= capability
        if fits:
            return True
    return False


def _cuda_trouble(torch: Any, kind: str) -> str | None:
    if not torch.cuda.is_available():
        return f"torch is built for {_build(torch)}, but finds no card it can use"
    archs = arch_list(torch)
    if kind == "cuda":
        major, minor = torch.cuda.get_device_capability(0)
        name, supported = f"sm_{major}{minor}", has_kernels((major, minor), archs)
    else:
        name = str(torch.cuda.get_device_properties(0).gcnArchName).partition(":")[0]
        supported = name in archs
    if not supported:
        return f"this torch has no kernels for {name}, only for {', '.join(archs) or 'none'}"
    return _product_trouble(torch, "cuda", (64, 64, 64))


def _mps_trouble(torch: Any) -> str | None:
    if not torch.backends.mps.is_available():
        return (
            "torch is built for MPS, but this macOS or processor has none (macOS 14, Apple silicon)"
        )
    return _product_trouble(torch, "mps", (64, 64, 64)) or _product_trouble(torch, "mps", _WIDE)


def _product_trouble(torch: Any, device: str, size: tuple[int, int, int]) -> str | None:
    """Multiply two matrices of ones there; every element must be their inner size."""
    rows, inner, columns = size
    try:
        left = torch.ones(rows, inner, device=device)
        right = torch.ones(inner, columns, device=device)
        product = (left @ right).cpu()
        right_answer = bool((product == inner).all())
    except (RuntimeError, NotImplementedError, AssertionError) as error:
        return f"a matrix product on {device} failed: {str(error).strip().splitlines()[0]}"
    return (
        None
        if right_answer
        else f"a {rows} x {inner} x {columns} matrix product on {device} is wrong"
    )


def _card(torch: Any, kind: str) -> str:
    return "the Apple GPU" if kind == "mps" else str(torch.cuda.get_device_name(0))


def _build(torch: Any) -> str:
    if torch.version.hip:
        return f"ROCm {torch.version.hip}"
    if torch.version.cuda:
        return f"CUDA {torch.version.cuda}"
    return "MPS" if torch.backends.mps.is_built() else "the CPU only"
