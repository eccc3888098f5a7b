"""The tokenizer as the trainer will use it: what it is, and how long rows are in its tokens."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from kavaspec.sources.digest import tokenizer_json_digest
from kavaspec_runtime.data import Template
from kavaspec_runtime.load import tokenizer_of
from kavaspec_runtime.probe_answer import Answer, Refusal, seen

LENGTHS = ("path", "prompt", "completion", "rows", "first")


def describe(path: str) -> Answer:
    """The tokenizer's digest, for models that keep it in another form than tokenizer.json."""
    tokenizer = _tokenizer(path)
    inside = getattr(tokenizer, "backend_tokenizer", None)
    if inside is None:
        raise Refusal(f"{type(tokenizer).__name__} has no tokenizer.json form")
    evidence = f"{type(tokenizer).__name__} made from {Path(path).name}"
    digest = tokenizer_json_digest(inside.to_str())
    return {"facts": {"tokenizer": seen(digest, evidence)}, "not_found": []}


def lengths(
    path: str,
    prompt: str,
    completion: str,
    rows: Sequence[Mapping[str, object]],
    first: int,
) -> Answer:
    """Tokens of each row's prompt and completion, uncut and without the end-of-text token.

    `first` is the number of the first of these rows in its split, for messages.
    """
    template = Template(
        prompt=prompt,
        completion=completion,
        loss_on="completion",
        max_length=sys.maxsize,
        tokenizer=_tokenizer(path),
    )
    whose = f"the data, counted from row {first}" if first else "the data"
    counted = template.rows(rows, whose)
    prompts = [len(row.prompt) for row in counted]
    completions = [len(row.ids) - 1 - prompt for row, prompt in zip(counted, prompts, strict=True)]
    return {"prompts": prompts, "completions": completions}


@lru_cache(maxsize=4)
def _tokenizer(path: str) -> Any:
    return tokenizer_of(Path(path))
