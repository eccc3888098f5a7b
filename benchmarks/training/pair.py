"""What every contestant shares: the two models, the rows, and the loss, written as plainly as can be.

    loss = mean cross-entropy over completion tokens
         + (1 - mean cosine of the keys) + (1 - mean cosine of the values)

Keys and values of all layers side by side; the student's go through a low-rank map. Nothing here is
fast or slow on purpose: what a contestant skips or pads is its own business.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import AutoModelForCausalLM, AutoTokenizer

RANK, LEARNING_RATE, PROJECTOR_LEARNING_RATE = 256, 3e-4, 3e-3
MAX_LENGTH, GLOBAL_BATCH = 512, 8


@dataclass(frozen=True, kw_only=True)
class Row:
    """One problem as tokens; the completion begins at `first_label`."""

    ids: list[int]
    first_label: int


def rows_of(folder: Path, count: int) -> list[Row]:
    """The first problems of GSM8K, with the templates of the default spec."""
    tokenizer = AutoTokenizer.from_pretrained(folder / "teacher")
    lines = (folder / "data/train.jsonl").read_text(encoding="utf-8").splitlines()[:count]
    found = []
    for line in lines:
        row = json.loads(line)
        prompt = tokenizer(row["question"] + "\n", add_special_tokens=False)["input_ids"]
        answer = tokenizer(row["answer"], add_special_tokens=False)["input_ids"]
        ids = [*prompt, *answer, tokenizer.eos_token_id][:MAX_LENGTH]
        found.append(Row(ids=ids, first_label=min(len(prompt), MAX_LENGTH)))
    return found


def padded(rows: list[Row], to: int | None) -> tuple[Tensor, Tensor, Tensor]:
    """ids [B, T], attention mask [B, T], labels [B, T] with -100 where nothing is predicted."""
    width = to or max(len(row.ids) for row in rows)
    ids = torch.zeros(len(rows), width, dtype=torch.long)
    mask = torch.zeros_like(ids)
    labels = torch.full_like(ids, -100)
    for place, row in enumerate(rows):
        length = len(row.ids)
        ids[place, :length] = torch.tensor(row.ids)
        mask[place, :length] = 1
        labels[place, row.first_label : length] = torch.tensor(row.ids[row.first_label :])
    return ids, mask, labels


def models(folder: Path, teacher_dtype: torch.dtype, student_dtype: torch.dtype):
    """The frozen teacher and the student, which begins as its first eight layers."""
    teacher = AutoModelForCausalLM.from_pretrained(folder / "teacher", dtype=teacher_dtype)
    student = AutoModelForCausalLM.from_pretrained(folder / "student", dtype=student_dtype)
    return teacher.eval().requires_grad_(False), student.train()


class Projector(nn.Module):
    """Two low-rank maps from the student's width to the teacher's: keys and values."""

    def __init__(self, student_dim: int, teacher_dim: int) -> None:
        super().__init__()
        self.maps = nn.ModuleList(
            nn.Sequential(
                nn.Linear(student_dim, RANK, bias=False), nn.Linear(RANK, teacher_dim, bias=False)
            )
            for _ in range(2)
        )

    def forward(self, student: Tensor, which: int) -> Tensor:
        return self.maps[which](student)


def projector_for(student, teacher) -> Projector:
    widths = [
        it.config.num_hidden_layers * it.config.num_key_value_heads * it.config.head_dim
        for it in (student, teacher)
    ]
    return Projector(*widths)


def side_by_side(cache, which: int) -> Tensor:
    """All layers' keys (0) or values (1) of a cache: [B, T, layers x heads x width]."""
    layers = [(layer.keys, layer.values)[which] for layer in cache.layers]
    return torch.cat([it.transpose(1, 2).flatten(2) for it in layers], dim=-1)


def kv_loss(projector: nn.Module, student_cache, teacher_cache, mask: Tensor) -> Tensor:
    """1 - mean cosine over real tokens, of keys and of values."""
    chosen = mask.bool()
    total = torch.zeros(())
    for which in range(2):
        ours = projector(side_by_side(student_cache, which), which)[chosen].float()
        theirs = side_by_side(teacher_cache, which)[chosen].float()
        total = total + (1 - functional.cosine_similarity(ours, theirs, dim=-1).mean())
    return total


class Clock:
    """Says how long each step took; the first is a warm-up and counts for nothing."""

    def __init__(self) -> None:
        self.started = time.perf_counter()

    def step(self, rows: int, tokens: int, loss: float) -> None:
        now = time.perf_counter()
        said = {"rows": rows, "tokens": tokens, "seconds": now - self.started, "loss": loss}
        print(json.dumps(said), flush=True)
        self.started = time.perf_counter()


def arguments() -> tuple[Path, int]:
    """The prepared folder, and how many steps to take."""
    return Path(sys.argv[1]), int(sys.argv[2])
