"""Answers questions that need torch, one JSON line for one JSON line, so that the compiler never imports it.

    {"ask": "torch"}                                  versions, backend, whether a kernel runs
    {"ask": "canary", "dtype": "bfloat16"}            a small training step against float32
    {"ask": "model", "path": "...", "layers": [0]}    KV layout, parameters, ... from the config alone
    {"ask": "memory", "values": {...}, "teacher": "...", "student": "...", "rows": [1, 4]}   what a step takes
    {"ask": "tokenizer", "path": "..."}               the tokenizer's digest
    {"ask": "lengths", "path": "...", "prompt": "{q}", "completion": "{a}", "rows": [{...}], "first": 0}

An answer is {"facts": {name: {"value": ..., "evidence": ...}}, "not_found": [...]}, or
{"kept": [[1, ...], ...], "again": [[1, ...], ...]}, or {"prompts": [...], "completions": [...]}, or {"error": "what is wrong", "hint": "the way out", "key": ..., "exit": ...}.

One process answers all questions of a lock: torch is imported once.
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from collections.abc import Callable, Mapping
from typing import Any, TextIO

from kavaspec.errors import KavaError
from kavaspec_runtime.probe_answer import Answer, Refusal


def main() -> None:
    """Serve until the input ends."""
    answers = _keep_answers_apart()
    _quiet()
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line)), default=str), file=answers, flush=True)


def answer(question: Mapping[str, Any]) -> Answer:
    """The answer to one question; trouble is an answer too."""
    try:
        return ANSWERS[question["ask"]](question)
    except Refusal as refusal:
        return {"error": str(refusal), "hint": refusal.hint, "key": refusal.key}
    except KavaError as error:
        problem = error.problems[0]
        return {
            "error": problem.message,
            "code": problem.code,
            "hint": problem.hint,
            "key": problem.key,
            "exit": int(problem.exit),
        }
    # model files and the code that reads them fail in every way there is; the asker wants a sentence
    except Exception as error:  # noqa: BLE001
        return {"error": f"{type(error).__name__}: {_first_line(error)}", "hint": None}


def _torch(_: Mapping[str, Any]) -> Answer:
    import torch
    import transformers

    from kavaspec_runtime.probe_device import describe

    return describe(torch, transformers.__version__)


def _canary(question: Mapping[str, Any]) -> Answer:
    import torch

    from kavaspec_runtime.probe_canary import canary
    from kavaspec_runtime.probe_device import accelerator

    where, _ = accelerator(torch)
    outcome, evidence = canary(torch, where or "cpu", question["dtype"])
    name = f"fact.canary.{question['dtype']}"
    return {"facts": {name: {"value": outcome, "evidence": evidence}}, "not_found": []}


def _model(question: Mapping[str, Any]) -> Answer:
    from kavaspec_runtime.probe_model import describe

    return describe(question["path"], question.get("layers"))


def _memory(question: Mapping[str, Any]) -> Answer:
    from kavaspec_runtime.probe_memory import peaks

    return {**peaks(**{name: question[name] for name in ("values", "teacher", "student", "rows")})}


def _tokenizer(question: Mapping[str, Any]) -> Answer:
    from kavaspec_runtime.probe_text import describe

    return describe(question["path"])


def _lengths(question: Mapping[str, Any]) -> Answer:
    from kavaspec_runtime.probe_text import LENGTHS, lengths

    return lengths(**{name: question[name] for name in LENGTHS})


ANSWERS: Mapping[str, Callable[[Mapping[str, Any]], Answer]] = {
    "torch": _torch,
    "canary": _canary,
    "memory": _memory,
    "model": _model,
    "tokenizer": _tokenizer,
    "lengths": _lengths,
}


def _keep_answers_apart() -> TextIO:
    """Answers get the real standard output; whatever libraries print goes to standard error."""
    mine = os.fdopen(os.dup(1), "w", encoding="utf-8", newline="\n")
    os.dup2(2, 1)
    return mine


def _quiet() -> None:
    warnings.simplefilter("ignore")
    try:
        from transformers.utils import logging
    except ImportError:  # the question that needs it will say so
        return
    logging.set_verbosity_error()
    logging.disable_progress_bar()


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else "without a message"


if __name__ == "__main__":
    main()
