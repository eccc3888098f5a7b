"""train.micro_batch: the largest divisor of a process's rows that fits in memory and still makes a step faster.

What so many rows take is known from the real step, tried without a device (`fact.trial.memory`). Where
nobody could try it, the table of the original scripts decides, as in version 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kavaspec.batch import divisors
from kavaspec.decision import ANYTHING, Allowed, Decision, Rejected, Rule, Term, Undecidable
from kavaspec.fitting import Curve, Device, Pairs, device_of
from kavaspec.rules.old import micro_batch_1
from kavaspec.rules.old.micro_batch_1 import Table, not_allowed, shared, unknown_memory
from kavaspec.sizes import in_gib

FULL_TOKENS = {"cpu": 2048}
"""Tokens at once from which on more of them make no step faster, by device. Of SmolLM2-135M on two cores
a row of 256 tokens took 0.75 s alone, 0.52 s of 4 at once, 0.51 s of 8 and 0.58 s of 16. An accelerator
is taken to have use for all that fits, until somebody measures it."""


def micro_batch(
    global_batch: int,
    world: int,
    device: str,
    max_length: int,
    checkpointing: bool,
    parameters: int,
    gpu_memory: int | None,
    unified: bool | None,
    host_memory: int | None,
    overhead: Mapping[str, int] | None,
    plain: Pairs | None,
    again: Pairs | None,
    table: Table,
    allowed: Allowed = ANYTHING,
) -> Decision:
    """Only divisors of `global_batch / world` are tried, so that the batch splits exactly.

    Raises:
        Undecidable: if `world` does not divide the global batch, the memory is unknown, or no
            divisor both fits and is allowed.
    """
    pairs = again if checkpointing else plain
    if pairs is None:
        return micro_batch_1.micro_batch(
            global_batch=global_batch,
            world=world,
            device=device,
            max_length=max_length,
            parameters=parameters,
            gpu_memory=gpu_memory,
            unified=unified,
            host_memory=host_memory,
            table=table,
            allowed=allowed,
        )
    share = shared(global_batch, world)
    there = device_of(device, gpu_memory, unified, host_memory, overhead)
    if there is None:
        raise unknown_memory(device, gpu_memory, unified, host_memory)
    curve, parts = Curve.of(pairs), divisors(share)
    taken = {part: there.process_bytes(curve.bytes(part)) for part in parts}
    enough = _enough(parts, device, max_length)

    def why_not(part: int) -> str | None:
        if taken[part] > there.room_bytes:
            return f"would take {in_gib(taken[part])}"
        if part > enough:
            return f"would be no faster on {device}"
        return None

    fitting = [part for part in parts if taken[part] <= there.room_bytes]
    if not fitting:
        raise too_large(taken[1], there, max_length)
    usable = [part for part in fitting if not allowed.refuses(part)]
    if not usable:
        raise not_allowed(parts, fitting, allowed)
    value = max((part for part in usable if part <= enough), default=usable[0])
    larger = [part for part in parts if part > value]
    size = f"{in_gib(taken[value])} of {in_gib(there.room_bytes)}"
    rest = "they are all there are"
    if larger:
        rest = allowed.refuses(larger[0]) or f"{larger[0]} {why_not(larger[0])}"
    return Decision(
        value=value,
        because=f"{value} x {max_length} tokens take {size}; {rest}",
        rejected=tuple(
            Rejected(value=part, because=why_not(part) or allowed.refuses(part) or "")
            for part in larger[:3]
        ),
        terms=(
            *there.terms(curve.term(value)),
            Term(
                name="the divisor of a process's rows that is taken",
                formula=f"{global_batch} // {world} // {share // value}",
                value=value,
            ),
        ),
    )


def _enough(parts: Sequence[int], device: str, max_length: int) -> int:
    """The divisor from which on more rows make no step faster."""
    full = FULL_TOKENS.get(device)
    if full is None:
        return parts[-1]
    return next((part for part in parts if part * max_length >= full), parts[-1])


def too_large(one_row: int, there: Device, max_length: int) -> Undecidable:
    """Not even one row fits, and takes so many bytes."""
    room, memory = in_gib(there.room_bytes), in_gib(there.memory_bytes)
    return Undecidable(
        f"one row of {max_length} tokens takes {in_gib(one_row)}, and of {memory} "
        f"({there.fact}) {room} may be taken",
        hint=SMALLER,
    )


SMALLER = (
    "a smaller data.max_length, model.teacher.quantization, train.lora.rank, or a larger device"
)


RULE = Rule(
    key="train.micro_batch",
    inputs={
        "global_batch": "train.global_batch",
        "world": "train.world",
        "device": "train.device",
        "max_length": "data.max_length",
        "checkpointing": "train.gradient_checkpointing",
        "parameters": "fact.student.parameters",
        "gpu_memory": "fact.gpu.memory_bytes",
        "unified": "fact.gpu.unified",
        "host_memory": "fact.memory.total_bytes",
        "overhead": "fact.trial.overhead",
        "plain": "fact.trial.memory",
        "again": "fact.trial.memory_checkpointed",
        "table": "fact.memory.batch_table",
    },
    decide=micro_batch,
    version=2,
)
