"""What the installed torch is, what it can use, and whether 16-bit arithmetic is right and fast there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kavaspec.facts.model import Observation
from kavaspec.facts.probe import Machine, Missing, NoAnswer, Probe, Seen, sign

TORCH = ("fact.torch.backend", "fact.torch.arch_list", "fact.torch.accelerator")
DTYPES = ("bfloat16", "float16")
NAMES = (*TORCH, *(f"fact.canary.{dtype}" for dtype in DTYPES))
START_TIMEOUT_S = 300
"""The first import of torch from a cluster's file system takes minutes."""
CANARY_TIMEOUT_S = 60


def observe(machine: Machine) -> Observation:
    absent = machine.child.missing()
    if absent is not None:
        return _without(absent, machine)
    return sign(PROBE.id, {**_torch(machine), **_canaries(machine)})


def _torch(machine: Machine) -> dict[str, Seen | Missing]:
    machine.report("starting torch to see what it can use ...")
    return _asked(machine, {"ask": "torch"}, TORCH, START_TIMEOUT_S)


def _canaries(machine: Machine) -> dict[str, Seen | Missing]:
    seen: dict[str, Seen | Missing] = {}
    for dtype in DTYPES:
        machine.report(f"trying a small training step in {dtype} ...")
        question = {"ask": "canary", "dtype": dtype}
        seen |= _asked(machine, question, (f"fact.canary.{dtype}",), CANARY_TIMEOUT_S)
    return seen


def _asked(
    machine: Machine,
    question: Mapping[str, object],
    names: tuple[str, ...],
    timeout_s: float,
) -> dict[str, Seen | Missing]:
    try:
        answer: Mapping[str, Any] = machine.child.ask(question, timeout_s=timeout_s)
    except NoAnswer as error:
        return dict.fromkeys(names, Missing(because=error.because, hint=error.hint))
    if "error" in answer:
        return dict.fromkeys(names, Missing(because=answer["error"], hint=answer.get("hint")))
    facts = answer["facts"]
    return {
        name: Seen(value=facts[name]["value"], evidence=facts[name]["evidence"]) for name in names
    }


def _without(absent: str, machine: Machine) -> Observation:
    """Without torch there is nothing to ask: that too is a fact about this machine."""
    because = f"{absent} is not installed"
    seen: dict[str, Seen | Missing] = dict.fromkeys(TORCH, Seen(value=None, evidence=because))
    try:
        machine.child.ask({"ask": "torch"}, timeout_s=START_TIMEOUT_S)
        hint = None
    except NoAnswer as error:
        hint = error.hint
    for dtype in DTYPES:
        seen[f"fact.canary.{dtype}"] = Missing(because=because, hint=hint)
    return sign(PROBE.id, seen)


PROBE = Probe(name="torch", version=1, facts=NAMES, observe=observe)
