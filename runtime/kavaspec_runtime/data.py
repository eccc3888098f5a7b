"""From rows of text to padded batches of tokens.

    row      = prompt tokens + completion tokens + end-of-text, cut at max_length
    batch    = rows, padded on the right to the longest of them
    labels   = the tokens that the cross-entropy counts, each predicted from the token before it

Shapes: B rows, T tokens.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

import torch
from torch import Tensor

from kavaspec.errors import Exit, fail
from kavaspec.template import NoValue, filled
from kavaspec_runtime.order import Order

LABELLESS = 8
"""So many rows without a label are named; the rest is counted."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One row of text as tokens."""

    ids: tuple[int, ...]
    first_label: int
    """Tokens from here on are predicted; never 0, because nothing stands before token 0."""
    prompt: tuple[int, ...]
    """What the model is given when it has to answer by itself."""
    completion: str

    @property
    def labels(self) -> int:
        return max(len(self.ids) - self.first_label, 0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Template:
    """How a row becomes text, and text becomes tokens."""

    prompt: str
    completion: str
    loss_on: str
    max_length: int
    tokenizer: Any

    def rows(self, rows: Sequence[Mapping[str, object]], name: str) -> list[Row]:
        """Tokens of all rows at once, which is many times faster; `name` is whose rows they are."""
        places = [(columns, f"row {number} of {name}") for number, columns in enumerate(rows)]
        prompts = [fill(self.prompt, *place, "data.prompt") for place in places]
        completions = [fill(self.completion, *place, "data.completion") for place in places]
        prompt_ids = self.tokenizer(prompts)["input_ids"]
        answer_ids = self.tokenizer(completions, add_special_tokens=False)["input_ids"]
        return [
            self._row(tuple(prompt), tuple(answer), completion)
            for prompt, answer, completion in zip(prompt_ids, answer_ids, completions, strict=True)
        ]

    def _row(self, prompt: tuple[int, ...], answer: tuple[int, ...], completion: str) -> Row:
        return Row(
            ids=(*prompt, *answer, self.tokenizer.eos_token_id)[: self.max_length],
            first_label=max(len(prompt), 1) if self.loss_on == "completion" else 1,
            prompt=prompt,
            completion=completion,
        )


def fill(template: str, columns: Mapping[str, object], place: str, key: str) -> str:
    """The template with every `{column}` replaced. Other braces stay: data may be code."""
    try:
        return filled(template, columns)
    except NoValue as gap:
        null = gap.column in columns
        there = f"; it has {', '.join(sorted(columns))}"
        raise fail(
            f"{place} has no value for the column {gap.column!r}" + (" (null)" if null else there),
            Exit.UNSATISFIABLE,
            code="KV0228",
            key=key,
            hint=f"write {gap.column!r} into the row (null is no value), or take the row out",
        ) from None


def hold_labels(
    rows: Sequence[Row], numbers: Sequence[int], split: str, what: str, max_length: int
) -> None:
    """A mean over no label at all is not 0, it is nothing: refuse it.

    `numbers` are the places of these rows in `split`; `what` they are together: "step 3 trains on".

    Raises:
        KavaError: exit 7, naming the rows.
    """
    if any(row.labels for row in rows):
        return
    named = ", ".join(str(number) for number in numbers[:LABELLESS])
    more = f" and {len(numbers) - LABELLESS} more" if len(numbers) > LABELLESS else ""
    shortest = min(row.first_label for row in rows) + 1
    raise fail(
        f"{what} rows of {split} without any token to predict: nothing follows their prompts "
        f"within data.max_length = {max_length}. Rows, counted from 0: {named}{more}",
        Exit.UNSATISFIABLE,
        code="KV0812",
        key="data.max_length",
        hint=f"data.max_length = {shortest} leaves one of them a token; left out of kava.toml, it cuts "
        "no row that the student can read",
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """Rows side by side."""

    ids_BT: Tensor
    mask_BT: Tensor
    """True where there is a token, False where there is padding."""
    label_BT: Tensor
    """True where the token is to be predicted from the one before it."""
    rows: tuple[int, ...]
    """Which rows of the split these are."""
    split: str = ""
    """The split that is trained on; empty for any other."""

    def to(self, device: torch.device) -> Batch:
        return Batch(
            ids_BT=self.ids_BT.to(device),
            mask_BT=self.mask_BT.to(device),
            label_BT=self.label_BT.to(device),
            rows=self.rows,
            split=self.split,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Totals:
    """What the sums of a whole global batch are divided by; known before its first micro-batch."""

    labels: int
    tokens: int
    """Non-padding tokens."""
    places: int
    """Tokens and padding, when every row is padded to the same length."""


@dataclass(frozen=True, kw_only=True, slots=True)
class GlobalBatch:
    """What one optimizer step consumes."""

    micro: tuple[Batch, ...]
    totals: Totals
    rows: tuple[int, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Feed:
    """Serves the global batch of any step."""

    rows: Sequence[Row]
    order: Order
    micro_batch: int
    pad_id: int
    pad_to: int | None
    """Pad every row to this length, or (None) to the longest of its micro-batch."""
    split: str
    max_length: int

    def global_batch(self, step: int) -> GlobalBatch:
        """What step `step` consumes; `step` counts from 0.

        Raises:
            KavaError: 7 when none of its rows has a token to predict.
        """
        numbers = self._labelled(step)
        size = self.micro_batch
        parts = [numbers[i : i + size] for i in range(0, len(numbers), size)]
        return GlobalBatch(
            micro=tuple(self.batch(part) for part in parts),
            totals=totals([self.rows[number] for number in numbers], self.pad_to),
            rows=numbers,
        )

    def hold_labels(self, steps: int) -> None:
        """Look for a global batch without a label before hours of training: in the first epoch,
        because the others hold the same rows. Each step looks again.
        """
        if any(not row.labels for row in self.rows):
            for step in range(min(steps, self.order.batches_per_epoch)):
                self._labelled(step)

    def _labelled(self, step: int) -> tuple[int, ...]:
        numbers = self.order.rows(step)
        rows = [self.rows[number] for number in numbers]
        hold_labels(rows, numbers, self.split, f"step {step + 1} trains on", self.max_length)
        return numbers

    def batch(self, numbers: Sequence[int]) -> Batch:
        chosen = [self.rows[number] for number in numbers]
        batch = pad(chosen, tuple(numbers), pad_id=self.pad_id, pad_to=self.pad_to)
        return replace(batch, split=self.split)


def totals(rows: Sequence[Row], pad_to: int | None) -> Totals:
    tokens = sum(len(row.ids) for row in rows)
    return Totals(
        labels=sum(row.labels for row in rows),
        tokens=tokens,
        places=tokens if pad_to is None else pad_to * len(rows),
    )


def pad(rows: Sequence[Row], numbers: tuple[int, ...], *, pad_id: int, pad_to: int | None) -> Batch:
    """Right padding: token t of every row has position t."""
    lengths = torch.tensor([len(row.ids) for row in rows])
    longest = int(lengths.max()) if pad_to is None else pad_to
    ids_BT = torch.full((len(rows), longest), pad_id, dtype=torch.long)
    for place, row in enumerate(rows):
        ids_BT[place, : len(row.ids)] = torch.tensor(row.ids, dtype=torch.long)
    place_T = torch.arange(longest)
    mask_BT = place_T < lengths[:, None]
    first_B = torch.tensor([row.first_label for row in rows])
    return Batch(
        ids_BT=ids_BT,
        mask_BT=mask_BT,
        label_BT=mask_BT & (place_T >= first_B[:, None]),
        rows=numbers,
    )


def full_rows(count: int, length: int) -> GlobalBatch:
    """`count` rows of `length` tokens at once, every token a label: no batch of this shape takes more."""
    row = Row(
        ids=tuple(place % 4 for place in range(length)), first_label=1, prompt=(), completion=""
    )
    rows, numbers = [row] * count, tuple(range(count))
    batch = pad(rows, numbers, pad_id=0, pad_to=None)
    return GlobalBatch(micro=(batch,), totals=totals(rows, None), rows=numbers)


def four_tokens() -> Batch:
    """The smallest batch that shows a model's shapes."""
    return full_rows(1, 4).micro[0]


def ids_digest(batch: GlobalBatch) -> str:
    """SHA-256 over every token of a global batch, padding left out."""
    digest = sha256()
    for micro in batch.micro:
        for ids_T, mask_T in zip(micro.ids_BT, micro.mask_BT, strict=True):
            digest.update(repr(ids_T[mask_T].tolist()).encode())
    return digest.hexdigest()
