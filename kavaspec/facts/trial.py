"""Trials: what a training step would take, asked of the real step in the child process."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kavaspec.facts.model import Observation
from kavaspec.facts.probe import Child, Missing, NoAnswer, Seen, sign
from kavaspec.plain import Plain, thaw
from kavaspec.trials import OF, ROWS, TRIALS, of

PROBE = "step_estimate@1"
TIMEOUT_S = 900
EVIDENCE = "the real step on tensors without content, on a CPU"


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """The trials that one target asks for."""

    target: str
    trials: Mapping[str, Mapping[str, Plain]]
    """Fact -> the values to make it with."""
    values: Mapping[str, Plain]
    """All that is decided: the step is built from it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelPaths:
    """Where the models lie on this machine; None for one that the experiment has no files of."""

    teacher: Path | None
    student: Path | None


def try_out(
    wanted: Sequence[Wanted], paths: ModelPaths, child: Child, report: Callable[[str], None]
) -> Mapping[str, Observation]:
    """Every trial, by target. What is the same on two targets is tried once."""
    known: dict[Plain, Mapping[bool, Seen | Missing]] = {}
    found: dict[str, Observation] = {}
    for one in wanted:
        observed: list[Observation] = []
        for trial in TRIALS:
            if trial.fact in one.trials:
                about = of(one.trials[trial.fact])
                if about[OF] not in known:
                    report(f"estimating what a step takes on {one.target} ...")
                    known[about[OF]] = asked(one.values, paths, child)
                seen = known[about[OF]][trial.again]
                observed.append(sign(PROBE, {trial.fact: seen}, of=about))
        found[one.target] = Observation(
            facts={name: fact for it in observed for name, fact in it.facts.items()},
            not_found=tuple(missing for it in observed for missing in it.not_found),
        )
    return found


def asked(
    values: Mapping[str, Plain], paths: ModelPaths, child: Child
) -> Mapping[bool, Seen | Missing]:
    """What a step takes, without and with activations computed again."""
    question = {
        "ask": "memory",
        "values": {key: thaw(value) for key, value in values.items()},
        "teacher": _text(paths.teacher),
        "student": _text(paths.student),
        "rows": ROWS,
    }
    try:
        answer: Mapping[str, Any] = child.ask(question, timeout_s=TIMEOUT_S)
    except NoAnswer as error:
        return dict.fromkeys((False, True), Missing(because=error.because, hint=error.hint))
    if "error" in answer:
        return dict.fromkeys((False, True), Missing(because=answer["error"], hint=answer["hint"]))
    return {
        again: Seen(value=answer[name], evidence=EVIDENCE, how="estimated")
        for again, name in ((False, "kept"), (True, "again"))
    }


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)
