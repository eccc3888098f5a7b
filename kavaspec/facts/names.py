"""Every fact that kavaspec knows: its type, unit, what it says, and whether a machine or an experiment has it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from types import MappingProxyType
from typing import Literal, TypeAlias

from kavaspec.plain import Plain

Scope: TypeAlias = Literal["machine", "experiment"]
Type: TypeAlias = Literal["text", "int", "bool", "texts", "ints", "table", "curve", "counts"]

_TYPES: Mapping[Type, str] = MappingProxyType(
    {
        "text": "text",
        "int": "a whole number",
        "bool": "true or false",
        "texts": "a list of texts",
        "ints": "a list of whole numbers",
        "table": "a list of pairs of whole numbers",
        "curve": "a list of pairs of whole numbers, two or more, by rising first numbers from 1 up",
        "counts": "a table of whole numbers",
    },
)


@dataclass(frozen=True, kw_only=True, slots=True)
class FactKind:
    """What one fact may be."""

    type: Type
    meaning: str
    """One line for people, without a full stop."""
    scope: Scope
    unit: str = ""
    one_of: tuple[str, ...] = ()
    at_least: int = 0
    """Of a whole number: nothing that is counted is negative."""

    def wrong(self, value: Plain) -> str | None:
        """What was expected instead of `value`, or None when it fits. None always fits."""
        if self.type == "int" and _is_int(value) and value < self.at_least:  # type: ignore[operator]  # it is an int
            return f"expected {self.at_least} or more" + (f" {self.unit}" if self.unit else "")
        if value is None or (_fits(self.type, value) and not self.one_of):
            return None
        if not self.one_of:
            return f"expected {_TYPES[self.type]}" + (f" ({self.unit})" if self.unit else "")
        return None if value in self.one_of else f"expected one of {', '.join(self.one_of)}"


def kind_of(name: str) -> FactKind | None:
    """The kind of a fact, members of the family `fact.env.*` included; None for an unknown name."""
    if re.fullmatch(r"fact\.env\.[A-Za-z_][A-Za-z0-9_]*", name):
        return FACTS["fact.env.*"]
    return FACTS.get(name) if name != "fact.env.*" else None


def _fits(type: Type, value: Plain) -> bool:
    if type == "text":
        return isinstance(value, str)
    if type == "bool":
        return isinstance(value, bool)
    if type == "int":
        return _is_int(value)
    if type == "counts":
        return isinstance(value, Mapping) and all(_is_int(item) for item in value.values())
    if not isinstance(value, tuple | list):
        return False
    if type == "texts":
        return all(isinstance(item, str) for item in value)
    if type == "ints":
        return all(_is_int(item) for item in value)
    pairs = all(
        isinstance(row, tuple | list) and len(row) == 2 and all(map(_is_int, row)) for row in value
    )
    return pairs and (type != "curve" or _rises([0, *(row[0] for row in value)]))


def _rises(numbers: list[int]) -> bool:
    return len(numbers) > 2 and all(low < high for low, high in pairwise(numbers))


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _machine(
    type: Type,
    meaning: str,
    *,
    unit: str = "",
    one_of: tuple[str, ...] = (),
    at_least: int = 0,
) -> FactKind:
    return FactKind(
        type=type, meaning=meaning, unit=unit, one_of=one_of, scope="machine", at_least=at_least
    )


def _experiment(type: Type, meaning: str, *, unit: str = "", at_least: int = 0) -> FactKind:
    return FactKind(type=type, meaning=meaning, unit=unit, scope="experiment", at_least=at_least)


_CANARY = ("faster", "slower", "wrong", "unsupported")

_MACHINE = {
    "fact.os.name": _machine("text", "operating system", one_of=("linux", "darwin", "windows")),
    "fact.python.version": _machine("text", "minor version of Python"),
    "fact.cpu.model": _machine("text", "name of the processor"),
    "fact.cpu.cores": _machine(
        "int",
        "cores that this process may use: affinity and cgroup, not the host",
        unit="cores",
        at_least=1,
    ),
    "fact.cpu.features": _machine("texts", "instructions that decide about 16-bit arithmetic"),
    "fact.memory.total_bytes": _machine(
        "int",
        "memory that this process may use: the machine's, or the cgroup's limit",
        unit="bytes",
        at_least=1,
    ),
    "fact.gpu.vendor": _machine("text", "who made the cards", one_of=("nvidia", "amd", "apple")),
    "fact.gpu.name": _machine("text", "name of the first card"),
    "fact.gpu.count": _machine("int", "cards that this process may use", unit="GPUs"),
    "fact.gpu.memory_bytes": _machine("int", "total memory of the smallest card", unit="bytes"),
    "fact.gpu.capability": _machine("ints", "CUDA compute capability, as [major, minor]"),
    "fact.gpu.arch": _machine("text", "what kernels are compiled for: sm_80, gfx90a"),
    "fact.gpu.driver": _machine("text", "version of the driver"),
    "fact.gpu.mig": _machine("bool", "whether the card is a slice of a bigger one"),
    "fact.gpu.unified": _machine("bool", "whether the card shares its memory with the CPU"),
    "fact.torch.version": _machine("text", "version of torch, without the build tag"),
    "fact.torch.backend": _machine(
        "text",
        "what the installed torch was built for",
        one_of=("cuda", "rocm", "mps", "cpu"),
    ),
    "fact.torch.arch_list": _machine("texts", "cards that the installed torch has kernels for"),
    "fact.torch.accelerator": _machine(
        "text",
        "where a kernel really ran; none where no card can be used",
        one_of=("cuda", "rocm", "mps"),
    ),
    "fact.transformers.version": _machine("text", "version of transformers"),
    "fact.canary.bfloat16": _machine(
        "text",
        "a small training step in bfloat16 against float32",
        one_of=_CANARY,
    ),
    "fact.canary.float16": _machine(
        "text",
        "a small training step in float16 against float32",
        one_of=_CANARY,
    ),
    "fact.env.*": _machine("text", "whether this environment variable is set", one_of=("set",)),
    "fact.disk.places": _machine("texts", "scratch folders that exist and can be written"),
    "fact.disk.free_gib": _machine("counts", "free space of each place", unit="GiB"),
    "fact.scheduler.kind": _machine(
        "text",
        "who started this job",
        one_of=("slurm", "pbs", "sge", "lsf", "kubernetes"),
    ),
    "fact.scheduler.login_node": _machine(
        "text",
        "the scheduler that this machine submits to, outside of any job",
        one_of=("slurm", "pbs", "sge", "lsf", "kubernetes"),
    ),
    "fact.scheduler.nodes": _machine("int", "nodes of this job", unit="nodes"),
    "fact.scheduler.gpus_per_node": _machine("int", "GPUs of this job on one node", unit="GPUs"),
    "fact.scheduler.cpus": _machine("int", "cores of this job on one node", unit="cores"),
    "fact.scheduler.memory_bytes": _machine(
        "int", "host memory of this job on one node", unit="bytes"
    ),
    "fact.scheduler.walltime_s": _machine("int", "time limit of this job", unit="seconds"),
    "fact.scheduler.partition": _machine("text", "partition or queue of this job"),
    "fact.trial.overhead": _machine(
        "counts",
        "what a process takes beside tensors: device_bytes, and allocator_percent of the tensors",
    ),
    "fact.trial.memory": _machine(
        "curve", "tensors at the peak of a training step, as [rows at once, bytes]"
    ),
    "fact.trial.memory_checkpointed": _machine(
        "curve", "the same, where activations are computed again in the backward pass"
    ),
    "fact.memory.batch_table": _machine(
        "table",
        "rows per micro-batch from this much memory on, as [bytes, rows]",
    ),
}

_MODEL = {
    "digest": _experiment("text", "what the {role} is: SHA-256 over weights, config and tokenizer"),
    "revision": _experiment("text", "commit of the {role} on the hub"),
    "kv_layout": _experiment("text", "key-value cache of the {role}: layers x heads x head width"),
    "parameters": _experiment("int", "weights of the {role}", unit="parameters", at_least=1),
    "tokenizer": _experiment("text", "SHA-256 of the tokenizer of the {role}"),
    "vocab_size": _experiment("int", "rows of the embedding of the {role}", unit="tokens"),
    "max_length": _experiment("int", "longest text that the {role} was made for", unit="tokens"),
    "architecture": _experiment("text", "family of the {role}, as its config names it"),
}

_DATA = {
    "fact.data.digest": _experiment(
        "text", "what the data is: SHA-256 over the rows of both splits"
    ),
    "fact.data.revision": _experiment("text", "commit of the data set on the hub"),
    "fact.data.rows": _experiment("int", "rows to train on", unit="rows"),
    "fact.data.eval_rows": _experiment("int", "held-out rows", unit="rows"),
    "fact.data.columns": _experiment("texts", "columns that every row has"),
    "fact.data.token_lengths": _experiment(
        "counts",
        "quantiles of the length of a row in the student's tokens",
        unit="tokens",
    ),
    "fact.data.prompt_lengths": _experiment(
        "counts",
        "quantiles of the length of a prompt in the student's tokens",
        unit="tokens",
    ),
    "fact.data.question_lengths": _experiment(
        "counts",
        "of held-out rows, in the student's tokens: the shortest and longest prompt, quantiles of answers",
        unit="tokens",
    ),
    "fact.data.empty_rows": _experiment("texts", "where rows stand that ask or teach nothing"),
    "fact.data.marked_answers": _experiment(
        "counts",
        "held-out answers with the mark of eval.answer_after, and how many of the first have it",
        unit="rows",
    ),
}


def _all() -> Iterator[tuple[str, FactKind]]:
    yield from _MACHINE.items()
    for role in ("teacher", "student"):
        for name, kind in _MODEL.items():
            meaning = kind.meaning.format(role=role)
            yield f"fact.{role}.{name}", replace(kind, meaning=meaning)
    yield from _DATA.items()


FACTS: Mapping[str, FactKind] = MappingProxyType(dict(_all()))
"""Every known fact by name; `fact.env.*` stands for one fact per environment variable."""
