"""A step of so many rows fits in memory, by what was tried; by the original's table where nothing was."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from kavaspec.batch import MOST_ROWS
from kavaspec.checks.check import AtLeast, Check, Selects, Travels, error, warning
from kavaspec.checks.micro_batch_fits import micro_batch_fits
from kavaspec.errors import Problem
from kavaspec.fitting import Curve, Device, Pairs, device_of
from kavaspec.rules.micro_batch import SMALLER
from kavaspec.rules.old.micro_batch_1 import Table
from kavaspec.sizes import in_gib

MAY_NOT_FIT = "KV0731"


def step_fits(
    micro_batch: int,
    checkpointing: bool,
    device: str,
    max_length: int,
    parameters: int | None,
    gpu_memory: int | None,
    unified: bool | None,
    host_memory: int | None,
    overhead: Mapping[str, int] | None,
    plain: Pairs | None,
    again: Pairs | None,
    table: Table | None,
) -> Problem | None:
    """What tensors alone exceed is refused. What rests on assumptions besides is only said."""
    there = device_of(device, gpu_memory, unified, host_memory, overhead)
    if there is None:
        return None
    pairs = again if checkpointing else plain
    if pairs is None:
        if parameters is None or table is None:
            return None
        said = micro_batch_fits(
            micro_batch=micro_batch,
            device=device,
            max_length=max_length,
            parameters=parameters,
            gpu_memory=gpu_memory,
            unified=unified,
            host_memory=host_memory,
            table=table,
        )
        return said and replace(said, code=MAY_NOT_FIT)
    curve = Curve.of(pairs)
    tensors = curve.bytes(micro_batch)
    if there.process_bytes(tensors) <= there.room_bytes:
        return None
    rows = f"{micro_batch} x {max_length} tokens"
    hint = _smaller(micro_batch, checkpointing, curve, again, there)
    memory = f"{in_gib(there.memory_bytes)} ({there.fact})"
    if tensors > there.memory_bytes:
        return error(
            f"the tensors of a step with {rows} take {in_gib(tensors)}, more than {memory}",
            key="train.micro_batch",
            hint=hint,
        )
    return warning(
        f"a step with {rows} is estimated to take {in_gib(there.process_bytes(tensors))}, "
        f"and of {memory} {in_gib(there.room_bytes)} may be taken",
        key="train.micro_batch",
        hint=f"{hint}; or try it: kavaspec run --smoke 3",
        code=MAY_NOT_FIT,
    )


def _smaller(
    micro_batch: int, checkpointing: bool, curve: Curve, again: Pairs | None, there: Device
) -> str:
    """The smallest change that fits."""

    def fitting(curve: Curve) -> int | None:
        for part in range(min(micro_batch, MOST_ROWS), 0, -1):
            if (
                micro_batch % part == 0
                and there.process_bytes(curve.bytes(part)) <= there.room_bytes
            ):
                return part
        return None

    rows = fitting(curve)
    if rows is not None:
        return f"train.micro_batch = {rows}"
    rows = fitting(Curve.of(again)) if again is not None and not checkpointing else None
    if rows is not None:
        fewer = "" if rows == micro_batch else f" and train.micro_batch = {rows}"
        return f"train.gradient_checkpointing = true{fewer}"
    return SMALLER


CHECK = Check(
    name="step_fits",
    code="KV0769",
    inputs={
        "micro_batch": "train.micro_batch",
        "checkpointing": "train.gradient_checkpointing",
        "device": "train.device",
        "max_length": "data.max_length",
        "parameters": "fact.student.parameters",
        "gpu_memory": "fact.gpu.memory_bytes",
        "unified": "fact.gpu.unified",
        "host_memory": "fact.memory.total_bytes",
        "overhead": "fact.trial.overhead",
        "plain": "fact.trial.memory",
        "again": "fact.trial.memory_checkpointed",
        "table": "fact.memory.batch_table",
    },
    veto=step_fits,
    judges="train.micro_batch",
    depends={
        "gpu_memory": AtLeast(),
        "unified": Selects(values=(True, False, None)),
        "host_memory": AtLeast(),
        "overhead": Travels(),
        "plain": Travels(),
        "again": Travels(),
        "table": Travels(),
    },
    since=4,
)
