"""train.teacher_placement: beside the student, so that keys and values do not travel."""

from __future__ import annotations

from kavaspec.choice import Candidate, choose
from kavaspec.decision import ANYTHING, Allowed, Decision, Rule


def teacher_placement(device: str, allowed: Allowed = ANYTHING) -> Decision:
    """On the student's device.

    Raises:
        Undecidable: if the spec allows neither.
    """
    candidates = (
        Candidate(value="same_device", because=f"its cache is compared on {device} at every step"),
        Candidate(
            value="cpu",
            because="the spec leaves only this",
            otherwise="is the same place" if device == "cpu" else f"is slower than {device}",
        ),
    )
    return choose(candidates, allowed)


RULE = Rule(
    key="train.teacher_placement", inputs={"device": "train.device"}, decide=teacher_placement
)
