"""Rows are not cut: what data.max_length takes away is their end, and the answer stands there."""

from __future__ import annotations

from collections.abc import Mapping

from kavaspec.checks.check import Check, error, warning
from kavaspec.errors import Problem
from kavaspec.quantiles import at_least

KEY = "data.max_length"


def completions_are_kept(
    max_length: int, loss_on: str, rows: int, prompts: Mapping[str, int], limit: int | None
) -> Problem | None:
    """A row whose prompt fills `max_length` has no label. Most of them so: nothing is learned."""
    lost = at_least(prompts, max_length, rows)
    if loss_on != "completion" or not lost or 2 * lost < rows:
        return None
    least = min(
        length for length in prompts.values() if 2 * at_least(prompts, length + 1, rows) < rows
    )
    return error(
        f"{KEY} is {max_length} tokens, and in at least {_share(lost, rows)} the prompt alone fills "
        f"that: no token of their completion is left, so they teach nothing; "
        f"from {least + 1} tokens on most rows keep some",
        key=KEY,
        hint="choose a student that reads longer rows"
        if limit is not None and limit <= least
        else f'{KEY} = {least + 1} or more; {KEY} = "auto" cuts no row',
    )


def rows_are_whole(
    max_length: int,
    rows: int,
    lengths: Mapping[str, int],
    prompts: Mapping[str, int],
    limit: int | None,
) -> Problem | None:
    """Cut rows have no end-of-text token and, where it comes last, no final answer. Prompts are
    counted, never assumed: without them it is not known how long the rows are.
    """
    cut = at_least(lengths, max_length + 1, rows)
    if not cut:
        return None
    lost = at_least(prompts, max_length, rows)
    nothing = f"; at least {_share(lost, rows)} lose their whole completion" if lost else ""
    longest = max(lengths.values())
    return warning(
        f"{KEY} is {max_length} tokens: at least {_share(cut, rows)} are longer and lose their end, "
        f"the longest has {longest}{nothing}",
        key=KEY,
        hint=f"leave out the rows of more than {limit} tokens, or choose a student that reads more"
        if limit is not None and limit < longest
        else f'{KEY} = {longest} (or "auto") cuts none',
    )


def _share(part: int, rows: int) -> str:
    return f"{part} of {rows} rows ({100 * part / rows:.1f} %)"


CHECKS = (
    Check(
        name="completions_are_kept",
        code="KV0758",
        inputs={
            "max_length": KEY,
            "loss_on": "data.loss_on",
            "rows": "fact.data.rows",
            "prompts": "fact.data.prompt_lengths",
            "limit": "fact.student.max_length",
        },
        veto=completions_are_kept,
        since=2,
    ),
    Check(
        name="rows_are_whole",
        code="KV0759",
        inputs={
            "max_length": KEY,
            "rows": "fact.data.rows",
            "lengths": "fact.data.token_lengths",
            "prompts": "fact.data.prompt_lengths",
            "limit": "fact.student.max_length",
        },
        veto=rows_are_whole,
        since=2,
    ),
)
