"""train.gradient_checkpointing: off; on where not even one row fits with its activations kept.

Computing activations again takes about a third more time, so it is the last resort, taken together with
the smallest micro-batch. The keys and values are the same bits either way.
"""

from __future__ import annotations

from collections.abc import Mapping

from kavaspec.choice import Candidate, choose
from kavaspec.decision import ANYTHING, Allowed, Decision, Rule
from kavaspec.fitting import Curve, Pairs, device_of
from kavaspec.rules.old import gradient_checkpointing_1
from kavaspec.sizes import in_gib


def gradient_checkpointing(
    device: str,
    max_length: int,
    gpu_memory: int | None,
    unified: bool | None,
    host_memory: int | None,
    overhead: Mapping[str, int] | None,
    plain: Pairs | None,
    again: Pairs | None,
    allowed: Allowed = ANYTHING,
) -> Decision:
    """On only where one row fits with it and does not without it.

    Raises:
        Undecidable: if the spec allows neither.
    """
    there = device_of(device, gpu_memory, unified, host_memory, overhead)
    if there is None or plain is None or again is None:
        return gradient_checkpointing_1.gradient_checkpointing(allowed)
    kept, twice = (Curve.of(pairs) for pairs in (plain, again))
    sizes = [there.process_bytes(curve.bytes(1)) for curve in (kept, twice)]
    said = f"a row of {max_length} tokens takes"
    room = in_gib(there.room_bytes)
    off = Candidate(
        value=False,
        because=f"{said} {in_gib(sizes[0])} of {room} with its activations kept",
        otherwise=f"{said} {in_gib(sizes[0])}",
        terms=there.terms(kept.term(1)),
    )
    on = Candidate(
        value=True,
        because=f"{said} {in_gib(sizes[0])} otherwise, {in_gib(sizes[1])} with it; {room} may be taken",
        otherwise="computes every activation twice"
        + ("" if sizes[0] <= there.room_bytes else f", and takes {in_gib(sizes[1])} all the same"),
        terms=there.terms(twice.term(1)),
    )
    saves = sizes[0] > there.room_bytes >= sizes[1]
    return choose((on, off) if saves else (off, on), allowed)


RULE = Rule(
    key="train.gradient_checkpointing",
    inputs={
        "device": "train.device",
        "max_length": "data.max_length",
        "gpu_memory": "fact.gpu.memory_bytes",
        "unified": "fact.gpu.unified",
        "host_memory": "fact.memory.total_bytes",
        "overhead": "fact.trial.overhead",
        "plain": "fact.trial.memory",
        "again": "fact.trial.memory_checkpointed",
    },
    decide=gradient_checkpointing,
    version=2,
)
