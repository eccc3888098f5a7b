"""How much memory a training step takes, and how many rows therefore fit.

    tensors     what was tried, and a straight line between what was tried
    process     tensors + allocator_percent of them + device_bytes
    room        the device's memory, but for a reserve

Tensors are estimated by the real step or measured on the device; both are `fact.trial.*`. What a process
takes beside them is assumed until `fact.trial.overhead` says it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from kavaspec.decision import Term
from kavaspec.plain import Plain
from kavaspec.resident import which_memory
from kavaspec.sizes import in_bytes

Pairs = Sequence[Sequence[int]]
"""Rows at once and bytes, by rows: two or more, from one row up."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Curve:
    """Bytes of tensors at the peak of a step, by rows at once."""

    points: tuple[tuple[int, int], ...]
    """Rows and bytes, by rows; two or more."""

    @classmethod
    def of(cls, pairs: Pairs) -> Curve:
        return cls(points=tuple((rows, size) for rows, size in pairs))

    def bytes(self, rows: int) -> int:
        """For so many rows.

        The peak is the largest of several straight lines, so what lies between two tried points is
        at most their straight line, and beyond the last it rises as between the last two.
        """
        (a, low), (b, high) = self._around(rows)
        return low + (high - low) * (rows - a) // (b - a)

    def term(self, rows: int) -> Term:
        """The arithmetic of `bytes`, as a line of a decision."""
        name = f"bytes of tensors for {rows} row{'s' if rows > 1 else ''}"
        value = self.bytes(rows)
        if rows in dict(self.points):
            return Term(name=name, formula=str(value), value=value)
        (a, low), (b, high) = self._around(rows)
        formula = f"{low} + ({high} - {low}) * ({rows} - {a}) // ({b} - {a})"
        return Term(name=name, formula=formula, value=value)

    def _around(self, rows: int) -> tuple[tuple[int, int], tuple[int, int]]:
        pairs = list(pairwise(self.points))
        return next((pair for pair in pairs if rows <= pair[1][0]), pairs[-1])


@dataclass(frozen=True, kw_only=True, slots=True)
class Overhead:
    """What a process takes beside its tensors."""

    device_bytes: int
    """Before and beside any tensor: context, libraries, workspaces."""
    allocator_percent: int
    """Of the tensors, on top of them: rounding and gaps."""

    def process_bytes(self, tensors: int) -> int:
        return tensors + tensors * self.allocator_percent // 100 + self.device_bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Device(Overhead):
    """A device's memory, and what of it is not for tensors."""

    fact: str
    """Which fact says how much there is."""
    memory_bytes: int
    reserve_percent: int
    """Of the memory, kept free for others and for what nobody foresaw."""

    @property
    def room_bytes(self) -> int:
        """What the process may take."""
        return self.memory_bytes - self.memory_bytes * self.reserve_percent // 100

    def terms(self, tensors: Term) -> tuple[Term, ...]:
        """The arithmetic of what is taken and of what there is."""
        size = tensors.value
        return (
            tensors,
            Term(
                name=f"bytes of the process: {self.allocator_percent} % in gaps, "
                f"{in_bytes(self.device_bytes)} in libraries",
                formula=f"{size} + {size} * {self.allocator_percent} // 100 + {self.device_bytes}",
                value=self.process_bytes(int(size)),
            ),
            Term(
                name=f"bytes that it may take: all but {self.reserve_percent} %",
                formula=f"{self.memory_bytes} - {self.memory_bytes} * {self.reserve_percent} // 100",
                value=self.room_bytes,
            ),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Supposed(Overhead):
    """What is taken where nobody has measured it."""

    reserve_percent: int


SUPPOSED: Mapping[str, Supposed] = {
    "cuda": Supposed(device_bytes=768 * 2**20, allocator_percent=5, reserve_percent=5),
    "rocm": Supposed(device_bytes=1024 * 2**20, allocator_percent=5, reserve_percent=5),
    "mps": Supposed(device_bytes=768 * 2**20, allocator_percent=10, reserve_percent=33),
    "cpu": Supposed(device_bytes=768 * 2**20, allocator_percent=25, reserve_percent=10),
}
"""Of a device without a measurement. A CUDA context with its libraries' kernels and workspaces takes
0.5 to 0.7 GiB. Metal lets a process keep two thirds of a smaller Mac's memory resident. On a CPU,
where gaps of glibc's heap count, 10 to 35 % more than the tensors were seen
(`benchmarks/results/memory-2026-11-24.md`), and the interpreter and torch themselves take 0.5 GiB."""


def device_of(
    device: str,
    gpu_memory: int | None,
    unified: bool | None,
    host_memory: int | None,
    overhead: Mapping[str, int] | None,
) -> Device | None:
    """The device that a step runs on; None where its memory is not known."""
    fact, memory = which_memory(device, gpu_memory, unified, host_memory)
    if memory is None:
        return None
    supposed, known = SUPPOSED[device], overhead or {}
    return Device(
        fact=fact,
        memory_bytes=memory,
        device_bytes=known.get("device_bytes", supposed.device_bytes),
        allocator_percent=known.get("allocator_percent", supposed.allocator_percent),
        reserve_percent=supposed.reserve_percent,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Predicted:
    """What a locked step takes."""

    tensors_bytes: int
    process_bytes: int

    def as_measured(self, device: str) -> int:
        """Of these, what the device's own counter says: that of CUDA and ROCm counts tensors alone."""
        return self.tensors_bytes if device in {"cuda", "rocm"} else self.process_bytes


def predicted(values: Mapping[str, Plain], facts: Mapping[str, Plain]) -> Predicted | None:
    """What the step of a lock takes, by its values and its facts; None where nobody tried it."""
    again = values["train.gradient_checkpointing"]
    pairs = facts.get("fact.trial.memory_checkpointed" if again else "fact.trial.memory")
    there = device_with(values, facts)
    if pairs is None or there is None:
        return None
    tensors = Curve.of(pairs).bytes(values["train.micro_batch"])  # type: ignore[arg-type]  # values and facts of a lock have their types
    return Predicted(tensors_bytes=tensors, process_bytes=there.process_bytes(tensors))


def device_with(values: Mapping[str, Plain], facts: Mapping[str, Plain]) -> Device | None:
    """The device of a lock's target; None where its memory is not known."""
    names = ("gpu.memory_bytes", "gpu.unified", "memory.total_bytes", "trial.overhead")
    known = [facts.get(f"fact.{name}") for name in names]
    return device_of(str(values["train.device"]), *known)  # type: ignore[arg-type]  # as above
