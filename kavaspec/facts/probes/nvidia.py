"""NVIDIA cards, from the driver's library (NVML) or from nvidia-smi. Needs no torch."""

from __future__ import annotations

import csv
from dataclasses import dataclass, replace
from typing import Any

from kavaspec.facts.model import Observation
from kavaspec.facts.probe import Machine, NoAnswer, Probe
from kavaspec.facts.probes.card import (
    NAMES,
    Card,
    cards_here,
    hidden_by,
    none_here,
    unknown,
    visible,
)
from kavaspec.facts.probes.memory import total

VARIABLES = ("CUDA_VISIBLE_DEVICES",)
# Jetson Xavier, Jetson Orin, Thor, GB10 (DGX Spark): CPU and GPU share one memory, whose size the
# driver may not tell
UNIFIED_CAPABILITIES = ((7, 2), (8, 7), (10, 1), (11, 0), (12, 1))

_QUERY = ("name", "memory.total", "driver_version", "uuid", "compute_cap", "mig.mode.current")
_OLD_QUERY = _QUERY[:4]  # drivers before 510 know no compute_cap
_ABSENT = ("", "[N/A]", "[Not Supported]", "N/A")


@dataclass(frozen=True, kw_only=True, slots=True)
class Driver:
    """What one way of asking told."""

    cards: tuple[Card, ...]
    version: str | None
    source: str


def observe(machine: Machine) -> Observation:
    try:
        driver = _ask(machine)
    except NoAnswer as error:
        return unknown(PROBE.id, error.because, hint=error.hint)
    if not driver.cards:
        return none_here(PROBE.id, f"no NVIDIA card: {driver.source}")
    cards = visible([_shared(card, machine) for card in driver.cards], VARIABLES, machine.env)
    if not cards:
        by = hidden_by(VARIABLES, machine.env)
        return none_here(PROBE.id, f"{by} hides the NVIDIA cards ({len(driver.cards)} found)")
    if cards[0].mig:
        cards = cards[:1]  # CUDA shows a process one slice, however many there are
    return cards_here(PROBE.id, "nvidia", cards, driver=driver.version, source=driver.source)


def _ask(machine: Machine) -> Driver:
    """The library first, then the command: inside WSL and some containers only the second is there.

    Raises:
        NoAnswer: when there is a driver, but it does not work.
    """
    import pynvml

    absent = (pynvml.NVMLError_LibraryNotFound, pynvml.NVMLError_DriverNotLoaded)
    try:
        return from_nvml(pynvml)
    except pynvml.NVMLError as error:
        why, broken = str(error), not isinstance(error, absent)
    try:
        return from_nvidia_smi(machine)
    except NoAnswer as error:
        if not broken and error.because == "nvidia-smi is not on the PATH":
            return Driver(cards=(), version=None, source=f"{why}, and {error.because}")
        raise NoAnswer(
            f"the NVIDIA driver does not work: NVML says {why}; {error.because}",
            hint="run nvidia-smi; a driver that was just updated needs a reboot",
        ) from None


def from_nvml(nvml: Any) -> Driver:
    """Ask the driver's library. `nvml` is the module pynvml."""
    nvml.nvmlInit()
    try:
        handles = [nvml.nvmlDeviceGetHandleByIndex(i) for i in range(nvml.nvmlDeviceGetCount())]
        cards = [card for handle in handles for card in _nvml_cards(nvml, handle)]
        version = _text(nvml.nvmlSystemGetDriverVersion())
        return Driver(cards=tuple(cards), version=version, source="NVML")
    finally:
        nvml.nvmlShutdown()


def _nvml_cards(nvml: Any, handle: Any) -> list[Card]:
    """The card, or its slices when it is cut into slices."""
    capability = tuple(nvml.nvmlDeviceGetCudaComputeCapability(handle))
    slices = _mig_slices(nvml, handle)
    return [
        Card(
            name=_text(nvml.nvmlDeviceGetName(each)),
            memory_bytes=_nvml_memory(nvml, each),
            capability=(capability[0], capability[1]),
            arch=f"sm_{capability[0]}{capability[1]}",
            mig=bool(slices),
            ids=(_text(nvml.nvmlDeviceGetUUID(each)),),
        )
        for each in slices or [handle]
    ]


def _mig_slices(nvml: Any, handle: Any) -> list[Any]:
    try:
        current, _ = nvml.nvmlDeviceGetMigMode(handle)
    except nvml.NVMLError:  # cards without MIG refuse the question
        return []
    if not current:
        return []
    found = []
    for index in range(nvml.nvmlDeviceGetMaxMigDeviceCount(handle)):
        try:
            found.append(nvml.nvmlDeviceGetMigDeviceHandleByIndex(handle, index))
        except nvml.NVMLError:  # an index without a slice
            continue
    return found


def _nvml_memory(nvml: Any, handle: Any) -> int | None:
    try:
        return int(nvml.nvmlDeviceGetMemoryInfo(handle).total)
    except nvml.NVMLError_NotSupported:  # memory that belongs to the CPU as well
        return None


def from_nvidia_smi(machine: Machine) -> Driver:
    """Ask the command.

    Raises:
        NoAnswer: when it is not there or fails.
    """
    try:
        rows = _query(machine, _QUERY)
    except NoAnswer as error:
        if "not a valid field" not in error.because.lower():
            raise
        rows = _query(machine, _OLD_QUERY)
    version = rows[0]["driver_version"] if rows else None
    cards = tuple(_smi_card(row) for row in rows)
    return Driver(cards=cards, version=version, source="nvidia-smi")


def _query(machine: Machine, fields: tuple[str, ...]) -> list[dict[str, str]]:
    text = machine.run(
        "nvidia-smi", f"--query-gpu={','.join(fields)}", "--format=csv,noheader,nounits"
    )
    if "no devices were found" in text.lower():
        return []
    lines = [line for line in csv.reader(text.splitlines(), skipinitialspace=True) if line]
    if any(len(line) != len(fields) for line in lines):
        raise NoAnswer(f"nvidia-smi printed something else than {len(fields)} columns")
    return [dict(zip(fields, (cell.strip() for cell in line), strict=True)) for line in lines]


def _smi_card(row: dict[str, str]) -> Card:
    memory_mib, capability = row["memory.total"], row.get("compute_cap", "")
    major, _, minor = capability.partition(".")
    known = major.isdigit() and minor.isdigit()
    return Card(
        name=row["name"],
        memory_bytes=int(memory_mib) * 2**20 if memory_mib.isdigit() else None,
        capability=(int(major), int(minor)) if known else None,
        arch=f"sm_{major}{minor}" if known else None,
        mig=row.get("mig.mode.current") == "Enabled",
        ids=(row["uuid"],),
    )


def _shared(card: Card, machine: Machine) -> Card:
    """Mark cards that share the CPU's memory, and fill in its size where the driver does not."""
    if card.capability not in UNIFIED_CAPABILITIES:
        return card
    memory = total(machine).value if card.memory_bytes is None else card.memory_bytes
    return replace(card, unified=True, memory_bytes=memory)  # type: ignore[arg-type]  # an int


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value  # older drivers give bytes


PROBE = Probe(name="nvidia", version=1, facts=NAMES, observe=observe)
