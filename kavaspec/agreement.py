"""Do two runs agree, and if not, from which step and why? Answered from what their folders hold.

Compared step by step; the promise of `train.reproducibility` says whether a difference is allowed:

    bitwise       same numerics, device and versions: the same bits
    data_exact    the same rows in the same order
    statistical   nothing that could be compared step by step
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from kavaspec.errors import Problem
from kavaspec.lock.diff import Change, diff
from kavaspec.lock.ids import ids
from kavaspec.plain import counted, show
from kavaspec.run_record import Record
from kavaspec.seals import StepDigest
from kavaspec.told import Told, listed, plain, short_id, target_of, told_by
from kavaspec.verify import DIFFER, spelled_versions

Promise: TypeAlias = Literal["bitwise", "data_exact", "statistical"]
PROMISES: tuple[Promise, ...] = ("statistical", "data_exact", "bitwise")
"""Weakest first."""

_SHOULD_NOT_BE = (
    "experiment, numerics, device, versions and rows are the same, and no resume explains it. "
    "This should not be: it is a bug, or a fault of a machine"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Alike:
    """One thing that two runs have in common, or not."""

    what: str
    same: bool | None
    """None: one of them does not say."""
    a: str
    b: str


Cause: TypeAlias = Literal[
    "different experiment",
    "different data order",
    "after a deviation",
    "different numerics",
    "different device or versions",
    "after a resume",
    "unexplained",
]


@dataclass(frozen=True, kw_only=True, slots=True)
class Parting:
    """Where two runs part for the first time."""

    step: int | None
    """None: every step agrees, and what was exported does not."""
    values: tuple[Alike, ...]
    before: str
    """What is known of the state before that step."""
    cause: Cause
    says: str
    """The cause in a sentence."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """Two runs, held against each other."""

    grounds: tuple[Alike, ...]
    """Experiment, numerics, device, versions."""
    keys: tuple[str, ...]
    """Keys of the experiment, or else of numerics, that differ."""
    promise: Promise | None
    """What is promised between these two; None between different experiments."""
    because: str
    """Why it is no more."""
    steps: int
    """That both have."""
    agreed: int
    """Steps before the first that differs."""
    parting: Parting | None
    largest: float | None
    """Of relative differences of losses; None where all agree."""
    largest_step: int | None
    results: tuple[Alike, ...]
    """The final numbers that differ, where both are finished."""
    kept: bool
    """Whether the promise is."""
    verdict: str


def compare(a: Record, b: Record) -> Comparison:
    """Hold two runs against each other, as far as both went."""
    one, two = _Side.of(a), _Side.of(b)
    grounds = tuple(_grounds(one, two))
    keys = _keys(one, two)
    promise, because = _promise(one, two, {it.what: it.same for it in grounds})
    steps = min(len(a.digests.steps), len(b.digests.steps))
    pairs = list(zip(a.digests.steps[:steps], b.digests.steps[:steps], strict=True))
    parting = _parting(one, two, pairs, grounds, keys)
    largest, largest_step = _largest(pairs)
    kept, verdict = _verdict(pairs, promise, parting)
    agreed = steps if parting is None or parting.step is None else parting.step - 1
    return Comparison(
        grounds=grounds,
        keys=keys,
        promise=promise,
        because=because,
        steps=steps,
        agreed=agreed,
        parting=parting,
        largest=largest,
        largest_step=largest_step,
        results=tuple(_results(a, b)),
        kept=kept,
        verdict=verdict,
    )


def parted(found: Comparison, a: str, b: str) -> Problem | None:
    """A promise that was not kept, as a problem."""
    if found.kept:
        return None
    if found.promise is None:
        message = f"{a} and {b} are different experiments, so nothing about them need agree"
        hint = "`kavaspec diff` shows what differs; compare runs of one lock"
    elif found.parting is None:
        message = f"{a} and {b} have no step in common, so nothing shows that they agree"
        hint = "go on with the run that has none: `kavaspec run LOCK --resume`"
    else:
        at = (
            "after the last step" if found.parting.step is None else f"at step {found.parting.step}"
        )
        message = f"{a} and {b} part {at}, though {found.promise} was promised"
        hint = _WAY_OUT[found.parting.cause]
    return Problem(message=message, exit=DIFFER, code="KV0822", hint=hint)


_WAY_OUT: Mapping[Cause, str] = {
    "different data order": "hold the data of both against `data.digest`, and report it as a bug "
    "with both folders",
    "after a resume": "run the lock again without a stop, and verify both against that run",
    "unexplained": "run the lock a third time: the two that agree are right. If none do, report it "
    "as a bug with the folders; if one machine is always the odd one, test its memory",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class _Side:
    """One run, with what is asked about it."""

    run: Record
    target: str
    kx: str
    kn: str
    told: Told

    @classmethod
    def of(cls, run: Record) -> _Side:
        target = target_of(run)
        names = ids(run.lock, target)
        return cls(run=run, target=target, kx=names.kx, kn=names.kn, told=told_by(run))

    @property
    def promise(self) -> Promise:
        said = self.run.lock.values(self.target).get("train.reproducibility")
        return said if said in PROMISES else "statistical"

    @property
    def device(self) -> str | None:
        """What computed, with the hardware facts that lock or receipt know."""
        if not self.told.attempts:
            return None
        facts: dict[str, object] = {
            name: it.value for name, it in self.run.lock.facts_of(self.target).items()
        }
        facts |= self.run.receipt.part("facts") if self.run.receipt else {}
        known = [show(plain(facts[name])) for name in _HARDWARE if facts.get(name) is not None]
        return ", ".join([self.told.attempts[-1].run.device, *known])

    @property
    def versions(self) -> str | None:
        return spelled_versions(self.run.receipt.part("versions")) if self.run.receipt else None


_HARDWARE = ("fact.cpu.model", "fact.gpu.name", "fact.gpu.arch", "fact.gpu.driver")


def _grounds(one: _Side, two: _Side) -> Iterator[Alike]:
    for what, a, b in (
        ("experiment", short_id(one.kx), short_id(two.kx)),
        ("numerics", short_id(one.kn), short_id(two.kn)),
        ("device", one.device, two.device),
        ("versions", one.versions, two.versions),
    ):
        alike = None if a is None or b is None else a == b
        if what == "experiment":
            alike = one.kx == two.kx
        if what == "numerics":
            alike = one.kn == two.kn
        yield Alike(what=what, same=alike, a=a or "not told", b=b or "not told")


def _keys(one: _Side, two: _Side) -> tuple[str, ...]:
    """What the locks say otherwise, in the first tier that differs: `train.seed 0 -> 7`."""
    if (one.kx, one.kn) == (two.kx, two.kn):
        return ()
    found = diff(one.run.lock, two.run.lock, ((one.target, two.target),), whole=False)
    tier: Literal["experiment", "numerics"] = "experiment" if one.kx != two.kx else "numerics"
    return tuple(_arrow(change) for change in found.of(tier))


def _arrow(change: Change) -> str:
    return f"{change.key} {_cut(show(change.old))} -> {_cut(show(change.new))}"


def _promise(
    one: _Side, two: _Side, alike: Mapping[str, bool | None]
) -> tuple[Promise | None, str]:
    """What is promised between two runs, and why it is no more."""
    if not alike["experiment"]:
        return None, "they are different experiments"
    least = min(one.promise, two.promise, key=PROMISES.index)
    if least != "bitwise":
        return least, "train.reproducibility says so"
    other = [what for what in ("numerics", "device", "versions") if alike[what] is False]
    if one.told.deviations or two.told.deviations:
        other.append("a deviation")
    if other:
        return "data_exact", f"bits are promised for the same of each: {', '.join(other)}"
    return least, "train.reproducibility says so"


# ---- where they part


Pairs: TypeAlias = Sequence[tuple[StepDigest, StepDigest]]


def _parting(
    one: _Side, two: _Side, pairs: Pairs, grounds: Sequence[Alike], keys: Sequence[str]
) -> Parting | None:
    first = next((pair for pair in pairs if _differ(*pair)), None)
    if first is None:
        values = tuple(_exports(one.run, two.run))
        if not values:
            return None
        step, before = None, f"all {counted(len(pairs), 'step')} agree"
    else:
        step, values = first[0].step, tuple(_values(*first))
        before = _before(one.run, two.run, pairs, *first)
    cause, says = _cause(one, two, first, grounds, keys)
    return Parting(step=step, values=values, before=before, cause=cause, says=says)


def _differ(a: StepDigest, b: StepDigest) -> bool:
    return any(it.same is False for it in _values(a, b))


def _values(a: StepDigest, b: StepDigest) -> Iterator[Alike]:
    yield Alike(what="batch", same=_alike(a.batch, b.batch), a=a.batch or "-", b=b.batch or "-")
    for what, x, y in (("loss", a.loss, b.loss), ("grad_norm", a.grad_norm, b.grad_norm)):
        yield Alike(what=what, same=x == y, a=repr(float.fromhex(x)), b=repr(float.fromhex(y)))
    if a.weights or b.weights:
        same_weights = _alike(a.weights, b.weights)
        yield Alike(what="weights", same=same_weights, a=a.weights or "-", b=b.weights or "-")


def _alike(a: str | None, b: str | None) -> bool | None:
    return None if a is None or b is None else a == b


def _exports(a: Record, b: Record) -> Iterator[Alike]:
    """Exported files that differ, where both runs are finished."""
    if a.receipt is None or b.receipt is None or len(a.digests.steps) != len(b.digests.steps):
        return
    for name in sorted({*a.exported, *b.exported}):
        x, y = a.exported.get(name), b.exported.get(name)
        if x != y:
            yield Alike(what=name, same=False, a=(x or "missing")[:16], b=(y or "missing")[:16])


def _before(a: Record, b: Record, pairs: Pairs, x: StepDigest, y: StepDigest) -> str:
    """What is known of the weights before the first step that differs."""
    if x.batch is not None and _alike(x.batch, y.batch) is False:
        return _last_known(a, b, pairs, x.step)
    if x.loss == y.loss and x.grad_norm == y.grad_norm:
        return "the same: loss and gradient agree, so only the update of this step differs"
    if x.loss == y.loss:
        return "the same: the loss agrees to the bit, so only the backward pass differs"
    return _last_known(a, b, pairs, x.step)


def _last_known(a: Record, b: Record, pairs: Pairs, step: int) -> str:
    known = {at.step: at.weights == it.weights for at, it in pairs if at.weights and it.weights}
    saved = {it.step: it.files.get("student.safetensors") for it in b.checkpoints if not it.damage}
    for it in a.checkpoints:
        if not it.damage and saved.get(it.step) is not None:
            known[it.step] = it.files.get("student.safetensors") == saved[it.step]
    earlier = {at: alike for at, alike in known.items() if at < step}
    if not earlier:
        return "not recorded: the weights differed before it, or its forward pass did"
    last = max(earlier)
    if not earlier[last]:
        return f"the weights differed already after step {last}, though loss and gradient agreed"
    if last == step - 1:
        return f"the same: the weights after step {last} agree"
    return f"not recorded since step {last}, when the weights agreed"


def _cause(
    one: _Side,
    two: _Side,
    first: tuple[StepDigest, StepDigest] | None,
    grounds: Sequence[Alike],
    keys: Sequence[str],
) -> tuple[Cause, str]:
    """The likely class, from what is known; the first that applies."""
    step = len(one.run.digests.steps) + 1 if first is None else first[0].step
    other = {it.what: it for it in grounds if it.same is False}
    if "experiment" in other:
        return "different experiment", listed(keys, "; ")
    if first is not None and _alike(first[0].batch, first[1].batch) is False:
        return (
            "different data order",
            "the rows of this step are not the same tokens, though the experiment is the same",
        )
    for side in (one, two):
        for start, what in side.told.deviations:
            if start <= step:
                return "after a deviation", f"{side.run.folder}, from step {start} on: {what}"
    if "numerics" in other:
        return "different numerics", listed(keys, "; ")
    elsewhere = [
        f"{it.what}: {it.a} / {it.b}"
        for what, it in other.items()
        if what in ("device", "versions")
    ]
    if elsewhere:
        return "different device or versions", "; ".join(elsewhere)
    return _resumed(one, two, step) or (
        "unexplained",
        _SHOULD_NOT_BE,
    )


def _resumed(one: _Side, two: _Side, step: int) -> tuple[Cause, str] | None:
    """A resume just before, or any that was not proved to the bit."""
    for side in (one, two):
        for it in side.told.attempts:
            at = it.resumed
            if at is None or at.step >= step:
                continue
            # moments show one step later than weights
            if at.proof != "bitwise" or step <= at.step + 2:
                says = (
                    f"{side.run.folder} went on from {at.path} (step {at.step}), proof: {at.proof}"
                )
                return "after a resume", says
    return None


# ---- what it means


def _verdict(pairs: Pairs, promise: Promise | None, parting: Parting | None) -> tuple[bool, str]:
    """Whether what is promised is kept, and that in a sentence."""
    if promise is None:
        return False, "different experiments: nothing is promised between them"
    if not pairs:
        return False, "there is no step that both have: nothing could be compared"
    if parting is None:
        return True, f"they agree bit for bit, in all {counted(len(pairs), 'step')} that both have"
    if promise == "bitwise":
        return False, "they part, and bitwise was promised: the promise is broken"
    if promise == "statistical":
        return True, "they part, which statistical allows: it promises nothing step by step"
    rows = [_alike(a.batch, b.batch) for a, b in pairs]
    if False in rows:
        return False, "they read other rows, and data_exact was promised: the promise is broken"
    if None in rows:
        return True, (
            "they part, which data_exact allows; that both read the same rows is not proved: "
            "an older version wrote a digest.jsonl without them"
        )
    return (
        True,
        "they part in bits, which data_exact allows: both read the same rows in the same order",
    )


def _largest(pairs: Pairs) -> tuple[float | None, int | None]:
    """The largest relative difference of two losses, and its step."""
    apart = [
        (abs(x - y) / max(abs(x), abs(y)), a.step)
        for a, b in pairs
        for x, y in [(float.fromhex(a.loss), float.fromhex(b.loss))]
        if x != y
    ]
    return max(apart, default=(None, None))


def _results(a: Record, b: Record) -> Iterator[Alike]:
    if a.receipt is None or b.receipt is None:
        return
    x, y = a.receipt.part("result"), b.receipt.part("result")
    if x != y:
        for name in sorted(name for name in {*x, *y} if x.get(name) != y.get(name)):
            yield Alike(
                what=name, same=False, a=show(plain(x.get(name))), b=show(plain(y.get(name)))
            )


def _cut(text: str) -> str:
    return text if len(text) <= 40 else text[:39] + "…"
