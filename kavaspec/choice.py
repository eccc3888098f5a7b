"""Choosing among a few values in order of preference, so that each one left behind has a reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kavaspec.decision import ANYTHING, Allowed, Decision, Rejected, Term, Undecidable
from kavaspec.plain import Plain, same, show


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """One value that a rule considers."""

    value: Plain
    because: str
    """Why, if it is taken."""
    otherwise: str = ""
    """Why not, if another is taken."""
    impossible: str | None = None
    """Why it can never be taken here, whoever asks; None when it can."""
    terms: tuple[Term, ...] = ()

    def refused(self, allowed: Allowed) -> str | None:
        """Why it may not be taken, or None when it may."""
        return self.impossible or allowed.refuses(self.value)


def choose(
    candidates: Sequence[Candidate], allowed: Allowed = ANYTHING, *, hint: str | None = None
) -> Decision:
    """The first candidate that is possible and allowed, with the others as rejected.

    Raises:
        Undecidable: if no candidate is both; names the reason of each.
    """
    taken = next((item for item in candidates if item.refused(allowed) is None), None)
    if taken is None:
        raise Undecidable(
            f"no value is left ({_reasons(candidates, allowed)})",
            hint=hint,
            possible=[item.value for item in candidates if item.impossible is None],
            why=_reasons([item for item in candidates if item.impossible is not None], ANYTHING),
        )
    rejected = tuple(
        Rejected(value=item.value, because=item.refused(allowed) or item.otherwise)
        for item in candidates
        if item is not taken
    )
    return Decision(
        value=taken.value,
        because=taken.because,
        rejected=rejected,
        terms=taken.terms,
    )


def _reasons(candidates: Sequence[Candidate], allowed: Allowed) -> str:
    """Why each was turned down; values with the same reason share it."""
    values: dict[str, list[str]] = {}
    for item in candidates:
        values.setdefault(item.refused(allowed) or "", []).append(show(item.value))
    return "; ".join(f"{', '.join(names)}: {reason}" for reason, names in values.items())


def impossible(candidates: Sequence[Candidate], value: Plain) -> str | None:
    """Why `value` cannot work here even when it is written by hand, or None when it can."""
    return next((item.impossible for item in candidates if same(item.value, value)), None)
