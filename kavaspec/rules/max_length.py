"""data.max_length: as long as the longest row, so that nothing is cut, unless the student cannot."""

from __future__ import annotations

from collections.abc import Mapping

from kavaspec.decision import ANYTHING, Allowed, Decision, Rejected, Rule, Term, Undecidable

SHORTEST = 8
"""Tokens; as in the schema of data.max_length."""


def max_length(
    token_lengths: Mapping[str, int], student_limit: int | None, allowed: Allowed = ANYTHING
) -> Decision:
    """The longest row, rounded up to a multiple of 8 tokens (tensor cores like those).

    Raises:
        Undecidable: if the spec forbids every length that suits the data and the student.
    """
    if "max" not in token_lengths:
        raise Undecidable("the length of the longest row is not known", missing=True)
    longest = token_lengths["max"]
    whole = max(SHORTEST, (longest + 7) // 8 * 8)
    terms = (
        Term(
            name="the longest row, up to a multiple of 8",
            formula=f"max({SHORTEST}, ({longest} + 7) // 8 * 8)",
            value=whole,
        ),
    )
    limits = [(limit, why) for limit, why in _limits(student_limit, allowed) if limit < whole]
    if not limits:
        _refuse(whole, longest, allowed)
        return Decision(
            value=whole, because=f"the longest row has {longest} tokens; none is cut", terms=terms
        )
    limit, why = min(limits)
    if limit < SHORTEST:
        raise Undecidable(
            f"{why}, and rows of less than {SHORTEST} tokens teach nothing",
            possible=range(min(whole, student_limit or whole), SHORTEST - 1, -1),
            why=f"the longest row has {longest} tokens, and fewer than {SHORTEST} teach nothing",
        )
    _refuse(limit, longest, allowed)
    return Decision(
        value=limit,
        because=f"{why}; rows of up to {longest} tokens are cut",
        rejected=(Rejected(value=whole, because=why),),
        terms=(*terms, Term(name="cut at", formula=f"min({whole}, {limit})", value=limit)),
    )


def _limits(student_limit: int | None, allowed: Allowed) -> list[tuple[int, str]]:
    limits = []
    if student_limit is not None:
        limits.append((student_limit, f"the student reads at most {student_limit} tokens"))
    if allowed.max is not None:
        limits.append((int(allowed.max), f"the spec allows at most {allowed.max}"))
    return limits


def _refuse(length: int, longest: int, allowed: Allowed) -> None:
    reason = allowed.refuses(length)
    if reason is not None:
        raise Undecidable(
            f"{length} tokens suit the data and the student, but {reason}",
            hint="write data.max_length as a number",
            possible=range(length, SHORTEST - 1, -1),
            why=f"the longest row has {longest} tokens",
        )


RULE = Rule(
    key="data.max_length",
    inputs={
        "token_lengths": "fact.data.token_lengths",
        "student_limit": "fact.student.max_length",
    },
    decide=max_length,
)
