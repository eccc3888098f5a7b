"""`kavaspec plan`: on how many devices the same experiment can run, and how its batch splits there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Annotated

import typer

from kavaspec.cli.app import one_target, shell
from kavaspec.cli.render import print_json, table
from kavaspec.errors import Exit, fail
from kavaspec.fitting import device_with
from kavaspec.lock.file import read_lock
from kavaspec.lock.ids import ids, short
from kavaspec.lock.prove import prove
from kavaspec.plan import Split, plan
from kavaspec.sizes import in_gib

MOST = 4096
"""Processes in one plan."""


def command(
    lock: Annotated[Path, typer.Argument(help="The lock.")] = Path("kava.lock"),
    target: Annotated[str | None, typer.Option(help="Which target.")] = None,
    world: Annotated[
        str, typer.Option(help="Numbers of processes, one device each: 8, or 1..64.")
    ] = "1..64",
    as_json: Annotated[bool, typer.Option("--json", help="The plan as JSON.")] = False,
) -> int:
    """List the numbers of devices that keep the experiment, with what each of them computes."""
    at = shell()
    worlds = _range(world)
    locked = read_lock(lock)
    name = one_target(locked, target, shared=False)
    prove(locked, name)
    splits = list(plan(locked, name, worlds))
    id = ids(locked, name)
    if as_json:
        print_json("kavaspec.plan/1", lock=str(lock), target=name, kx=id.kx, splits=splits)
        return 0
    rows = locked.values(name)["train.global_batch"]
    at.out.line(
        at.out(
            f"{rows} rows a step on target {name}: experiment {short(id.kx, provisional=id.kx_provisional)} each time",
            "bold",
        )
    )
    facts = {fact: it.value for fact, it in locked.facts_of(name).items()}
    there = device_with(locked.values(name), facts)
    room = "" if there is None else f" of {in_gib(there.room_bytes)}"
    for line in table(list(_lines(splits, room)), at.width):
        at.out.line(line)
    if any(split.micro_batch and split.world > 1 for split in splits):
        at.out.line(
            at.out("this version trains with train.world = 1; memory is that of a replica", "dim")
        )
    return 0


def _lines(splits: Sequence[Split], room: str) -> Iterator[tuple[str, str, str, str]]:
    """A line for each number that can be; neighbours that cannot share theirs."""
    yield "world", "micro_batch", "accumulation", "memory of each process"
    for possible, run in groupby(splits, key=lambda split: (not split.why_not, split.instead)):
        group = list(run)
        if possible[0]:
            for split in group:
                memory = "nobody tried a step"
                if split.process_bytes is not None:
                    memory = f"{in_gib(split.process_bytes)}{room}"
                yield str(split.world), str(split.micro_batch), str(split.accumulation), memory
        elif len(group) == 1 or not group[0].instead:
            for split in group:
                yield str(split.world), "-", "-", f"{split.why_not}{_nearest(split)}"
        else:
            first, last = group[0], group[-1]
            yield f"{first.world}..{last.world}", "-", "-", f"none of them{_nearest(first)}"


def _nearest(split: Split) -> str:
    return f"; the nearest: {' or '.join(map(str, split.instead))}" if split.instead else ""


def _range(text: str) -> range:
    """`8` or `1..64`.

    Raises:
        KavaError: exit 2 for anything else.
    """
    match = re.fullmatch(r"([1-9]\d{0,3})(?:\.\.([1-9]\d{0,3}))?", text.strip())
    first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
    if not first <= last <= MOST:
        raise fail(
            f"--world {text}: expected a number from 1 to {MOST}, or a range such as 1..64",
            Exit.USAGE,
            code="KV0014",
            hint="kavaspec plan --world 1..64",
        )
    return range(first, last + 1)
