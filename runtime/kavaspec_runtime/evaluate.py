"""Held-out numbers: cross-entropy, the cosines that make each other readable, and exact match.

Shapes: B rows, T tokens, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache

from kavaspec.errors import Exit, fail
from kavaspec_runtime.capture import Seen
from kavaspec_runtime.data import Batch, Row, pad
from kavaspec_runtime.metrics import Centred, Place, Sums, average, partners
from kavaspec_runtime.objectives.objective import Compared, Models, Objective, cross_entropy_of


@dataclass(frozen=True, kw_only=True, slots=True)
class Exam:
    """What the student is judged on."""

    rows: Sequence[Row]
    """For losses and cosines."""
    questions: Sequence[Row]
    """For exact match."""
    max_new_tokens: int
    answer_after: str
    batch: int
    """Rows at once: even, so that every row has a neighbour."""
    tokenizer: Any
    pad_id: int


@torch.no_grad()
def held_out(models: Models, objective: Objective, exam: Exam) -> dict[str, float]:
    """`ce` and, for an objective with a teacher, the cosines of `metrics`."""
    models.eval()
    places: dict[Place, Sums] = {}
    loss, labels = 0.0, 0
    for batch, seen, pairs in _passes(models, objective, exam):
        loss += cross_entropy_of(models, batch, seen).item()
        labels += int(batch.label_BT.sum())
        partner_N = partners(batch.mask_BT)
        for two in pairs:
            places.setdefault((two.tensor, two.pair), Sums.like(two)).add(two, partner_N)
    found = {"ce": loss / labels}  # `build` refuses rows without any label
    found |= average([sums.result() for sums in places.values()])
    return found | _centred(models, objective, exam, places)


@torch.no_grad()
def exact_match(
    models: Models, exam: Exam, stop: Callable[[], str | None]
) -> dict[str, float] | str:
    """Share of questions whose final answer the student writes letter by letter.

    `stop` is asked before each batch of questions; its reason is returned instead of a result.
    """
    if not exam.questions:
        return {}
    models.eval()
    right = 0
    for start in range(0, len(exam.questions), exam.batch):
        reason = stop()
        if reason is not None:
            return reason
        rows = exam.questions[start : start + exam.batch]
        with models.computing():
            written = answers(models, rows, exam)
        right += sum(
            final_answer(text, exam.answer_after) == final_answer(row.completion, exam.answer_after)
            for text, row in zip(written, rows, strict=True)
        )
    return {"exact_match": right / len(exam.questions)}


def final_answer(text: str, after: str) -> str | None:
    """The rest of the line after the last `after`, without spaces around it; None when not there."""
    _, found, rest = text.rpartition(after)
    return rest.strip().partition("\n")[0].strip() if found else None


def hold_against(questions: Sequence[Row], answer_after: str) -> None:
    """Before hours of training: can the answers be judged at all?"""
    for number, row in enumerate(questions):
        if final_answer(row.completion, answer_after) is None:
            raise fail(
                f"row {number} of the held-out rows has no {answer_after!r} in its completion, "
                "so its answer cannot be judged",
                Exit.UNSATISFIABLE,
                code="KV0810",
                key="eval.answer_after",
                hint="name the text before the final answer, or set eval.exact_match_rows = 0",
            )


def answers(models: Models, rows: Sequence[Row], exam: Exam) -> list[str]:
    """What the student writes after each prompt, always the likeliest token, up to end-of-text.

    Written out here, because `generate` obeys a generation_config that comes with the weights
    (a repetition penalty, for one) and that no lock knows.
    """
    ids_BT, mask_BT = left_padded([row.prompt for row in rows], exam.pad_id, models.device)
    cache = DynamicCache()
    written: list[Tensor] = []
    done_B = torch.zeros(len(rows), dtype=torch.bool, device=models.device)
    position_BT = (mask_BT.cumsum(-1) - 1).clamp_min(0)
    for _ in range(exam.max_new_tokens):
        out = models.student.base_model(
            input_ids=ids_BT,
            attention_mask=mask_BT,
            position_ids=position_BT,
            past_key_values=cache,
            use_cache=True,
        )
        logits_BV = models.student.get_output_embeddings()(out.last_hidden_state[:, -1])
        next_B = logits_BV.argmax(-1).masked_fill(done_B, exam.tokenizer.eos_token_id)
        done_B = done_B | (next_B == exam.tokenizer.eos_token_id)
        written.append(next_B)
        if bool(done_B.all()):
            break
        ids_BT = next_B[:, None]
        mask_BT = torch.cat([mask_BT, torch.ones_like(ids_BT)], dim=1)
        position_BT = position_BT[:, -1:] + 1
    texts: list[str] = exam.tokenizer.batch_decode(
        torch.stack(written, dim=1).tolist(), skip_special_tokens=True
    )
    return texts


def left_padded(
    prompts: Sequence[tuple[int, ...]], pad_id: int, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Prompts that end together, so that every next token is the last."""
    longest = max(len(prompt) for prompt in prompts)
    padded = [(pad_id,) * (longest - len(prompt)) + prompt for prompt in prompts]
    mask = [[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts]
    return torch.tensor(padded, device=device), torch.tensor(mask, device=device)


def _centred(
    models: Models, objective: Objective, exam: Exam, places: dict[Place, Sums]
) -> dict[str, float]:
    """A second pass: the means are known only after the first."""
    if not places:
        return {}
    centred = {place: Centred.after(sums) for place, sums in places.items()}
    for _, _, pairs in _passes(models, objective, exam):
        for two in pairs:
            centred[two.tensor, two.pair].add(two)
    return average([place.result() for place in centred.values()])


def _passes(
    models: Models, objective: Objective, exam: Exam
) -> Iterator[tuple[Batch, Seen, list[Compared]]]:
    """All held-out rows, neighbours of like length."""
    order = sorted(range(len(exam.rows)), key=lambda number: len(exam.rows[number].ids))
    for start in range(0, len(order), exam.batch):
        numbers = tuple(order[start : start + exam.batch])
        rows = [exam.rows[number] for number in numbers]
        batch = pad(rows, numbers, pad_id=exam.pad_id, pad_to=None).to(models.device)
        with models.computing():
            seen = models.student_sees(batch)
            pairs = objective.compared(models, batch, seen)
            yield batch, seen, pairs
