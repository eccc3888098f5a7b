"""`kavaspec calibrate`: what runs measured of a device's memory becomes a fact that the next lock uses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer

from kavaspec.calibrate import OVERHEAD, LeftOut, Measured, calibrated, measured, off
from kavaspec.cli.app import shell
from kavaspec.cli.facts import checked
from kavaspec.cli.render import print_json, table
from kavaspec.errors import Exit, KavaError, fail
from kavaspec.facts.file import put_fact, stated_facts
from kavaspec.facts.model import Fact
from kavaspec.fitting import SUPPOSED, Overhead
from kavaspec.plain import counted
from kavaspec.run_record import read_run
from kavaspec.sizes import in_bytes, in_gib


def command(
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN...", help="Run folders, or folders of them.")
    ],
    save: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Write it into facts/NAME.yaml, to be committed."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The result as JSON.")] = False,
) -> int:
    """Learn from finished runs what a device takes beside tensors."""
    at = shell()
    path = None if save is None else Path("facts") / f"{checked(save)}.yaml"
    card = None if path is None else stated_facts(path).get("fact.gpu.name")
    folders = dict.fromkeys(folder for named in runs for folder in _folders(named))
    read = [measured(read_run(folder)) for folder in folders]
    used = [run for run in read if isinstance(run, Measured)]
    left_out = [run for run in read if isinstance(run, LeftOut)]
    _refuse(used, left_out)
    if path is not None and card is not None and card.value != used[0].card:
        raise fail(
            f"{path} is of {card.value or 'a machine without a GPU'}, and these runs were "
            f"on {used[0].card or used[0].device}",
            Exit.USAGE,
            code="KV0016",
            hint="name the fact file of the machine that they ran on",
        )
    overhead = calibrated(used)
    if path is not None:
        put_fact(path, OVERHEAD, _fact(overhead, used))
    if as_json:
        print_json("kavaspec.calibrate/1", overhead=overhead, runs=used, left_out=left_out)
        return 0
    supposed = SUPPOSED[used[0].device]
    where = used[0].card or used[0].device
    at.out.line(at.out(f"{where}, by {counted(len(used), 'run')}: {_said(overhead)}", "bold"))
    at.out.line(f"without a measurement: {_said(supposed)}")
    for line in table(list(_lines(used, overhead, supposed)), at.width):
        at.out.line(line)
    for run in left_out:
        at.out.line(at.out(f"left out: {run.run}: {run.because}", "yellow"))
    if path is not None:
        at.err.line(f"wrote {OVERHEAD} into {path}")
        at.err.line("the next `kavaspec lock` decides with it")
    return 0


def _folders(named: Path) -> list[Path]:
    """A run folder, or all below; what holds none is told when it is read."""
    below = [] if (named / "run.json").exists() else sorted(named.glob("**/run.json"))
    return [path.parent for path in below] or [named]


def _refuse(used: Sequence[Measured], left_out: Sequence[LeftOut]) -> None:
    """Runs that calibrate nothing.

    Raises:
        KavaError: exit 2 when none can be used, or they ran on several kinds of device.
    """
    kinds = sorted({run.card or run.device for run in used})
    if len(kinds) == 1:
        return
    if not kinds:
        hint = "name a run that finished in one go, of a lock that was made by this kavaspec"
        said = [f"{run.run} calibrates nothing: {run.because}" for run in left_out]
        raise KavaError(
            *(fail(it, Exit.USAGE, code="KV0016", hint=hint).problems[0] for it in said)
        )
    raise fail(
        f"these runs were on {' and '.join(kinds)}",
        Exit.USAGE,
        code="KV0016",
        hint="name the runs of one of them",
    )


def _fact(overhead: Overhead, runs: Sequence[Measured]) -> Fact:
    names = ", ".join(Path(run.run).name for run in runs)
    return Fact(
        value={
            "device_bytes": overhead.device_bytes,
            "allocator_percent": overhead.allocator_percent,
        },
        how="measured",
        probe="calibrate@1",
        evidence=f"{counted(len(runs), 'run')} on {runs[0].card or runs[0].device}: {names}",
    )


def _said(overhead: Overhead) -> str:
    gaps = f"{overhead.allocator_percent} % of the tensors in gaps"
    return f"{gaps}, {in_bytes(overhead.device_bytes)} in libraries"


def _lines(
    runs: Sequence[Measured], overhead: Overhead, supposed: Overhead
) -> Iterator[tuple[str, ...]]:
    yield "run", "tensors", "process", "predicted now", "before"
    for run in runs:
        yield (
            run.run,
            in_gib(run.tensors_bytes),
            in_gib(run.process_bytes),
            f"{_percent(overhead, run):+.1f} %",
            f"{_percent(supposed, run):+.1f} %",
        )


def _percent(overhead: Overhead, run: Measured) -> float:
    return 100 * off(overhead, run) / run.process_bytes
