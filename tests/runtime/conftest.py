"""A tiny world to train in: a teacher, a student, a tokenizer, rows, and a lock made by hand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

from kavaspec.events import End, Event
from kavaspec.lock.model import Block, Here, Lock, Target
from kavaspec.plain import Plain, freeze
from kavaspec.sources.rows import read_rows

TEACHER = {"layers": 4, "heads": 2, "head_dim": 8}
STUDENT = {"layers": 2, "heads": 1, "head_dim": 8}


@dataclass(frozen=True)
class World:
    """Where everything lies, and a run of it."""

    root: Path
    values: dict[str, Plain]
    here: Here

    def lock(self, **changed: Plain) -> Lock:
        """Keys are written with `__` for the dot."""
        values = {
            **self.values,
            **{key.replace("__", "."): value for key, value in changed.items()},
        }
        blocks = {
            key: Block(value=freeze(value), by="spec") for key, value in sorted(values.items())
        }
        return Lock(
            version=1,
            set={},
            facts={},
            experiment=blocks,
            targets={"here": Target(facts={}, decisions={})},
        )

    def at(self, folder: str = "run", **changed: object) -> Here:
        return replace(self.here, run_folder=self.root / folder, **changed)

    def run(
        self,
        folder: str = "run",
        *,
        stop_at: int | None = None,
        here: dict | None = None,
        **changed,
    ) -> tuple[End, list[Event]]:
        """Train; `stop_at` asks to stop after that step."""
        from kavaspec_runtime.run import run

        events: list[Event] = []
        asked = 0

        def stop() -> str | None:
            nonlocal asked
            asked += 1
            return "asked to stop" if asked == stop_at else None

        end = run(self.lock(**changed), self.at(folder, **(here or {})), events.append, stop)
        return end, events


def make_tokenizer(folder: Path) -> None:
    """Bytes, an end-of-text token and a padding token."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocab = {"<end>": 0, "<pad>": 1} | {letter: number for number, letter in enumerate(alphabet, 2)}
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<end>", pad_token="<pad>"
    ).save_pretrained(folder)


def make_model(folder: Path, *, layers: int, heads: int, head_dim: int, seed: int) -> None:
    """A Qwen2 whose key-value heads and width are stated."""
    torch.manual_seed(seed)
    config = Qwen2Config(
        vocab_size=258,
        hidden_size=2 * heads * head_dim,
        intermediate_size=32,
        num_hidden_layers=layers,
        num_attention_heads=2 * heads,
        num_key_value_heads=heads,
        max_position_embeddings=256,
        bos_token_id=None,
        eos_token_id=0,
        pad_token_id=1,
    )
    Qwen2ForCausalLM(config).save_pretrained(folder)
    make_tokenizer(folder)


def make_rows(folder: Path) -> None:
    folder.mkdir()
    for split, count, shift in (("train", 40, 0), ("test", 9, 100)):
        rows = [
            {
                "question": f"{n + shift} plus {n}?",
                "answer": "so " * (n % 5) + f"#### {2 * n + shift}",
            }
            for n in range(count)
        ]
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"{split}.jsonl").write_text(text)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("made")
    make_model(root / "teacher", **TEACHER, seed=1)
    make_model(root / "student", **STUDENT, seed=2)
    make_rows(root / "data")
    return root


@pytest.fixture
def world(made: Path, tmp_path: Path) -> World:
    here = Here(
        target="here",
        kx="kx1:aaaa",
        kn="kn1:bbbb",
        lock_text="# kava.lock\n",
        run_folder=tmp_path / "run",
        teacher=made / "teacher",
        student=made / "student",
        data=made / "data",
        device_index=0,
        resume=False,
        allow_numerics=False,
        rehearse=False,
        stop_after=None,
        judge_at_most=None,
        facts={"fact.memory.total_bytes": 2**34},
    )
    return World(root=tmp_path, values=values_for(made), here=here)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def data_digest(made: Path) -> str:
    return digest_of(made)


def digest_of(made: Path) -> str:
    from kavaspec.sources.digest import data_digest

    data = made / "data"
    return data_digest(read_rows("rows", data, "train"), read_rows("rows", data, "test"))


def values_for(made: Path) -> dict[str, Plain]:
    """Every key that the runtime reads, as `kavaspec lock` would have decided it."""
    return {
        "name": "tiny",
        "model.teacher.source": "./teacher",
        "model.teacher.quantization": "none",
        "model.student.source": "./student",
        "model.student.init": "pretrained",
        "model.student.layers": None,
        "data.source": "./data",
        "data.digest": digest_of(made),
        "data.split": "train",
        "data.eval_split": "test",
        "data.prompt": "{question}\n",
        "data.completion": "{answer}",
        "data.loss_on": "completion",
        "data.max_length": 48,
        "data.window": 2,
        "data.tail": "drop",
        "objective.kind": "kv",
        "objective.ce_weight": 1.0,
        "objective.kv.tensors": ["key", "value"],
        "objective.kv.key_weight": 1.0,
        "objective.kv.value_weight": 1.0,
        "objective.kv.layers": [0, 1],
        "objective.kv.layer_map": [0, 3],
        "objective.kv.aggregate": "none",
        "objective.kv.weight_start": 0.5,
        "objective.kv.weight_stop": 1.0,
        "objective.kv.teacher_dim": [16, 16],
        "objective.kv.student_dim": [8, 8],
        "objective.kv.loss": "cosine",
        "objective.kv.alpha": 1.0,
        "objective.kv.beta": 0.01,
        "objective.kv.normalise": "layer_std",
        "objective.kv.mask": "attention",
        "objective.kv.weight": 1.0,
        "objective.kv.projector.kind": "low_rank",
        "objective.kv.projector.side": "student",
        "objective.kv.projector.in_dim": [8, 8],
        "objective.kv.projector.out_dim": [16, 16],
        "objective.kv.projector.hidden_dim": [4, 4],
        "objective.kv.projector.rank": 4,
        "objective.kv.projector.dropout": 0.0,
        "objective.kv.projector.share_kv": False,
        "train.global_batch": 8,
        "train.epochs": None,
        "train.steps": 6,
        "train.learning_rate": 3e-3,
        "train.projector_learning_rate": 1e-2,
        "train.schedule": "cosine",
        "train.warmup_steps": 2,
        "train.final_learning_rate": 0.0,
        "train.weight_decay": 0.01,
        "train.beta1": 0.9,
        "train.beta2": 0.999,
        "train.epsilon": 1e-8,
        "train.clip": 1.0,
        "train.seed": 7,
        "train.lora.rank": 0,
        "train.lora.alpha": 16.0,
        "train.lora.dropout": 0.0,
        "train.lora.targets": ["q_proj", "k_proj", "v_proj", "o_proj"],
        "train.device": "cpu",
        "train.precision": "float32",
        "train.param_dtype": "float32",
        "train.optimizer": "adamw",
        "train.optimizer_state_dtype": "float32",
        "train.loss_dtype": "float32",
        "train.attention": "sdpa",
        "train.gradient_checkpointing": False,
        "train.compile": False,
        "train.micro_batch": 4,
        "train.accumulation": 2,
        "train.world": 1,
        "train.parallel": "single",
        "train.teacher_placement": "same_device",
        "train.threads": 1,
        "train.reproducibility": "bitwise",
        "train.on_oom": "fail",
        "eval.every": 0,
        "eval.rows": 8,
        "eval.exact_match_rows": 3,
        "eval.max_new_tokens": 6,
        "eval.answer_after": "####",
        "checkpoint.every": 2,
        "checkpoint.keep": 2,
        "logging.every": 1,
        "loader.workers": 0,
    }
