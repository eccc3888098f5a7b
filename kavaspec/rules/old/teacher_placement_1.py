"""teacher_placement@1: always beside the student; from disk only when asked for."""

from __future__ import annotations

from kavaspec.choice import Candidate, choose
from kavaspec.decision import ANYTHING, Allowed, Decision, Rule


def teacher_placement(device: str, allowed: Allowed = ANYTHING) -> Decision:
    """On the student's device.

    Raises:
        Undecidable: if the spec allows none.
    """
    candidates = (
        Candidate(value="same_device", because=f"its cache is compared on {device} at every step"),
        Candidate(
            value="cpu",
            because="the spec leaves only this",
            otherwise="is the same place" if device == "cpu" else f"is slower than {device}",
        ),
        Candidate(
            value="cached",
            because="the spec leaves only this",
            otherwise="takes disk for every row, and saves time from the second epoch on",
        ),
    )
    return choose(candidates, allowed)


RULE = Rule(
    key="train.teacher_placement", inputs={"device": "train.device"}, decide=teacher_placement
)
