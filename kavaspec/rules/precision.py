"""train.precision: the narrowest dtype that this device computes in hardware, and rightly.

| device              | bfloat16                                     | float16            | auto     |
|---------------------|----------------------------------------------|--------------------|----------|
| cuda, sm_80 and up  | in hardware                                  | loss is scaled     | bfloat16 |
| cuda, sm_70, sm_75  | emulated: refused                            | tensor cores       | float16  |
| cuda, older, GTX 16 | emulated: refused                            | not faster         | float32  |
| rocm                | gfx90a, gfx94x, gfx950, gfx11xx, gfx12xx; refused on gfx10xx, gfx900, gfx906; else the canary | loss is scaled | bfloat16 or float32 |
| mps                 | emulated on M1, M2                           | trains wrongly     | float32  |
| cpu                 | with AMX, AVX512_BF16, ARM BF16 *and* faster, and a student that is not tiny | never | bfloat16 or float32 |

`torch.cuda.is_bf16_supported()` is no evidence: it says yes on a V100 and on every ROCm card.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from kavaspec.choice import Candidate, choose
from kavaspec.decision import ANYTHING, Allowed, Decision, Rule

_AMD_YES = re.compile(r"gfx(90a|94\w|950|11\w\w|12\w\w)")
_AMD_NO = re.compile(r"gfx(10\w\w|900|906)")
_CPU_BF16 = ("amx_bf16", "avx512_bf16", "bf16", "sve_bf16")
_SCALED = "needs its loss scaled to train"


def precision(
    device: str,
    gpu: str | None,
    capability: Sequence[int] | None,
    arch: str | None,
    cpu_features: Sequence[str] | None,
    bfloat16: str | None,
    float16: str | None,
    parameters: int | None,
    allowed: Allowed = ANYTHING,
) -> Decision:
    """`bfloat16` and `float16` are the canary's classes: faster, slower, wrong or unsupported.

    Raises:
        Undecidable: if the spec allows only dtypes that this device cannot train in.
    """
    here = candidates(device, gpu, capability, arch, cpu_features, bfloat16, float16, parameters)
    return choose(here, allowed, hint="float32 works on every device")


def candidates(
    device: str,
    gpu: str | None,
    capability: Sequence[int] | None,
    arch: str | None,
    cpu_features: Sequence[str] | None,
    bfloat16: str | None,
    float16: str | None,
    parameters: int | None = None,
) -> tuple[Candidate, ...]:
    """All three dtypes, best first. What the canary found wrong is impossible."""
    if device == "cuda":
        table = _cuda(
            gpu or "this GPU", tuple(capability) if capability and len(capability) == 2 else None
        )
    elif device == "rocm":
        table = _rocm(gpu or "this GPU", arch, bfloat16)
    elif device == "mps":
        table = _mps()
    else:
        table = _cpu(cpu_features or (), bfloat16, parameters)
    canary = {"bfloat16": bfloat16, "float16": float16}
    return tuple(_after_canary(item, canary.get(str(item.value))) for item in table)


def _cuda(gpu: str, capability: tuple[int, ...] | None) -> tuple[Candidate, ...]:
    if capability is None:
        unknown = "the GPU's compute capability is not known"
        return (_float32(unknown), _no("bfloat16", unknown), _no("float16", unknown))
    sm = f"sm_{capability[0]}{capability[1]}"
    if capability >= (8, 0):
        return (
            Candidate(
                value="bfloat16",
                because=f"{gpu} ({sm}) computes bfloat16 in hardware",
            ),
            _float32(
                f"{gpu} ({sm}) computes it too",
                "is slower here; weights and losses are float32 anyway",
            ),
            Candidate(
                value="float16",
                because=f"{gpu} ({sm}) computes float16 in hardware; the loss is scaled",
                otherwise=f"{_SCALED}; bfloat16 does not",
            ),
        )
    emulated = _no("bfloat16", f"needs sm_80, {gpu} is {sm}")
    if capability >= (7, 0) and "GTX 16" not in gpu:
        return (
            Candidate(
                value="float16",
                because=f"{gpu} ({sm}) has float16 tensor cores; the loss is scaled",
            ),
            _float32(f"{gpu} ({sm}) computes it without tensor cores", "has no tensor cores here"),
            emulated,
        )
    return (
        _float32(f"{gpu} ({sm}) has no fast 16-bit arithmetic"),
        Candidate(
            value="float16",
            because=f"{gpu} ({sm}) stores it in half the memory; the loss is scaled",
            otherwise=f"is not faster on {sm}",
        ),
        emulated,
    )


def _rocm(gpu: str, fact: str | None, canary: str | None) -> tuple[Candidate, ...]:
    arch = (fact or "unknown arch").split(":")[0]  # gfx90a:sramecc+:xnack-
    half = Candidate(
        value="float16",
        because=f"{gpu} ({arch}) computes float16; the loss is scaled",
        otherwise=_SCALED,
    )
    if _AMD_NO.fullmatch(arch):
        why = f"{arch} has no bfloat16 that trains"
        return (_float32(f"{gpu}: {why}"), half, _no("bfloat16", why))
    native, faster = _AMD_YES.fullmatch(arch), canary == "faster"
    evidence = "in hardware" if native else "faster than float32 (canary)"
    brain = Candidate(
        value="bfloat16",
        because=f"{gpu} ({arch}) computes bfloat16 {evidence}"
        if native or faster
        else f"it halves the activations; nothing shows that {arch} computes it faster",
        otherwise=f"{arch} is not in the table, and the canary did not find it faster",
    )
    if native or faster:
        return (brain, _float32(f"{gpu} ({arch}) computes it too", "is slower here"), half)
    return (_float32(f"nothing shows that {arch} computes bfloat16 faster"), brain, half)


def _mps() -> tuple[Candidate, ...]:
    return (
        _float32("Metal emulates bfloat16 on M1 and M2, and float16 trains wrongly"),
        Candidate(
            value="bfloat16",
            because="it halves the activations; Metal emulates it on M1 and M2",
            otherwise="is emulated by Metal on M1 and M2",
        ),
        _no("float16", "trains wrongly on MPS (fused Adam ignored the loss scale)"),
    )


SMALL = 16_000_000
"""Students below this many parameters spend a CPU step on converting between dtypes, not on
arithmetic: a student of 348,384 was seen to train about three times slower in bfloat16."""


def _cpu(
    features: Sequence[str], canary: str | None, parameters: int | None
) -> tuple[Candidate, ...]:
    native = next((name for name in _CPU_BF16 if name in features), None)
    half = _no("float16", "CPUs have no float16 training path")
    if native is not None and canary == "faster" and (parameters or SMALL) >= SMALL:
        brain = Candidate(
            value="bfloat16",
            because=f"this CPU has {native}, and the canary ran bfloat16 faster than float32",
        )
        return (brain, _float32("it works on every CPU", "was slower in the canary"), half)
    if native is None:
        why = "this CPU has no bfloat16 instructions"
    elif canary == "faster":
        why = f"matrices of a student of {parameters} parameters are too small for bfloat16 to pay"
    elif canary is None:
        why = f"this CPU has {native}, but no canary shows that it is faster"
    else:
        why = f"this CPU has {native}, but the canary found bfloat16 {canary}"
    brain = Candidate(value="bfloat16", because="it halves the activations", otherwise=why)
    return (_float32(why), brain, half)


def _after_canary(item: Candidate, canary: str | None) -> Candidate:
    if canary not in {"wrong", "unsupported"} or item.impossible:
        return item
    return replace(item, impossible=f"the canary found {item.value} {canary} here")


def _float32(because: str, otherwise: str = "") -> Candidate:
    return Candidate(value="float32", because=because, otherwise=otherwise)


def _no(dtype: str, why: str) -> Candidate:
    return Candidate(value=dtype, because="", impossible=why)


RULE = Rule(
    key="train.precision",
    inputs={
        "device": "train.device",
        "gpu": "fact.gpu.name",
        "capability": "fact.gpu.capability",
        "arch": "fact.gpu.arch",
        "cpu_features": "fact.cpu.features",
        "bfloat16": "fact.canary.bfloat16",
        "float16": "fact.canary.float16",
        "parameters": "fact.student.parameters",
    },
    decide=precision,
)
