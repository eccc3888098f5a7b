"""What a process takes beside its tensors, learned from runs that measured it.

A trial knows the tensors of a step to the byte; `fitting` supposes what the device's libraries and the
allocator's gaps come to. A finished run measured the sum. Of all pairs (bytes, percent) that are below
no measured run, the one is taken that is above them by the least.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from kavaspec.fitting import SUPPOSED, Overhead
from kavaspec.run_record import Record

OVERHEAD = "fact.trial.overhead"
MOST_PERCENT = 100
MIB = 2**20


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """One finished run."""

    run: str
    device: str
    card: str | None
    """The GPU's name; None on a CPU."""
    tensors_bytes: int
    """Of its step, by the trial in its lock."""
    process_bytes: int
    """Of its process at the highest."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LeftOut:
    """A run that says nothing about its device's memory."""

    run: str
    because: str


def measured(run: Record) -> Measured | LeftOut:
    """What a run folder says, or why it says nothing."""
    because = _why_not(run)
    if because is not None or run.receipt is None:
        return LeftOut(run=run.folder, because=because or "it is not finished")
    memory, facts = run.receipt.part("memory"), run.receipt.part("facts")
    device = str(run.lock.values(run.receipt.content["target"])["train.device"])
    return Measured(
        run=run.folder,
        device=device,
        card=None if device == "cpu" else facts.get("fact.gpu.name"),
        tensors_bytes=memory["tensors_bytes"],
        process_bytes=memory["process_peak_bytes"],
    )


def _why_not(run: Record) -> str | None:
    """What is sealed has the types that it was written with."""
    if run.receipt is None:
        return "it is not finished"
    if not run.receipt.sealed:
        return "its receipt is not as it was written"
    if run.receipt.part("files").get("kava.lock") != run.files["kava.lock"]:
        return "its kava.lock is not the one that it ran"
    receipt, memory = run.receipt.content, run.receipt.part("memory")
    if memory.get("process_peak_bytes") is None:
        return "an older kavaspec wrote its receipt, without what the process took"
    if memory.get("tensors_bytes") is None:
        return "its lock does not say what a step takes"
    if memory.get("rehearsed_peak_bytes") is None:
        return "it was not rehearsed, so no step of full length was measured"
    if receipt.get("deviations"):
        return "it did not run as locked: its receipt names deviations"
    if receipt.get("attempts") != 1:
        return "it was resumed, and only its last attempt was measured"
    return None


def calibrated(runs: Sequence[Measured]) -> Overhead:
    """The overhead that no run exceeds, and that exceeds the runs by the least.

    Ties go to the percentage nearest to what is supposed of the device: a single run cannot tell
    gaps from libraries. What libraries take is rounded up to whole MiB.
    """
    supposed = SUPPOSED[runs[0].device].allocator_percent

    def above(percent: int) -> tuple[int, int]:
        whole = _with(percent, runs)
        return sum(off(whole, run) for run in runs), abs(percent - supposed)

    best = _with(min(range(MOST_PERCENT + 1), key=above), runs)
    return replace(best, device_bytes=-(-best.device_bytes // MIB) * MIB)


def off(overhead: Overhead, run: Measured) -> int:
    """How many bytes the prediction is above what was measured."""
    return overhead.process_bytes(run.tensors_bytes) - run.process_bytes


def _with(percent: int, runs: Iterable[Measured]) -> Overhead:
    """With such gaps, the least that libraries can take."""
    gaps = Overhead(device_bytes=0, allocator_percent=percent)
    return replace(gaps, device_bytes=max(0, *(-off(gaps, run) for run in runs)))
