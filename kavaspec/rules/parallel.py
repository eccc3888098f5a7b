"""train.parallel: nothing is shared by one process; several hold a replica each."""

from __future__ import annotations

from kavaspec.choice import Candidate, choose
from kavaspec.decision import ANYTHING, Allowed, Decision, Rule


def parallel(world: int, allowed: Allowed = ANYTHING) -> Decision:
    """`single` for one process, else `replicated`.

    Raises:
        Undecidable: if the spec allows only what does not fit the number of processes.
    """
    return choose(candidates(world), allowed, hint="train.parallel follows train.world")


def candidates(world: int) -> tuple[Candidate, ...]:
    """What fits the number of processes first."""
    if world == 1:
        return (
            Candidate(value="single", because="there is 1 process"),
            Candidate(value="replicated", because="", impossible="needs more than 1 process"),
            Candidate(value="sharded", because="", impossible="needs more than 1 process"),
        )
    return (
        Candidate(value="replicated", because=f"each of {world} processes can hold the student"),
        Candidate(
            value="sharded",
            because=f"the spec spreads the student over {world} processes",
            otherwise="sends weights at every layer, and nothing shows that memory is short",
        ),
        Candidate(value="single", because="", impossible=f"there are {world} processes"),
    )


RULE = Rule(key="train.parallel", inputs={"world": "train.world"}, decide=parallel)
