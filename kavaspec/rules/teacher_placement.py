"""train.teacher_placement: beside the student; from disk where a CPU would read each row again and again.

What the teacher sees of a row never changes. On a CPU, where its forward pass takes a third of a step,
keeping it pays from the second pass over the data on. An accelerator is faster than the disk.
"""

from __future__ import annotations

from kavaspec.choice import Candidate, choose
from kavaspec.decision import ANYTHING, Allowed, Decision, Rule, Term

PASSES = 2
"""Over the data, from which on remembering pays."""

SMALL = 16_000_000
"""Teachers below this many parameters compute a row about as fast as it is read."""


def teacher_placement(
    device: str,
    mask: str | None,
    steps: int,
    global_batch: int,
    rows: int | None,
    parameters: int | None,
    allowed: Allowed = ANYTHING,
) -> Decision:
    """On the student's device, or from disk on a CPU with a large teacher and several passes.

    Raises:
        Undecidable: if the spec allows none.
    """
    same = Candidate(
        value="same_device",
        because=f"its cache is compared on {device} at every step",
        otherwise="would read every row again in each pass",
    )
    cpu = Candidate(
        value="cpu",
        because="the spec leaves only this",
        otherwise="is the same place" if device == "cpu" else f"is slower than {device}",
    )
    passes = 0.0 if rows is None else steps / max(1, rows // global_batch)
    why_not = _why_not(device, mask, passes, parameters)
    if why_not is None:
        kept = Candidate(
            value="cached",
            because=f"each row is read {passes:.4g} times, and the teacher sees the same each time",
            terms=(
                Term(
                    name="passes over the data",
                    formula=f"{steps} / max(1, {rows} // {global_batch})",
                    value=passes,
                ),
            ),
        )
        return choose((kept, same, cpu), allowed)
    kept = Candidate(value="cached", because="the spec leaves only this", otherwise=why_not)
    return choose((same, cpu, kept), allowed)


def _why_not(device: str, mask: str | None, passes: float, parameters: int | None) -> str | None:
    """Why keeping what the teacher sees does not pay, or None where it does."""
    if device != "cpu":
        return f"is not known to be faster than {device}"
    if mask is None:
        return "compares keys and values, and this objective has none"
    if mask == "none":
        return "keeps tokens, and padding is compared too"
    if not passes or parameters is None:
        return "takes disk for every row, and nothing shows that it pays"
    if passes < PASSES:
        return f"pays from {PASSES} passes over the data on, and this is {passes:.4g}"
    if parameters < SMALL:
        return f"does not pay for a teacher of {parameters} parameters"
    return None


RULE = Rule(
    key="train.teacher_placement",
    inputs={
        "device": "train.device",
        "mask": "objective.kv.mask",
        "steps": "train.steps",
        "global_batch": "train.global_batch",
        "rows": "fact.data.rows",
        "parameters": "fact.teacher.parameters",
    },
    decide=teacher_placement,
    version=2,
)
