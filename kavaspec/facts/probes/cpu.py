"""The processor: its name, the cores that this process may use, its 16-bit instructions."""

from __future__ import annotations

import os
import platform

from kavaspec.facts.model import Observation
from kavaspec.facts.probe import Machine, Missing, NoAnswer, Probe, Seen, sign
from kavaspec.facts.probes.cgroup import cpu_limit

NAMES = ("fact.cpu.model", "fact.cpu.cores", "fact.cpu.features")

# our name -> how Linux spells it in /proc/cpuinfo
LINUX_FLAGS = {
    "avx2": "avx2",
    "avx512f": "avx512f",
    "avx512_bf16": "avx512_bf16",
    "amx_bf16": "amx_bf16",
    "bf16": "bf16",
    "sve_bf16": "svebf16",
}
# our name -> the sysctl of macOS
DARWIN_FLAGS = {
    "avx2": "hw.optional.avx2_0",
    "avx512f": "hw.optional.avx512f",
    "bf16": "hw.optional.arm.FEAT_BF16",
}
# our name -> the number of IsProcessorFeaturePresent; Windows has none for 16-bit instructions
WINDOWS_FLAGS = {"avx2": 40, "avx512f": 41}


def observe(machine: Machine) -> Observation:
    return sign(
        PROBE.id,
        {
            "fact.cpu.model": model(machine),
            "fact.cpu.cores": cores(machine),
            "fact.cpu.features": features(machine),
        },
    )


def model(machine: Machine) -> Seen | Missing:
    if machine.system == "linux":
        return _linux_model(machine)
    if machine.system == "darwin":
        try:
            name = machine.run("sysctl", "-n", "machdep.cpu.brand_string").strip()
        except NoAnswer as error:
            return Missing(because=error.because)
        return Seen(value=name, evidence="sysctl machdep.cpu.brand_string")
    name = machine.env.get("PROCESSOR_IDENTIFIER") or platform.processor()
    return Seen(value=name, evidence="PROCESSOR_IDENTIFIER") if name else Missing(because=_NO_NAME)


def cores(machine: Machine) -> Seen:
    """Affinity and quota together; half a core counts as one."""
    allowed, evidence = _affinity()
    limit = cpu_limit(machine) if machine.system == "linux" else None
    if limit is not None and limit.value < allowed:
        allowed = max(1, int(limit.value))
        evidence = f"{evidence}, but {limit.file} allows {limit.value:g}"
    return Seen(value=allowed, evidence=evidence)


def features(machine: Machine) -> Seen | Missing:
    if machine.system == "linux":
        flags = _cpuinfo(machine, "flags") or _cpuinfo(machine, "Features")
        if flags is None:
            return Missing(because="/proc/cpuinfo has no line of flags")
        has = set(flags.split())
        found = sorted(ours for ours, theirs in LINUX_FLAGS.items() if theirs in has)
        return Seen(value=tuple(found), evidence="flags of /proc/cpuinfo")
    if machine.system == "darwin":
        found = sorted(ours for ours, name in DARWIN_FLAGS.items() if _sysctl_is_one(machine, name))
        return Seen(value=tuple(found), evidence="sysctl hw.optional")
    return _windows_features()


_NO_NAME = "the system does not name its processor"


def _linux_model(machine: Machine) -> Seen | Missing:
    name = _cpuinfo(machine, "model name") or _cpuinfo(machine, "Model")
    if name:
        return Seen(value=name, evidence="/proc/cpuinfo")
    maker, part = _cpuinfo(machine, "CPU implementer"), _cpuinfo(machine, "CPU part")
    if maker and part:  # Arm kernels give numbers instead of a name
        return Seen(value=f"{machine.cpu} {maker} {part}", evidence="/proc/cpuinfo")
    return Missing(because="/proc/cpuinfo does not name the processor")


def _cpuinfo(machine: Machine, key: str) -> str | None:
    for line in (machine.read("proc/cpuinfo") or "").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == key:
            return value.strip()
    return None


def _affinity() -> tuple[int, str]:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0)), "affinity of this process"
    import psutil

    try:
        return len(psutil.Process().cpu_affinity() or ()) or 1, "affinity of this process"
    except AttributeError:  # macOS has no affinity
        return psutil.cpu_count() or 1, "cores of the machine; this system has no affinity"


def _sysctl_is_one(machine: Machine, name: str) -> bool:
    try:
        return machine.run("sysctl", "-n", name).strip() == "1"
    except NoAnswer:  # a name that this kind of processor does not have
        return False


def _windows_features() -> Seen | Missing:
    import ctypes

    windll = getattr(ctypes, "windll", None)
    if windll is None:
        return Missing(because="this system does not tell the instructions of its processor")
    has = windll.kernel32.IsProcessorFeaturePresent
    found = sorted(ours for ours, number in WINDOWS_FLAGS.items() if has(number))
    return Seen(
        value=tuple(found),
        evidence="IsProcessorFeaturePresent, which does not tell 16-bit instructions",
    )


PROBE = Probe(name="cpu", version=1, facts=NAMES, observe=observe)
