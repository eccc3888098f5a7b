"""How one experiment splits over other numbers of processes: the same global batch, the same claim."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from kavaspec.batch import divisors, nearest
from kavaspec.decision import Decision
from kavaspec.explain import rule_of
from kavaspec.fitting import predicted
from kavaspec.lock.model import Lock
from kavaspec.plain import Plain
from kavaspec.tipping import decide_again

MICRO_BATCH = "train.micro_batch"


@dataclass(frozen=True, kw_only=True, slots=True)
class Split:
    """What one number of processes comes to."""

    world: int
    micro_batch: int | None
    """None where the batch cannot be split so, or nothing fits."""
    accumulation: int | None
    process_bytes: int | None
    """Of each process, as predicted; None where nobody tried a step."""
    why_not: str
    """Empty where it can be."""
    instead: tuple[int, ...]
    """The nearest numbers of processes that can be, where this one cannot."""


def plan(lock: Lock, target: str, worlds: Iterable[int]) -> Iterator[Split]:
    """Each number of processes on a target, with one device each. Pure.

    The number of processes is no part of the experiment: what can be split at all keeps its id.
    """
    values = lock.values(target)
    rows = int(str(values["train.global_batch"]))
    facts = {name: fact.value for name, fact in lock.facts_of(target).items()}
    for world in worlds:
        if rows % world:
            yield _not(world, f"{rows} rows cannot be shared by {world}", rows)
            continue
        micro_batch = _micro_batch(lock, target, world)
        if isinstance(micro_batch, str):
            yield _not(world, micro_batch, rows, instead=False)
        elif rows % (world * micro_batch):
            share = rows // world
            why_not = f"{share} rows each are no multiple of train.micro_batch = {micro_batch}"
            yield _not(world, why_not, rows // micro_batch)
        else:
            step = predicted({**values, MICRO_BATCH: micro_batch}, facts)
            yield Split(
                world=world,
                micro_batch=micro_batch,
                accumulation=rows // (world * micro_batch),
                process_bytes=None if step is None else step.process_bytes,
                why_not="",
                instead=(),
            )


def _not(world: int, why_not: str, shares: int, *, instead: bool = True) -> Split:
    """Where it cannot be, with the nearest numbers that divide `shares`."""
    others = [part for part in divisors(shares) if part != world]
    return Split(
        world=world,
        micro_batch=None,
        accumulation=None,
        process_bytes=None,
        why_not=why_not,
        instead=nearest(others, world) if instead else (),
    )


def _micro_batch(lock: Lock, target: str, world: int) -> int | str:
    """Rows at once with so many processes, or why there is no such number; what a person wrote stays."""
    block = lock.blocks(target)[MICRO_BATCH]
    rule = rule_of(MICRO_BATCH, block.by)
    if rule is None:
        return int(str(block.value))
    inputs: dict[str, Plain] = {**block.inputs, "train.world": world}
    decided = decide_again(rule, inputs)
    if isinstance(decided, Decision):
        return int(str(decided.value))
    return decided.because
