"""micro_batch@1: the largest divisor of a process's rows that fits by the original scripts' table.

The table says how many rows of 512 tokens a memory holds beside a student of 494,032,768 parameters (and
a frozen teacher three times as big). Rows are taken to cost in proportion to length and parameters.
It is what decides as long as nobody has tried what a step takes.
"""

from __future__ import annotations

from collections.abc import Sequence

from kavaspec.batch import divisors, nearest
from kavaspec.decision import ANYTHING, Allowed, Decision, Rejected, Rule, Term, Undecidable
from kavaspec.resident import which_memory

TABLE_LENGTH = 512
TABLE_PARAMETERS = 494_032_768

Table = Sequence[Sequence[int]]
"""Pairs of memory in bytes and rows that fit from there on; below all of them, one row."""


def micro_batch(
    global_batch: int,
    world: int,
    device: str,
    max_length: int,
    parameters: int,
    gpu_memory: int | None,
    unified: bool | None,
    host_memory: int | None,
    table: Table,
    allowed: Allowed = ANYTHING,
) -> Decision:
    """Only divisors of `global_batch / world` are tried, so that the batch splits exactly.

    Raises:
        Undecidable: if `world` does not divide the global batch, the memory is unknown, or no
            divisor both fits and is allowed.
    """
    share = shared(global_batch, world)
    _, memory = which_memory(device, gpu_memory, unified, host_memory)
    if memory is None:
        raise unknown_memory(device, gpu_memory, unified, host_memory)
    given = _rows(table, memory)
    fits = rows_that_fit(table, memory, max_length, parameters)
    value = _largest(share, fits, allowed)
    return Decision(
        value=value,
        because=_because(value, share, fits, memory, max_length),
        rejected=_rejected(value, share, fits, allowed),
        terms=_terms(given, fits, max_length, parameters, global_batch, world, value),
    )


def shared(global_batch: int, world: int) -> int:
    """Rows of one process.

    Raises:
        Undecidable: if not every process gets the same number of them.
    """
    if global_batch % world:
        raise Undecidable(
            f"a global batch of {global_batch} cannot be shared by {world} processes",
            hint=_worlds(global_batch, world),
        )
    return global_batch // world


def unknown_memory(
    device: str, gpu_memory: int | None, unified: bool | None, host_memory: int | None
) -> Undecidable:
    """Nobody knows how much memory the device has."""
    fact, _ = which_memory(device, gpu_memory, unified, host_memory)
    return Undecidable(
        f"{fact} is not known, so nothing says what fits",
        hint="write train.micro_batch as a number",
        missing=True,
    )


def rows_that_fit(table: Table, memory_bytes: int, max_length: int, parameters: int) -> int:
    """Rows of `max_length` tokens, by the table; at least one."""
    return _scaled(_rows(table, memory_bytes), max_length, parameters)


def _rows(table: Table, memory: int) -> int:
    return max((floor, rows) for floor, rows in (*table, (0, 1)) if memory >= floor)[1]


def _scaled(rows: int, max_length: int, parameters: int) -> int:
    return max(1, rows * TABLE_LENGTH * TABLE_PARAMETERS // (max_length * parameters))


def _largest(share: int, fits: int, allowed: Allowed) -> int:
    usable = [part for part in divisors(share) if part <= fits and not allowed.refuses(part)]
    if usable:
        return usable[-1]
    raise not_allowed(divisors(share), [part for part in divisors(share) if part <= fits], allowed)


def not_allowed(parts: Sequence[int], fitting: Sequence[int], allowed: Allowed) -> Undecidable:
    """None of the parts that fit is allowed."""
    permitted = [part for part in parts if not allowed.refuses(part)]
    spec = f"the spec allows {_list(permitted)}" if permitted else "the spec allows none of them"
    share = parts[-1]
    return Undecidable(
        f"of the divisors of {share} rows, {_list(fitting)} fit in memory and {spec}",
        hint=f"allow train.micro_batch = {fitting[-1]}, or write the number that you know to fit",
        possible=fitting[::-1],
        why=f"the divisors of {share} rows that fit in memory",
    )


def _because(value: int, share: int, fits: int, memory: int, max_length: int) -> str:
    here = f"{fits} x {max_length} tokens fit in {memory / 2**30:.1f} GiB by the original's table"
    return f"{here}; all {share} fit" if value == share else f"{here}; {value} divides {share}"


def _rejected(value: int, share: int, fits: int, allowed: Allowed) -> tuple[Rejected, ...]:
    larger = [part for part in divisors(share) if part > value]
    return tuple(
        Rejected(
            value=part,
            because=f"only {fits} fit" if part > fits else allowed.refuses(part) or "",
        )
        for part in larger[:3]
    )


def _terms(
    given: int,
    fits: int,
    max_length: int,
    parameters: int,
    global_batch: int,
    world: int,
    value: int,
) -> tuple[Term, ...]:
    share = global_batch // world
    scaled = f"{given} * {TABLE_LENGTH} * {TABLE_PARAMETERS} // ({max_length} * {parameters})"
    return (
        Term(name=f"rows of {max_length} tokens that fit", formula=f"max(1, {scaled})", value=fits),
        Term(name="rows of one process", formula=f"{global_batch} // {world}", value=share),
        Term(
            name="the largest divisor that fits",
            formula=f"{share} // {share // value}",
            value=value,
        ),
    )


def _list(values: Sequence[int]) -> str:
    shown = [str(value) for value in values]
    return ", ".join(shown if len(shown) <= 8 else [*shown[:3], "...", *shown[-3:]])


def _worlds(global_batch: int, world: int) -> str:
    return "train.world = " + " or ".join(map(str, nearest(divisors(global_batch), world)))


RULE = Rule(
    key="train.micro_batch",
    inputs={
        "global_batch": "train.global_batch",
        "world": "train.world",
        "device": "train.device",
        "max_length": "data.max_length",
        "parameters": "fact.student.parameters",
        "gpu_memory": "fact.gpu.memory_bytes",
        "unified": "fact.gpu.unified",
        "host_memory": "fact.memory.total_bytes",
        "table": "fact.memory.batch_table",
    },
    decide=micro_batch,
)
