"""A run, from a lock to a trained student.

    claim the folder -> build -> (rehearse, undone | resume) -> step, step, ... -> evaluate -> export -> receipt

Nothing is decided here: every number comes from the lock, every path from preflight.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace

import torch
from safetensors import SafetensorError

from kavaspec.errors import Exit, KavaError, fail
from kavaspec.events import (
    Checkpoint,
    Deviation,
    End,
    Eval,
    Event,
    Log,
    Metric,
    Resume,
    Run,
    Step,
)
from kavaspec.lock.model import Here, Lock
from kavaspec.seals import START
from kavaspec_runtime import checkpoint, digests
from kavaspec_runtime.build import Built, Plan, build, plan_of
from kavaspec_runtime.card import card
from kavaspec_runtime.data import GlobalBatch
from kavaspec_runtime.device import computing, device_of, synchronize, title
from kavaspec_runtime.evaluate import exact_match, held_out
from kavaspec_runtime.export import export
from kavaspec_runtime.folder import Folder, claimed
from kavaspec_runtime.memory import (
    forget_peak,
    give_back,
    no_memory,
    peak_bytes,
    process_peak_bytes,
)
from kavaspec_runtime.optimizer import moments, set_moments, trainable
from kavaspec_runtime.proof import Proof, look_ahead, prove
from kavaspec_runtime.receipt import Outcome, write_receipt
from kavaspec_runtime.rehearsal import rehearse
from kavaspec_runtime.settings import Settings
from kavaspec_runtime.step import Done, NoMemoryError, NotFiniteError, Trainer, take_step

METRICS = (
    Metric(name="loss", better="down"),
    Metric(name="ce", unit="nats", better="down"),
    Metric(name="kv", better="down"),
    Metric(name="cosine", better="up"),
    Metric(name="learning_rate"),
    Metric(name="grad_norm"),
    Metric(name="step_ms", unit="ms", better="down"),
    Metric(name="tokens_per_s", unit="tokens/s", better="up"),
    Metric(name="memory_bytes", unit="bytes", better="down"),
)

MOST_SPLITS = 2
"""Of the locked micro-batch. A lock that is so far from what fits has to be made anew."""

Emit = Callable[[Event], None]
Stop = Callable[[], str | None]


def run(lock: Lock, here: Here, emit: Emit, stop: Stop) -> End:
    """Train what `lock` says, on `here.target`, in `here.run_folder`.

    `emit` is given every event. `stop` is asked after each optimizer step; a reason means: save and
    leave. The last event is the returned `End`; its status is `failed` for a loss that is not a
    number.

    Raises:
        KavaError: before the first event when the folder is refused (8); after an `End` with status
            `failed` for anything else that a user can mend.
    """
    settings = Settings.of(lock, here.target)
    plan = plan_of(settings, here)
    device = device_of(plan.device_name, here.device_index)
    with (
        claimed(here) as folder,
        computing(threads=plan.threads, reproducibility=plan.reproducibility, device=device),
    ):
        attempt = Attempt(
            lock=lock,
            here=here,
            settings=settings,
            plan=plan,
            folder=folder,
            emit=emit,
            device=device,
        )
        return attempt.ended(stop)


@dataclass(slots=True)
class Progress:
    """How far a run is."""

    step: int
    """Optimizer steps done."""
    tokens: int
    """Non-padding tokens that the student has read."""
    saved_step: int | None
    """Of the newest checkpoint."""
    micro_batch: int
    """Rows computed at once: the locked number, or fewer after memory ran out."""
    deviations: list[Deviation]
    """What the steps so far did otherwise than locked, of all attempts."""
    rehearsed_bytes: int | None
    """Peak of the rehearsal, if there was one: the first attempt with these numerics does it for all."""
    process_bytes: int
    """Most that this attempt's process took before it began to train."""
    seal: str
    """Of the last line of `digest.jsonl`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Attempt:
    """One process's work on a run."""

    lock: Lock
    here: Here
    settings: Settings
    plan: Plan
    folder: Folder
    emit: Emit
    device: torch.device

    def ended(self, stop: Stop) -> End:
        """Do the work; whatever happens, the last event is an `End`."""
        at = Progress(
            step=0,
            tokens=0,
            saved_step=None,
            micro_batch=self.plan.micro_batch,
            deviations=[],
            rehearsed_bytes=None,
            process_bytes=0,
            seal=START,
        )
        try:
            end = self.worked(stop, at)
        except NotFiniteError as error:
            end = self._end("failed", self._not_finite(error, at), at, {})
        except (OSError, SafetensorError) as error:
            problem = self._not_written(error, at)
            self._say_end(self._end("failed", str(problem), at, {}))
            raise problem from error
        except BaseException as error:
            # everything, also Ctrl-C: whoever follows the events must learn that this is over
            status = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
            self._say_end(self._end(status, _reason(error), at, {}))
            raise
        self._say_end(end)
        return end

    def worked(self, stop: Stop, at: Progress) -> End:
        """The story of a run."""
        found, skipped = checkpoint.newest(self.folder.checkpoints)
        at.step = 0 if found is None else found.step
        self._say_run(at)
        for one in skipped:
            self._warn(f"checkpoint {one.path.name} is skipped: {one.because}")
        state = None if found is None else self.state_in(found)
        built = build(self.settings, self.here, self._tell)
        if self.here.rehearse and (state is None or state.kn != self.here.kn):
            at.rehearsed_bytes = self.rehearsed(built)
        if found is not None and state is not None:
            self.resume(built, found, state, at)
        at.seal = digests.cut(self.folder.digests, at.step)
        at.process_bytes = process_peak_bytes(self.device)
        forget_peak(self.device)
        reason = self.train(built, stop, at)
        if reason is not None:
            return self._end("interrupted", reason, at, {})
        return self.finish(built, stop, at)

    # ---- before training

    def rehearsed(self, built: Built) -> int:
        """Confirm the micro-batch with one step that is undone; the peak in bytes."""
        told = rehearse(built, self.plan, self.device)
        self.emit(told)
        return told.peak_bytes

    def state_in(self, found: checkpoint.Saved) -> checkpoint.State:
        """What a checkpoint says, if it is of this experiment."""
        state = checkpoint.state_in(found.path)
        if state.kx != self.here.kx:
            raise fail(
                f"checkpoint {found.path.name} is of another experiment: {state.kx}, this lock is {self.here.kx}",
                Exit.ENVIRONMENT,
                code="KV0806",
                hint="start with `--run NAME`",
            )
        return state

    def resume(
        self, built: Built, found: checkpoint.Saved, state: checkpoint.State, at: Progress
    ) -> None:
        """Put the saved state into the new objects, and prove it before anything is trained.

        Under the same numerics it goes on as it was, in smaller micro-batches if memory had run out;
        under others (`--allow numerics`) as they say, and no bits are promised.
        """
        restore(built.trainer, checkpoint.tensors_in(found.path), state)
        at.step, at.tokens, at.saved_step = state.step, state.tokens, state.step
        at.deviations = [Deviation(**told) for told in state.deviations]
        saved_micro_batch = state.micro_batch or self.plan.micro_batch
        same = state.kn == self.here.kn
        if same:
            at.micro_batch, at.rehearsed_bytes = saved_micro_batch, state.rehearsed_bytes
        promised = same and self.plan.reproducibility == "bitwise"
        now = self.ahead(built, at.step, saved_micro_batch)
        proof = prove(state, now, bits_promised=promised)
        path = found.path.relative_to(self.folder.path).as_posix()
        self.emit(Resume(step=state.step, path=path, proof=proof))

    # ---- training

    def train(self, built: Built, stop: Stop, at: Progress) -> str | None:
        """All steps that are left; the reason when asked to stop before the last."""
        while at.step < self.plan.last_step:
            self.step(built, at)
            last = at.step == self.plan.last_step
            if self.plan.eval_every and at.step % self.plan.eval_every == 0 and not last:
                numbers = held_out(built.trainer.models, built.trainer.objective, built.exam)
                self.emit(Eval(step=at.step, metrics=numbers))
            reason = None if last else stop()
            if last or reason is not None or at.step % self.plan.checkpoint_every == 0:
                self.save(built, at)
            if reason is not None:
                return reason
        return None

    def step(self, built: Built, at: Progress) -> None:
        started_s = time.perf_counter()
        done, batch = self.taken(built, at)
        synchronize(self.device)
        seconds = time.perf_counter() - started_s
        at.step += 1
        at.tokens += batch.totals.tokens
        at.seal = digests.append(
            self.folder.digests, self._digest(built, batch, done, at.step), at.seal
        )
        if at.step % self.plan.log_every == 0 or at.step == self.plan.last_step:
            self._say_step(done, batch, seconds, at)

    def taken(self, built: Built, at: Progress) -> tuple[Done, GlobalBatch]:
        """The next step; in smaller pieces from here on, if memory ran out and the lock allows it."""
        while True:
            batch = replace(built.feed, micro_batch=at.micro_batch).global_batch(at.step)
            try:
                return take_step(built.trainer, at.step, batch), batch
            except NoMemoryError as error:
                if not (error.redoable and self.may_split(at)):
                    raise no_memory(
                        f"in step {at.step + 1}", at.micro_batch, self.device, Exit.FAILED
                    ) from error
            self.split(built, at)  # outside of `except`: its traceback no longer holds the tensors

    def may_split(self, at: Progress) -> bool:
        return self.plan.on_oom == "split" and at.micro_batch in splittable(self.plan.micro_batch)

    def split(self, built: Built, at: Progress) -> None:
        """The same global batch in smaller micro-batches: the same gradient, in other bits."""
        was = at.micro_batch
        at.micro_batch = largest_part(was)
        built.trainer.optimizer.zero_grad(set_to_none=True)
        give_back(self.device)
        told = Deviation(
            step=at.step + 1,
            key="train.micro_batch",
            was=was,
            now=at.micro_batch,
            because='memory ran out, and train.on_oom = "split"',
        )
        at.deviations.append(told)
        self.emit(told)

    def save(self, built: Built, at: Progress) -> None:
        """A checkpoint of the state after `at.step` steps, unless there is one."""
        if at.saved_step == at.step:
            return
        started_s = time.monotonic()
        ahead = self.ahead(built, at.step, at.micro_batch)
        state = checkpoint.State(
            step=at.step,
            tokens=at.tokens,
            kx=self.here.kx,
            kn=self.here.kn,
            next_batch=ahead.next_batch,
            next_loss=ahead.next_loss,
            scaler=None if built.trainer.scaler is None else built.trainer.scaler.state_dict(),
            deviations=[asdict(told) for told in at.deviations],
            rehearsed_bytes=at.rehearsed_bytes,
            micro_batch=at.micro_batch,
        )
        saved = checkpoint.save(self.folder.checkpoints, tensors_of(built.trainer), state)
        checkpoint.prune(self.folder.checkpoints, self.plan.keep)
        at.saved_step = at.step
        self.emit(
            Checkpoint(
                step=at.step,
                path=saved.path.relative_to(self.folder.path).as_posix(),
                bytes=saved.bytes,
                seconds=time.monotonic() - started_s,
            )
        )

    def ahead(self, built: Built, step: int, micro_batch: int) -> Proof:
        """What can be known about the step after `step`, by its first `micro_batch` rows."""
        try:
            return look_ahead(built.trainer, replace(built.feed, micro_batch=micro_batch), step)
        except NoMemoryError as error:
            where = f"in the proof of step {step + 1}"
            raise no_memory(where, micro_batch, self.device, Exit.FAILED) from error

    def _digest(self, built: Built, batch: GlobalBatch, done: Done, step: int) -> str:
        weighed = step % digests.WEIGHTS_EVERY == 0 or step == self.plan.last_step
        weights = _named(built.trainer) if weighed else None
        batch_bits = digests.batch_digest(batch.micro)
        return digests.line(step, done.loss, done.grad_norm, batch_bits, weights)

    # ---- after training

    def finish(self, built: Built, stop: Stop, at: Progress) -> End:
        """The last evaluation, the export and the receipt. All steps are safe by now."""
        peak = peak_bytes(self.device)
        process_bytes = max(at.process_bytes, process_peak_bytes(self.device))
        models = built.trainer.models
        result = held_out(models, built.trainer.objective, built.exam)
        answered = exact_match(models, built.exam, stop)
        if isinstance(answered, str):
            return self._end("interrupted", answered, at, {})
        result |= answered
        self.emit(Eval(step=at.step, metrics=result))
        exported = export(models, built.tokenizer, self.folder, self._card(result))
        outcome = Outcome(
            steps=at.step,
            tokens=at.tokens,
            exported=exported,
            peak_bytes=peak,
            process_bytes=process_bytes,
            rehearsed_bytes=at.rehearsed_bytes,
            result=result,
            deviations=[asdict(told) for told in at.deviations],
        )
        write_receipt(self.folder, self.lock, self.here, outcome)
        return self._end("finished", f"all {at.step} steps are done", at, result)

    def _card(self, result: Mapping[str, float]) -> str:
        return card(
            self.lock.values(self.here.target),
            kx=self.here.kx,
            kn=self.here.kn,
            target=self.here.target,
            result=result,
        )

    # ---- what is said

    def _say_run(self, at: Progress) -> None:
        self.emit(
            Run(
                name=self.settings.text("name"),
                target=self.here.target,
                kx=self.here.kx,
                kn=self.here.kn,
                attempt=self.folder.attempt,
                first_step=at.step,
                total_steps=self.plan.last_step,
                global_batch=self.plan.global_batch,
                pid=_pid(),
                device=title(self.plan.device_name, self.device, self.plan.threads),
                metrics=METRICS,
            )
        )

    def _say_step(self, done: Done, batch: GlobalBatch, seconds: float, at: Progress) -> None:
        metrics = {
            "loss": done.loss,
            **done.metrics,
            "learning_rate": done.learning_rate,
            "grad_norm": done.grad_norm,
            "step_ms": seconds * 1000,
            "tokens_per_s": batch.totals.tokens / seconds,
            "memory_bytes": float(peak_bytes(self.device)),
        }
        self.emit(Step(step=at.step, tokens=at.tokens, metrics=metrics))

    def _tell(self, message: str) -> None:
        self.emit(Log(level="info", message=message))

    def _warn(self, message: str) -> None:
        self.emit(Log(level="warning", message=message))

    def _end(self, status: str, reason: str, at: Progress, result: Mapping[str, float]) -> End:
        return End(status=status, reason=reason, step=at.step, result=result)  # type: ignore[arg-type]  # one of three literals

    def _say_end(self, end: End) -> None:
        try:
            self.emit(end)
        except OSError:
            # the disk that is full may be the one that the events go to; the error itself is raised
            if end.status == "finished":
                raise

    def _not_written(self, error: OSError | SafetensorError, at: Progress) -> KavaError:
        what = "the disk is full" if checkpoint.is_full(error) else str(error)
        return fail(
            f"step {at.step}: {self.folder.path} cannot be written: {what}; {_safe(at)}",
            Exit.ENVIRONMENT,
            code="KV0803",
            key="paths.output",
            hint="make room or choose another paths.output, then `kavaspec run LOCK --resume`",
        )

    def _not_finite(self, error: NotFiniteError, at: Progress) -> str:
        rows = ", ".join(str(row) for row in error.rows)
        return (
            f"step {at.step + 1}: the {error.what} is {error.value}; nothing was updated and {_safe(at)}. "
            f"Rows of {self.settings.text('data.split')}, counted from 0: {rows}"
        )


def splittable(micro_batch: int) -> tuple[int, ...]:
    """The sizes that may be split where the lock says `micro_batch`, largest first."""
    sizes = [micro_batch]
    while len(sizes) < MOST_SPLITS and sizes[-1] > 1:
        sizes.append(largest_part(sizes[-1]))
    return tuple(size for size in sizes if size > 1)


def largest_part(count: int) -> int:
    """The largest number below `count`, which is above 1, that divides it."""
    return next(part for part in range(count // 2, 0, -1) if count % part == 0)


def _safe(at: Progress) -> str:
    return (
        "no checkpoint was written yet"
        if at.saved_step is None
        else f"step {at.saved_step} is safe"
    )


def tensors_of(trainer: Trainer) -> dict[str, dict[str, torch.Tensor]]:
    """What a checkpoint keeps: weights that learn, and the optimizer's moments."""
    student, projector = trainable(trainer.models.student), trainable(trainer.models.projector)
    return {
        "student": dict(student),
        "projector": dict(projector),
        "optimizer": moments(trainer.optimizer, _named(trainer)),
    }


@torch.no_grad()
def restore(
    trainer: Trainer, tensors: Mapping[str, Mapping[str, torch.Tensor]], state: checkpoint.State
) -> None:
    """The inverse of `tensors_of`, in place."""
    for part, module in (
        ("student", trainer.models.student),
        ("projector", trainer.models.projector),
    ):
        for name, weight in trainable(module).items():
            weight.copy_(tensors[part][name])
    set_moments(trainer.optimizer, _named(trainer), tensors["optimizer"])
    if trainer.scaler is not None and state.scaler is not None:
        trainer.scaler.load_state_dict(dict(state.scaler))


def _named(trainer: Trainer) -> dict[str, torch.nn.Parameter]:
    student, projector = trainable(trainer.models.student), trainable(trainer.models.projector)
    return {f"student.{name}": weight for name, weight in student.items()} | {
        f"projector.{name}": weight for name, weight in projector.items()
    }


def _pid() -> int:
    import os

    return os.getpid()


def _reason(error: BaseException) -> str:
    if isinstance(error, KavaError):
        return str(error)
    if isinstance(error, KeyboardInterrupt):
        return "stopped at once (Ctrl-C)"
    return f"{type(error).__name__}: {error}"
