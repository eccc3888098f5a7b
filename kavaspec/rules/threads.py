"""train.threads: all usable cores when the CPU computes, a few when it only feeds a GPU."""

from __future__ import annotations

from kavaspec.decision import ANYTHING, Allowed, Decision, Rejected, Rule, Term, Undecidable

FEEDING = 4
"""Threads that keep a GPU fed: tokenising and collating; more only wake each other up."""


def threads(device: str, cores: int, world: int, allowed: Allowed = ANYTHING) -> Decision:
    """Cores of one process. `cores` counts what this process may use, not what the host has.

    Raises:
        Undecidable: if there are more processes than cores, or the spec allows no number of
            threads from 1 to what is here.
    """
    if cores < world:
        raise Undecidable(
            f"{world} processes need a core each, and {cores} may be used here",
            hint=f"train.world = {cores}",
        )
    share = cores // world
    most = share if device == "cpu" else min(FEEDING, share)
    value = next((n for n in range(most, 0, -1) if not allowed.refuses(n)), None)
    if value is None:
        raise Undecidable(
            f"{most} threads are the most that help here, but {allowed.refuses(most)}",
            hint=f"train.threads = {most}",
            possible=range(most, 0, -1),
            why=f"more than {most} do not help here",
        )
    return Decision(
        value=value,
        because=_because(device, value, cores),
        rejected=_rejected(value, most, share, device, allowed),
        terms=_terms(cores, world, share, most, value),
    )


def _terms(cores: int, world: int, share: int, most: int, value: int) -> tuple[Term, ...]:
    """Each step that makes the number smaller, down to the value."""
    terms = [Term(name="cores of one process", formula=f"{cores} // {world}", value=share)]
    if most < share:
        terms.append(Term(name="enough", formula=f"min({FEEDING}, {share})", value=most))
    if value < most:
        name = "the most that the spec allows"
        terms.append(Term(name=name, formula=f"min({most}, {value})", value=value))
    return tuple(terms)


def _because(device: str, value: int, cores: int) -> str:
    if device == "cpu":
        return f"{value} of {cores} usable cores for each process"
    return f"{value} of {cores} usable cores are enough to feed {device}"


def _rejected(
    value: int, most: int, share: int, device: str, allowed: Allowed
) -> tuple[Rejected, ...]:
    rejected = []
    if share > most:
        rejected.append(Rejected(value=share, because=f"feeding {device} does not need that many"))
    if most > value:
        rejected.append(Rejected(value=most, because=allowed.refuses(most) or ""))
    return tuple(rejected)


RULE = Rule(
    key="train.threads",
    inputs={"device": "train.device", "cores": "fact.cpu.cores", "world": "train.world"},
    decide=threads,
)
