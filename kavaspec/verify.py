"""Was this run what its lock says? Held against its own lock and receipt, from what its folder holds.

Pure: `kavaspec.run_record` reads the folder. Two runs are compared in `kavaspec.agreement`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from kavaspec.errors import Exit, KavaError, Problem
from kavaspec.lock.ids import ids
from kavaspec.lock.prove import prove
from kavaspec.plain import counted, show
from kavaspec.run_record import Record
from kavaspec.sizes import spelled
from kavaspec.told import Told, listed, plain, short_id, target_of, told_by, whole

Sure: TypeAlias = Literal["ok", "wrong", "unproved"]
DIFFER = Exit.DIFF_EXPERIMENT
"""12: `verify` differs."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One thing that was looked at."""

    what: str
    """The file, or what it is about."""
    sure: Sure
    says: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Verified:
    """One run, held against its own lock and receipt."""

    folder: str
    target: str
    kx: str
    kn: str
    state: Literal["finished", "interrupted", "failed", "open"]
    """`open`: no end was written; it was killed, or goes on."""
    steps: int
    total: int | None
    """None when it never said how many."""
    attempts: int
    findings: tuple[Finding, ...]

    @property
    def wrong(self) -> tuple[Finding, ...]:
        return tuple(one for one in self.findings if one.sure == "wrong")

    @property
    def standing(self) -> str:
        """`finished, 20 of 20 steps`."""
        state = "no end was written (killed, or it goes on)" if self.state == "open" else self.state
        of = "?" if self.total is None else self.total
        more = f", {self.attempts} attempts" if self.attempts > 1 else ""
        return f"{state}, {self.steps} of {of} steps{more}"


# ---- one run -----------------------------------------------------------------------------------


def verify(run: Record) -> Verified:
    """Everything that can be proved of one run, and what cannot.

    Raises:
        KavaError: exit 6, for a key that this kavaspec does not know.
    """
    target = target_of(run)
    told = told_by(run)
    names = ids(run.lock, target)
    last = told.attempts[-1].run if told.attempts else None
    return Verified(
        folder=run.folder,
        target=target,
        kx=names.kx,
        kn=names.kn,
        state=_state(run, told),
        steps=run.digests.steps[-1].step if run.digests.steps else 0,
        total=last.total_steps if last else None,
        attempts=whole(run.known.get("attempts")),
        findings=tuple(_findings(run, told, target)),
    )


def _findings(run: Record, told: Told, target: str) -> Iterator[Finding]:
    yield _lock(run, target)
    yield _ids(run, told, target)
    yield _digests(run, told)
    yield from _events(run, told)
    yield from _attempts(run, told, target)
    yield from _rehearsal(run, told, target)
    yield from _checkpoints(run, target)
    yield from _receipt(run, told, target)
    yield _beyond(run)


def problems(run: Verified) -> tuple[Problem, ...]:
    """What is wrong with one run, as problems."""
    return tuple(
        Problem(
            message=f"{run.folder}: {one.what}: {one.says}",
            exit=DIFFER,
            code="KV0821",
            hint=f"this is not what was written when it ran: take {run.folder} from a copy, "
            "or run its lock again with `kavaspec run LOCK --run NAME`",
        )
        for one in run.wrong
    )


# ---- each thing that is looked at


def _state(run: Record, told: Told) -> Literal["finished", "interrupted", "failed", "open"]:
    if run.receipt is not None:
        return "finished"
    end = told.attempts[-1].end if told.attempts else None
    return "open" if end is None else end.status


def _lock(run: Record, target: str) -> Finding:
    what = "kava.lock"
    if run.known.get("target") != target:
        named = show(plain(run.known.get("target")))
        return _wrong(what, f"it has no target {named}, which run.json says it ran")
    kept = run.receipt.part("files").get(what) if run.receipt else None
    if kept is not None and kept != run.files[what]:
        return _wrong(what, "it is not the file that the receipt names: its SHA-256 differs")
    try:
        prove(run.lock, target)
    except KavaError as error:
        return _wrong(what, str(error))
    return _ok(what, "its seals fit, and every decision follows from its own facts")


def _ids(run: Record, told: Told, target: str) -> Finding:
    names = ids(run.lock, target)
    said = [("run.json", run.known.get("kx"), run.known.get("kn"))]
    if run.receipt is not None:
        said.append(("receipt.json", run.receipt.content.get("kx"), run.receipt.content.get("kn")))
    if told.attempts:
        last = told.attempts[-1].run
        said.append(("events.jsonl", last.kx, last.kn))
    other = [name for name, kx, kn in said if (kx, kn) != (names.kx, names.kn)]
    other += [f"attempt {it.run.attempt}" for it in told.attempts[:-1] if it.run.kx != names.kx]
    if other:
        return _wrong(
            "ids", f"the lock gives {names.kx} and {names.kn}; otherwise: {listed(other)}"
        )
    both = f"experiment {short_id(names.kx)}, numerics {short_id(names.kn)}"
    return _ok("ids", f"{both} in the lock and in {listed([name for name, *_ in said])}")


def _digests(run: Record, told: Told) -> Finding:
    what, found = "digest.jsonl", run.digests
    finished = run.receipt is not None
    faults = list(found.faults)
    if found.torn and finished:
        faults.append("its last line has no end")
    kept = run.receipt.part("files").get(what) if run.receipt else None
    if not faults and kept is not None and kept != run.files[what]:
        faults.append("it is not the file that the receipt names: its SHA-256 differs")
    steps, total = len(found.steps), told.attempts[-1].run.total_steps if told.attempts else None
    if not faults and finished and total is not None and steps != total:
        faults.append(f"it has {counted(steps, 'step')} of {total}")
    if faults:
        return _wrong(what, listed(faults, "; "))
    if not steps:
        return _unproved(what, "no step is in it")
    each = f"steps 1 to {steps}, each once and in order" if steps > 1 else "step 1"
    torn = "; a last line was torn by a kill" if found.torn else ""
    if any(it.seal is None for it in found.steps):
        return _unproved(what, f"{each}, but an older version wrote it without seals{torn}")
    return _ok(what, f"{each}; every seal fits{torn}")


def _events(run: Record, told: Told) -> Iterator[Finding]:
    what = "events.jsonl"
    faults = [*run.said.faults, *told.jumps]
    if run.receipt is not None:
        faults += [] if told.attempts else ["it tells of no attempt"]
        faults += ["its last line has no end"] if run.said.torn else []
    elif not told.attempts and not faults:
        yield _unproved(what, "it tells of no attempt")
        return
    bits = {it.step: it for it in run.digests.steps}
    compared = 0
    for step, metrics in told.metrics.items():
        kept = bits.get(step)
        if kept is None:
            faults.append(f"step {step} is told, and is not in digest.jsonl")
            continue
        compared += 1
        faults += [
            f"step {step}: {name} is {metrics[name]!r}, digest.jsonl has {float.fromhex(kept_bits)!r}"
            for name, kept_bits in (("loss", kept.loss), ("grad_norm", kept.grad_norm))
            if name in metrics and metrics[name].hex() != kept_bits
        ]
    if faults:
        yield _wrong(what, listed(faults, "; "))
        return
    if run.said.unknown:
        yield _unproved(
            what, f"a later version wrote of {listed(run.said.unknown)}: not understood"
        )
    steps = len(run.digests.steps)
    which = "every step" if compared == steps else f"{compared} of {counted(steps, 'step')}"
    yield _ok(what, f"loss and gradient norm of {which} are those of digest.jsonl")


def _attempts(run: Record, told: Told, target: str) -> Iterator[Finding]:
    """How it was gone on with, and what was not as locked."""
    promise = run.lock.values(target).get("train.reproducibility")
    for number, it in enumerate(told.attempts):
        first, resumed = it.run.first_step, it.resumed
        if resumed is None and first and it.last is not None:
            yield _wrong(
                "resume", f"attempt {it.run.attempt} went on from step {first} without a proof"
            )
        if resumed is not None:
            told_so = (
                f"attempt {it.run.attempt} went on from {resumed.path}, proof: {resumed.proof}"
            )
            kept = resumed.step == first and (promise != "bitwise" or resumed.proof == "bitwise")
            yield (_ok if kept else _wrong)("resume", told_so)
        if number and resumed is None and not first:
            yield _ok("resume", f"attempt {it.run.attempt} began again: nothing was saved before")
    for step, what in told.deviations:
        yield _unproved("deviation", f"from step {step} on: {what}")
    locked = run.lock.values(target).get("train.steps")
    total = told.attempts[-1].run.total_steps if told.attempts else None
    if isinstance(locked, int) and total is not None and total != locked:
        says = f"it was to do {total} of the lock's {counted(locked, 'step')}"
        smoke = run.folder.rstrip("/\\").endswith("-smoke")
        more = " (--smoke), so its numbers are not the experiment's" if smoke else ""
        yield (_unproved if smoke else _wrong)("steps", f"{says}{more}")


def _rehearsal(run: Record, told: Told, target: str) -> Iterator[Finding]:
    block = run.lock.blocks(target).get("train.micro_batch")
    locked = None if block is None else block.value
    for it in told.rehearsals[-1:]:
        peak = spelled(it.peak_bytes, "bytes")
        says = f"one step of {it.micro_batch} x {it.length} tokens peaked at {peak}"
        if it.micro_batch == locked:
            yield _ok("rehearsal", says)
        else:
            yield _wrong("rehearsal", f"{says}; the lock's micro-batch is {show(locked)}")
    if block is not None and block.provisional and not told.rehearsals:
        yield _unproved("rehearsal", "the micro-batch is provisional, and no rehearsal was told")


def _checkpoints(run: Record, target: str) -> Iterator[Finding]:
    kx = ids(run.lock, target).kx
    good: list[str] = []
    for it in run.checkpoints:
        what = f"checkpoints/{it.name}"
        if it.damage is not None:
            yield _wrong(what, it.damage)
        elif (it.state.get("step"), it.state.get("kx")) != (it.step, kx):
            said = f"step {it.state.get('step')} of {short_id(str(it.state.get('kx')))}"
            yield _wrong(what, f"its state is of {said}")
        else:
            good.append(it.name)
    if not run.checkpoints:
        yield _unproved("checkpoints", "none is there")
    if good:
        yield _ok("checkpoints", f"every file of {listed(good)} is what its manifest says")


def _receipt(run: Record, told: Told, target: str) -> Iterator[Finding]:
    what, receipt = "receipt.json", run.receipt
    if receipt is None:
        yield _unproved(
            what, "none is there: the run is not finished, and was verified as far as it went"
        )
        return
    faults = [
        *receipt.faults,
        *(_against_the_rest(run, receipt.content, told) if receipt.content else ()),
    ]
    if faults:
        yield _wrong(what, listed(faults, "; "))
    elif not receipt.sealed:
        yield _unproved(what, "an older version wrote it without a seal")
    else:
        yield _ok(what, "its seal fits; steps, attempts and results are those of events.jsonl")
    if told.attempts and told.attempts[-1].end is None:
        yield _unproved(what, "no end was told after it was written")
    if receipt.content:
        yield from _exported(run, receipt.part("exported"))
        yield from _versions(run, receipt.part("versions"), target)
        yield from _memory(receipt.part("memory"))


def _against_the_rest(run: Record, content: Mapping[str, Any], told: Told) -> Iterator[str]:
    if not told.attempts:
        return
    last, run_json, events = told.attempts[-1], "run.json", "events.jsonl"
    said: list[tuple[str, object, str]] = [
        ("attempts", run.known.get("attempts"), run_json),
        ("attempts", last.run.attempt, events),
        ("steps", last.run.total_steps, events),
        ("target", last.run.target, events),
    ]
    for name, it, where in said:
        if content.get(name) != it:
            yield f"its {name} is {content.get(name)}, {where} says {it}"
    if last.end is None:
        return
    if last.end.status != "finished":
        yield f"it is there, and {events} says {last.end.status}"
    mine, theirs = _bits(content.get("result")), _bits(last.end.result)
    for name in sorted({*mine, *theirs}):
        if mine.get(name) != theirs.get(name):
            yield f"its result {name} is {mine.get(name)}, {events} says {theirs.get(name)}"


def _bits(result: object) -> Mapping[str, str]:
    """Numbers by what they are to the bit, so that nan is nan."""
    if not isinstance(result, Mapping):
        return {}
    return {str(name): repr(it) for name, it in result.items()}


def _exported(run: Record, named: Mapping[str, Any]) -> Iterator[Finding]:
    good: list[str] = []
    for name, found in run.exported.items():
        if found is None:
            yield _wrong(name, "it is missing, and the receipt names it")
        elif name not in named:
            yield _wrong(name, "the receipt does not name it: it came later")
        elif found != named[name]:
            yield _wrong(name, "it is not the file that the run wrote: its SHA-256 differs")
        else:
            good.append(name)
    if good:
        inside = sum(name.startswith("student/") for name in good)
        kinds = [counted(inside, "file") + " of student/"] if inside else []
        kinds += [name for name in good if not name.startswith("student/")]
        yield _ok("exported", f"{' and '.join(kinds)}: what the receipt names")


def _versions(run: Record, versions: Mapping[str, Any], target: str) -> Iterator[Finding]:
    values = run.lock.values(target)
    locked = {name: values.get(f"software.{name}") for name in ("python", "torch", "transformers")}
    wanted = {name: it for name, it in locked.items() if isinstance(it, str)}
    other = [
        f"{name} {versions.get(name)}, locked {it}"
        for name, it in wanted.items()
        if not _is_version(str(versions.get(name)), it)
    ]
    if other:
        yield _wrong("versions", listed(other, "; "))
    elif wanted:
        yield _ok("versions", f"{spelled_versions(versions)}; as locked where the lock names them")


def _is_version(there: str, locked: str) -> bool:
    """`2.13.0+cpu` is 2.13.0, and 3.11.7 is 3.11."""
    return there == locked or there.startswith((f"{locked}.", f"{locked}+"))


def _memory(memory: Mapping[str, Any]) -> Iterator[Finding]:
    predicted = memory.get("predicted_peak_bytes") or memory.get("rehearsed_peak_bytes")
    measured = memory.get("measured_peak_bytes")
    if not isinstance(measured, int):
        return
    if not isinstance(predicted, int) or not predicted:
        yield _unproved("memory", f"peak {spelled(measured, 'bytes')}; nothing was predicted")
        return
    off = 100 * (measured - predicted) / predicted
    both = f"predicted {spelled(predicted, 'bytes')}, measured {spelled(measured, 'bytes')}"
    yield _ok("memory", f"{both} ({off:+.1f} %)")


def _beyond(run: Record) -> Finding:
    """What no folder can prove about itself."""
    return _unproved(
        "training",
        "times and memory are as told, and a seal is no signature; that these steps give these "
        f"weights is shown by a second run: `kavaspec verify {run.folder} OTHER`",
    )


def _ok(what: str, says: str) -> Finding:
    return Finding(what=what, sure="ok", says=says)


def _wrong(what: str, says: str) -> Finding:
    return Finding(what=what, sure="wrong", says=says)


def _unproved(what: str, says: str) -> Finding:
    return Finding(what=what, sure="unproved", says=says)


def spelled_versions(versions: Mapping[str, Any]) -> str:
    """`python 3.11.7, torch 2.13.0+cpu`."""
    return ", ".join(f"{name} {it}" for name, it in versions.items())
