"""What the student is judged by is there: held-out rows, marks of their answers, room to write one."""

from __future__ import annotations

from collections.abc import Mapping

from kavaspec.checks.check import Check, error, warning
from kavaspec.errors import Problem
from kavaspec.plain import toml
from kavaspec.quantiles import PERCENT, at_least

ROWS, TOKENS = "eval.exact_match_rows", "eval.max_new_tokens"


def enough_to_judge(split: str, rows: int, questions: int, eval_rows: int) -> Problem | None:
    """More is asked for than there is: all are judged, and the number in the spec is not true."""
    asked = {"eval.rows": rows, ROWS: questions}
    above = [f"{key} is {count}" for key, count in asked.items() if count > eval_rows]
    if not above or not eval_rows:
        return None
    return warning(
        f"{' and '.join(above)}, but data.eval_split = {toml(split)} has {eval_rows} rows: "
        "all of them are judged, and no more",
        key=above[0].partition(" ")[0],
        hint=" and ".join(f"{text.partition(' ')[0]} = {eval_rows}" for text in above),
    )


def answers_are_marked(
    questions: int, mark: str, eval_rows: int, marked: Mapping[str, int]
) -> Problem | None:
    """Exact match compares what stands after the mark; a row without it cannot be judged."""
    first = marked.get("in_a_row", eval_rows)
    if first >= min(questions, eval_rows):
        return None
    key = "eval.answer_after"
    if not marked.get("marked"):
        return error(
            f"none of the {eval_rows} held-out completions holds {mark!r}, so no answer can be "
            "judged and exact match could only be 0",
            key=key,
            hint=f"{key} = the text before the final answer, or {ROWS} = 0",
        )
    return error(
        f"row {first} of the held-out rows (counted from 0) has no {mark!r} in its completion, so "
        f"its answer cannot be judged; {marked['marked']} of {eval_rows} rows have it",
        key=key,
        hint=f"{ROWS} = {first}, or {key} = a text that stands in every completion",
    )


def answers_fit(
    questions: int, max_new_tokens: int, eval_rows: int, lengths: Mapping[str, int]
) -> Problem | None:
    """A student that answers as the data does is stopped before it comes to its final answer."""
    above = at_least(lengths, max_new_tokens + 1, eval_rows)
    if not questions or not above:
        return None
    longest = max(lengths[name] for name in PERCENT if name in lengths)
    return warning(
        f"{TOKENS} is {max_new_tokens}, and at least {above} of {eval_rows} held-out completions "
        f"({100 * above / eval_rows:.1f} %) are longer, up to {longest} tokens: written as in the "
        "data, such an answer is cut before its end, and counts as wrong",
        key=TOKENS,
        hint=f"{TOKENS} = {longest}",
    )


def answers_fit_student(
    questions: int, max_new_tokens: int, lengths: Mapping[str, int], limit: int
) -> Problem | None:
    """Beyond its positions a model writes nonsense, and some crash after all the training. Refused
    where it is certain, told where it depends on which rows are asked.
    """
    shortest, longest = lengths.get("prompt_min", 0), lengths.get("prompt_max", 0)
    if not questions or longest + max_new_tokens <= limit:
        return None
    which = "shortest" if shortest + max_new_tokens > limit else "longest"
    prompt = shortest if which == "shortest" else longest
    message = (
        f"{TOKENS} is {max_new_tokens}, and the {which} held-out prompt has {prompt} tokens, but the "
        f"student reads at most {limit}: {max(limit - prompt, 0)} are left for its answer"
    )
    room = f"{TOKENS} = {limit - longest}" if longest < limit else ""
    some = f"{TOKENS} = {limit - shortest} is enough for some" if shortest < limit else ""
    hint = room or "leave the longest rows out, or choose a student that reads more"
    if which == "longest":
        return warning(message, key=TOKENS, hint=hint, code="KV0766")
    return error(message, key=TOKENS, hint=room or some or f"{ROWS} = 0")


CHECKS = (
    Check(
        name="enough_to_judge",
        code="KV0760",
        inputs={
            "split": "data.eval_split",
            "rows": "eval.rows",
            "questions": ROWS,
            "eval_rows": "fact.data.eval_rows",
        },
        veto=enough_to_judge,
        since=2,
    ),
    Check(
        name="answers_are_marked",
        code="KV0761",
        inputs={
            "questions": ROWS,
            "mark": "eval.answer_after",
            "eval_rows": "fact.data.eval_rows",
            "marked": "fact.data.marked_answers",
        },
        veto=answers_are_marked,
        since=2,
    ),
    Check(
        name="answers_fit",
        code="KV0762",
        inputs={
            "questions": ROWS,
            "max_new_tokens": TOKENS,
            "eval_rows": "fact.data.eval_rows",
            "lengths": "fact.data.question_lengths",
        },
        veto=answers_fit,
        since=2,
    ),
    Check(
        name="answers_fit_student",
        code="KV0763",
        inputs={
            "questions": ROWS,
            "max_new_tokens": TOKENS,
            "lengths": "fact.data.question_lengths",
            "limit": "fact.student.max_length",
        },
        veto=answers_fit_student,
        since=2,
    ),
)
