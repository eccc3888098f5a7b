"""train.world: one process; more must be asked for."""

from __future__ import annotations

from kavaspec.choice import Candidate, choose
from kavaspec.decision import ANYTHING, Allowed, Decision, Rule


def world(device: str, gpus: int | None, allowed: Allowed = ANYTHING) -> Decision:
    """One, however many GPUs there are: this version trains with one process.

    Raises:
        Undecidable: if the spec asks for more.
    """
    one = Candidate(value=1, because="this version trains with one process, on one device")
    if device == "cpu" or gpus is None or gpus < 2:
        return choose((one,), allowed, hint="train.world = 1")
    more = Candidate(
        value=gpus, because="", impossible=f"{gpus} GPUs are here, but one process uses one of them"
    )
    return choose((one, more), allowed, hint="train.world = 1")


RULE = Rule(
    key="train.world", inputs={"device": "train.device", "gpus": "fact.gpu.count"}, decide=world
)
