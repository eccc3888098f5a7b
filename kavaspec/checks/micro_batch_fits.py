"""The rows of a micro-batch fit in memory, as far as anybody knows."""

from __future__ import annotations

from kavaspec.checks.check import AtLeast, Check, Selects, Travels, warning
from kavaspec.errors import Problem
from kavaspec.resident import which_memory
from kavaspec.rules.old.micro_batch_1 import Table, rows_that_fit


def micro_batch_fits(
    micro_batch: int,
    device: str,
    max_length: int,
    parameters: int,
    gpu_memory: int | None,
    unified: bool | None,
    host_memory: int | None,
    table: Table,
) -> Problem | None:
    """A number written by hand may know better than the table, so this is a word, not a refusal."""
    fact, memory = which_memory(device, gpu_memory, unified, host_memory)
    if memory is None:
        return None
    fits = rows_that_fit(table, memory, max_length, parameters)
    if micro_batch <= fits:
        return None
    return warning(
        f"train.micro_batch is {micro_batch}, but by the original's table {fits} x {max_length} "
        f"tokens fit in {memory / 2**30:.1f} GiB ({fact})",
        key="train.micro_batch",
        hint='train.micro_batch = "auto", or try it: kavaspec run --smoke 3',
    )


CHECK = Check(
    name="micro_batch_fits",
    code="KV0731",
    inputs={
        "micro_batch": "train.micro_batch",
        "device": "train.device",
        "max_length": "data.max_length",
        "parameters": "fact.student.parameters",
        "gpu_memory": "fact.gpu.memory_bytes",
        "unified": "fact.gpu.unified",
        "host_memory": "fact.memory.total_bytes",
        "table": "fact.memory.batch_table",
    },
    veto=micro_batch_fits,
    judges="train.micro_batch",
    depends={
        "gpu_memory": AtLeast(),
        "unified": Selects(values=(True, False, None)),
        "host_memory": AtLeast(),
        "table": Travels(),
    },
    until=4,
)
