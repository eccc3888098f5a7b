"""What `kavaspec run` shows while it trains: a progress bar, plain lines, or JSON lines."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Protocol, Self, TextIO

from kavaspec.cli.app import Shell
from kavaspec.cli.pipe import say
from kavaspec.events import (
    Checkpoint,
    Deviation,
    End,
    Eval,
    Event,
    Log,
    Rehearsal,
    Resume,
    Run,
    Step,
    to_line,
)
from kavaspec.plain import counted

if TYPE_CHECKING:
    from rich.progress import Progress

PLAIN_INTERVAL_S = 5.0


class Follower(Protocol):
    """Shows events as they come. A context manager, so that the terminal is left as it was."""

    def tell(self, event: Event) -> None: ...
    def __enter__(self) -> Any: ...
    def __exit__(self, *_: object) -> None: ...


def follower(at: Shell) -> Follower:
    """A bar on a terminal, lines elsewhere."""
    return Bar() if at.out.stream.isatty() and at.env.get("TERM") != "dumb" else Lines(at.out.line)


class JsonLines:
    """Every event as the line that `events.jsonl` gets."""

    def __init__(self, stream: TextIO) -> None:
        self.stream, self.seq = stream, 0

    def tell(self, event: Event) -> None:
        say(self.stream, to_line(event, seq=self.seq, t=time.time()))
        self.seq += 1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


class Lines:
    """One line every few seconds, and one for everything that happens rarely."""

    def __init__(self, write: Any) -> None:
        self.write, self.total, self.last_s, self.pace = write, 0, 0.0, Pace()

    def tell(self, event: Event) -> None:
        if isinstance(event, Run):
            self.total = event.total_steps
            self.pace.begin(event.first_step)
        if isinstance(event, Step):
            self._step(event)
        elif (text := sentence(event)) is not None:
            self.write(text)

    def _step(self, event: Step) -> None:
        self.pace.step(event.step)
        now = time.monotonic()
        if now - self.last_s < PLAIN_INTERVAL_S and event.step < self.total:
            return
        self.last_s = now
        shown = " | ".join(f"{name} {value}" for name, value in numbers(event).items())
        left = self.pace.left(self.total)
        self.write(f"step {event.step}/{self.total} | {shown} | {left} left")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


class Bar:
    """A progress bar with loss, cosine, tokens per second, memory and time left."""

    def __init__(self) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        self.pace, self.total = Pace(), 0
        self.progress: Progress = Progress(
            TextColumn("training"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("{task.fields[shown]}"),
            TextColumn("{task.fields[left]} left"),
            refresh_per_second=4,
            expand=True,
        )
        self.task = self.progress.add_task("", total=None, shown="", left="?")

    def tell(self, event: Event) -> None:
        if isinstance(event, Run):
            self.total = event.total_steps
            self.pace.begin(event.first_step)
            self.progress.update(self.task, total=self.total, completed=event.first_step)
        if isinstance(event, Step):
            self.pace.step(event.step)
            shown = " ".join(f"{name} {value}" for name, value in numbers(event).items())
            left = self.pace.left(self.total)
            self.progress.update(self.task, completed=event.step, shown=shown, left=left)
        elif (text := sentence(event)) is not None:
            self.progress.console.print(text, markup=False, highlight=False)

    def __enter__(self) -> Self:
        self.progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.progress.stop()


class Pace:
    """Time left, from the pace since this attempt began, without its first steps."""

    def __init__(self) -> None:
        self.first_step, self.first_s, self.step_now = 0, 0.0, 0

    def begin(self, step: int) -> None:
        self.first_step, self.first_s, self.step_now = step, 0.0, step

    def step(self, step: int) -> None:
        self.step_now = step
        if not self.first_s:
            self.first_step, self.first_s = step, time.monotonic()

    def left(self, total: int) -> str:
        done = self.step_now - self.first_step
        if done < 1:
            return "?"
        seconds = int((time.monotonic() - self.first_s) / done * (total - self.step_now))
        return duration(seconds)


def duration(seconds: int) -> str:
    """`2h10m`, `3m05s`, `12s`."""
    if seconds >= 3600:
        return f"{seconds // 3600}h{seconds % 3600 // 60:02}m"
    return f"{seconds // 60}m{seconds % 60:02}s" if seconds >= 60 else f"{seconds}s"


def numbers(event: Step) -> dict[str, str]:
    """The numbers of a step that one watches."""
    metrics = event.metrics
    shown = {"loss": f"{metrics['loss']:.4f}"} if "loss" in metrics else {}
    if "cosine" in metrics:
        shown["cosine"] = f"{metrics['cosine']:.3f}"
    if "tokens_per_s" in metrics:
        shown["tok/s"] = f"{metrics['tokens_per_s']:.0f}"
    if "memory_bytes" in metrics:
        shown["memory"] = f"{metrics['memory_bytes'] / 2**20:.0f} MiB"
    return shown


def sentence(event: Event) -> str | None:
    """An event that is worth a line of its own, in words."""
    match event:
        case Run():
            return f"run {event.name} on {event.device}: {counted(event.total_steps, 'step')} of {counted(event.global_batch, 'row')}"
        case Rehearsal():
            peak = event.peak_bytes / 2**20
            return (
                f"rehearsal: one step of {event.micro_batch} x {event.length} tokens peaked at "
                f"{peak:.0f} MiB in {event.seconds:.1f} s"
            )
        case Checkpoint():
            size = event.bytes / 2**20
            return f"checkpoint {event.path} ({size:.1f} MiB in {event.seconds:.2f} s)"
        case Resume():
            return f"resume verified: {event.proof}; going on from step {event.step} ({event.path})"
        case Deviation():
            return f"deviation: {event.key} {event.was} -> {event.now} from step {event.step} on: {event.because}"
        case Eval():
            shown = ", ".join(f"{name} {value:.4f}" for name, value in event.metrics.items())
            return f"held out after step {event.step}: {shown}"
        case Log():
            return event.message if event.level == "info" else f"{event.level}: {event.message}"
        case End() if event.status == "failed":
            return f"failed: {event.reason}"
        case _:
            return None
