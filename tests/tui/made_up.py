"""A run and a lock that never were, for every test of the dashboard: deterministic, with all that can happen."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from pathlib import Path

from kavaspec.decision import AUTO, Rejected, Term
from kavaspec.events import (
    Checkpoint,
    End,
    Eval,
    Event,
    Heartbeat,
    Line,
    Log,
    Metric,
    Rehearsal,
    Resume,
    Run,
    Step,
    to_line,
)  # fmt: skip
from kavaspec.explanation import Explanation, Flip, Source
from kavaspec.paste import Paste
from kavaspec.plain import freeze, toml
from kavaspec.spec.model import SpecModel

T0 = 1_790_000_000.0
METRICS = (
    Metric(name="loss", better="down"),
    Metric(name="ce", better="down"),
    Metric(name="kv", better="down"),
    Metric(name="cosine", better="up"),
    Metric(name="learning_rate"),
    Metric(name="grad_norm"),
    Metric(name="step_ms", unit="ms"),
    Metric(name="tokens_per_s", unit="tokens/s", better="up"),
    Metric(name="memory_bytes", unit="bytes"),
)


def run(attempt: int = 1, first_step: int = 0, total_steps: int = 600, **changes) -> Run:
    values = {
        "name": "kava",
        "target": "here",
        "kx": "kx1:3f2a9c01d4e5b6a7",
        "kn": "kn1:77ab01c2d3e4f506",
        "attempt": attempt,
        "first_step": first_step,
        "total_steps": total_steps,
        "global_batch": 32,
        "pid": 4711,
        "device": "cpu (2 threads)",
        "metrics": METRICS,
    }
    return Run(**(values | changes))


def step(number: int, *, total: int = 600, seed: int = 0, **changes: float) -> Step:
    """Losses fall, cosines rise, with noise; the same number gives the same step."""
    dice = random.Random(seed * 1_000_003 + number)
    done = number / total
    ce = 1.1 + 5.2 * math.exp(-number / 60) + dice.gauss(0, 0.06)
    kv = 0.25 + 0.7 * math.exp(-number / 150) + dice.gauss(0, 0.015)
    metrics = {
        "loss": ce + kv,
        "ce": ce,
        "kv": kv,
        "cosine": 0.93 - 0.85 * math.exp(-number / 140) + dice.gauss(0, 0.012),
        "learning_rate": 2e-4 * 0.5 * (1 + math.cos(math.pi * done)),
        "grad_norm": 0.9 + math.exp(-number / 40) * 4 + abs(dice.gauss(0, 0.15)),
        "step_ms": 190 + dice.gauss(0, 9),
        "tokens_per_s": 21_400 + dice.gauss(0, 700) - (5000 if number < 4 else 0),
        "memory_bytes": 1.61e9 + (number > 20) * 0.22e9,
    }
    return Step(step=number, tokens=number * 4096, metrics=metrics | changes)


def events(total: int = 600) -> Iterator[tuple[float, Event]]:
    """Seconds since the start, and what is said: a spike, evaluations, a crash, a resume, an end."""
    yield 0.0, run(total_steps=total)
    yield 0.4, Log(level="info", message="data: 4 800 rows, 150 batches per epoch, windows of 16")
    yield 1.8, Rehearsal(micro_batch=8, length=192, peak_bytes=1_830_000_000, seconds=1.4)
    t = 2.0
    crash = total * 7 // 12
    kept = crash - crash % 50
    for number in range(1, crash + 1):
        t += 0.2 + (0.9 if number % 100 == 0 else 0.0)
        yield t, step(number, total=total, **({"loss": 8.69} if number == total // 3 + 7 else {}))
        if number % 50 == 0:
            yield (
                t + 0.15,
                Checkpoint(
                    step=number,
                    path=f"checkpoints/step-{number:06}",
                    bytes=41_234_567,
                    seconds=0.31,
                ),
            )
        if number % 100 == 0:
            yield t + 0.18, Eval(step=number, metrics=held_out(number))
    t += 1800  # the machine went away; half an hour later the run goes on
    yield t, run(attempt=2, first_step=kept, total_steps=total)
    yield t + 0.9, Resume(step=kept, path=f"checkpoints/step-{kept:06}", proof="bitwise")
    yield t + 1.0, Log(level="warning", message="the disk of the run folder is 91 % full")
    for number in range(kept + 1, total + 1):
        t += 0.2 + (0.9 if number % 100 == 0 else 0.0)
        yield t, step(number, total=total, seed=1)
        if number % 50 == 0:
            yield (
                t + 0.15,
                Checkpoint(
                    step=number,
                    path=f"checkpoints/step-{number:06}",
                    bytes=41_234_567,
                    seconds=0.29,
                ),
            )
    yield t + 3, Heartbeat(step=total)
    yield t + 9, End(status="finished", reason="all steps done", step=total, result=result())


def held_out(number: int) -> dict[str, float]:
    return {
        "ce": 1.2 + 4 * math.exp(-number / 80),
        "cosine": 0.9 - 0.8 * math.exp(-number / 140),
        "cosine_shuffled": 0.31,
    }


def result() -> dict[str, float]:
    return {
        "exact_match": 0.421875,
        "ce": 1.2083,
        "cosine": 0.9017,
        "cosine_shuffled": 0.3127,
        "cosine_centred": 0.8421,
    }


def lines(total: int = 600, upto: float = math.inf) -> list[Line]:
    return [
        Line(seq=seq, t=T0 + t, event=event)
        for seq, (t, event) in enumerate(events(total), start=1)
        if t <= upto
    ]


def written(all_lines: list[Line]) -> str:
    return "".join(to_line(line.event, seq=line.seq, t=line.t) for line in all_lines)


def run_folder(folder: Path, all_lines: list[Line] | None = None) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    text = written(lines() if all_lines is None else all_lines)
    (folder / "events.jsonl").write_text(text, encoding="utf-8", newline="\n")
    return folder


RULED: dict[str, tuple[object, str]] = {
    "data.digest": (
        "sha256:0b8f21c6aa3e9d70215f4c6b8e1d2f3a4b5c6d7e8f90a1b2c3d4e5f60718293a",
        "data_digest@1",
    ),
    "data.max_length": (192, "max_length@1"),
    "data.revision": (None, "revision@1"),
    "model.teacher.digest": (
        "sha256:6f1c8a7e5d4c3b2a19087f6e5d4c3b2a1f0e9d8c7b6a594837261504f3e2d1c0",
        "teacher_digest@1",
    ),
    "model.student.digest": (
        "sha256:a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f90",
        "student_digest@1",
    ),
    "model.teacher.revision": (None, "revision@1"),
    "model.student.revision": (None, "revision@1"),
    "objective.kv.teacher_dim": (tuple([128] * 4), "kv_width@1"),
    "objective.kv.student_dim": (tuple([64] * 4), "kv_width@1"),
    "objective.kv.layers": ((0, 1, 2, 3), "layer_map@1"),
    "objective.kv.layer_map": ((0, 2, 4, 5), "layer_map@1"),
    "objective.kv.projector.in_dim": (tuple([64] * 4), "projector_dims@1"),
    "objective.kv.projector.out_dim": (tuple([128] * 4), "projector_dims@1"),
    "objective.kv.projector.hidden_dim": (tuple([32] * 4), "projector_dims@1"),
    "train.steps": (600, "steps@1"),
    "train.device": ("cpu", "device@1"),
    "train.precision": ("float32", "precision@1"),
    "train.param_dtype": ("float32", "param_dtype@1"),
    "train.optimizer_state_dtype": ("float32", "optimizer_state_dtype@1"),
    "train.attention": ("sdpa", "attention@1"),
    "train.gradient_checkpointing": (False, "gradient_checkpointing@1"),
    "train.compile": (False, "compile@1"),
    "train.micro_batch": (8, "micro_batch@1"),
    "train.accumulation": (4, "accumulation@1"),
    "train.world": (1, "world@1"),
    "train.parallel": ("single", "parallel@1"),
    "train.teacher_placement": ("same_device", "teacher_placement@1"),
    "train.threads": (2, "threads@1"),
    "train.reproducibility": ("bitwise", "reproducibility@1"),
    "software.python": ("3.11", "software@1"),
    "software.torch": ("2.13.0", "software@1"),
    "software.transformers": ("5.23.0", "software@1"),
    "paths.data": (("$KAVA_DATA_PATH", "./data"), "paths@1"),
    "paths.models": (("$KAVA_MODEL_PATH", "./models"), "paths@1"),
    "paths.output": (("$KAVA_OUTPUT_PATH", "./runs"), "paths@1"),
    "paths.cache": (("$KAVA_CACHE_PATH", "./.cache"), "paths@1"),
    "loader.workers": (0, "workers@1"),
    "checkpoint.every": (50, "checkpoint_every@1"),
    "scheduler.kind": ("none", "scheduler_kind@1"),
    "scheduler.nodes": (1, "scheduler_nodes@1"),
    "scheduler.gpus_per_node": (0, "scheduler_gpus@1"),
    "scheduler.cpus": (2, "scheduler_cpus@1"),
    "scheduler.memory_bytes": (8_589_934_592, "scheduler_memory@1"),
    "scheduler.walltime_s": (3600, "scheduler_walltime@1"),
}
MEANINGS = {
    "data.digest": "What it is: SHA-256 over the rows of both splits.",
    "train.micro_batch": "Rows that one process computes at once.",
    "train.precision": "What matrix products are computed in.",
    "train.global_batch": "Rows per optimizer step, over all micro-batches and processes.",
}
YOURS: dict[str, object] = {
    "name": "kava",
    "model.teacher.source": "builtin:tiny-teacher",
    "model.student.init": "teacher_layers",
    "model.student.layers": (0, 2, 4, 5),
    "data.source": "builtin:arithmetic",
    "train.global_batch": 32,
    "train.epochs": 4,
    "eval.every": 100,
}
DETAILS: dict[str, dict] = {
    "train.precision": {
        "because": "the processor has no instruction that makes 16-bit products faster",
        "sources": (
            Source(name="train.device", value="cpu", how="device@1"),
            Source(
                name="fact.canary.bfloat16",
                value="slower",
                how="measured by canary@1",
                evidence="a 1024 x 1024 product, right to 3 digits",
            ),
            Source(name="fact.cpu.features", value=("avx2",), how="measured by cpu@1", evidence="/proc/cpuinfo"),
        ),
        "rejected": (
            Rejected(value="bfloat16", because="correct here but slower than float32"),
            Rejected(value="float16", because="this processor cannot add float16 numbers without losing small gradients"),
        ),
        "guard": ('fact.canary.float32 == "faster"',),
        "feeds": ("train.param_dtype", "train.micro_batch", "train.attention"),
    },
    "train.micro_batch": {
        "because": "the largest divisor of 32 that fits into 8.00 GiB with 512 tokens",
        "terms": (
            Term(name="rows", formula="min(8, 32)", value=8),
            Term(name="budget", formula="8589934592 * 900 // 1000", value=7_730_941_132),
        ),
        "sources": (
            Source(name="train.global_batch", value=32, how="spec"),
            Source(name="fact.memory.total_bytes", value=8_589_934_592, how="measured by memory@1", evidence="cgroup memory.max", trust="measured", unit="bytes"),
            Source(name="fact.memory.batch_table", value=((42949672960, 8), (0, 1)), how="assumed by original_table@1", trust="assumed", weakest=True, unseen="no evidence kept"),
        ),
        "rejected": (
            Rejected(value=16, because="needs 15.2 GiB, more than the 7.2 GiB that may be used"),
            Rejected(value=4, because="fits, but leaves half of the memory empty"),
        ),
        "provisional": "rests on the original's memory table; `run` confirms it with one step at the longest shape",
        "feeds": ("train.accumulation",),
        "reaches": ("scheduler.cpus", "scheduler.nodes"),
        "find_flips": lambda: (
            Flip(source="fact.memory.total_bytes", op=">=", at=16_106_127_360, to=16, unit="bytes"),
            Flip(source="train.global_batch", op="==", at=33, to=None, stop="33 is not a multiple of 8"),
        ),
    },
}  # fmt: skip


def explanations() -> dict[str, Explanation]:
    """One for every key of the schema, in the order of a lock."""
    found = {key: _explanation(key, field) for key, field in _keys(SpecModel, "")}
    return dict(sorted(found.items()))


def _keys(model, prefix: str):
    for name, field in model.model_fields.items():
        kind = next(
            (
                a
                for a in (field.annotation, *getattr(field.annotation, "__args__", ()))
                if _is_group(a)
            ),
            None,
        )
        if kind is not None:
            yield from _keys(kind, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", field


def _is_group(annotation: object) -> bool:
    return isinstance(annotation, type) and hasattr(annotation, "model_fields")


def _explanation(key: str, field) -> Explanation:
    extra = field.json_schema_extra
    value, by, because, asked = field.default, "default@1", "left out, so the default", "left out"
    if key in RULED:
        value, by = RULED[key]
        because, asked = "the only choice that the facts leave open", 'left out, which means "auto"'
    elif key in YOURS:
        value, by, because, asked = YOURS[key], "spec", "kava.toml says so", "kava.toml:12:1"
    assert value != AUTO, key
    if value is ... or type(value).__name__ == "PydanticUndefinedType":
        value = None
    values = {
        "key": key,
        "value": freeze(value),
        "tier": extra["tier"],
        "by": by,
        "meaning": MEANINGS.get(key, "Which of the possible values the run uses."),
        "unit": extra.get("unit", ""),
        "because": because,
        "asked": asked,
        "find_override": lambda: Paste(
            text=f"[{key.rpartition('.')[0]}]\n{key.rpartition('.')[2]} = {toml(freeze(value))}",
            at="at the end of kava.toml",
            lines=range(99, 99),
        ),
    }
    return Explanation(**(values | DETAILS.get(key, {})))
