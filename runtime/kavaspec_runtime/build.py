"""From settings to objects: the only place of the runtime where the lock is looked up.

rows, tokens, data order     Feed, Exam
teacher, student, projector  Models       (their KV shapes are held against the lock)
loss                         Objective
AdamW, schedule, clip        Trainer
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol

import torch
import transformers

from kavaspec.errors import Exit, fail
from kavaspec.lock.model import Here
from kavaspec.sizes import spelled
from kavaspec.sources.rows import Row as Columns
from kavaspec.sources.rows import read_rows
from kavaspec_runtime import load
from kavaspec_runtime.capture import Kept, keep_cache_while_checkpointing, logits_at
from kavaspec_runtime.data import Batch, Feed, Template, four_tokens, hold_labels
from kavaspec_runtime.device import BACKENDS, DTYPES, device_of, scaler_for, title
from kavaspec_runtime.evaluate import Exam, hold_against
from kavaspec_runtime.lora import Lora, adapt
from kavaspec_runtime.objectives import objective_for
from kavaspec_runtime.objectives.objective import Models, Objective
from kavaspec_runtime.optimizer import MOMENT_DTYPES, Recipe, Schedule, adamw, trainable
from kavaspec_runtime.order import Order
from kavaspec_runtime.randomness import seeded
from kavaspec_runtime.remember import Layout, Remembered, name_of
from kavaspec_runtime.settings import Settings
from kavaspec_runtime.step import Trainer

Tell = Callable[[str], None]

Read = Callable[..., Any]
"""`load.pretrained`, or what makes a model as it would be without reading weights."""

SCALE_ROWS = 64
"""At most so many rows decide the scales of `objective.kv.normalise`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """When things happen."""

    steps: int
    last_step: int
    """`steps`, or fewer for a smoke run; the schedule follows `steps`."""
    global_batch: int
    micro_batch: int
    max_length: int
    eval_every: int
    log_every: int
    checkpoint_every: int
    keep: int
    reproducibility: str
    on_oom: str
    device_name: str
    threads: int


class ModelFiles(Protocol):
    """Where the models lie; None for one that is not needed."""

    @property
    def teacher(self) -> Path | None: ...

    @property
    def student(self) -> Path | None: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Built:
    """Everything that a run needs."""

    trainer: Trainer
    feed: Feed
    exam: Exam
    tokenizer: Any


def plan_of(settings: Settings, here: Here) -> Plan:
    """The numbers that the loop counts with, checked against each other."""
    steps = settings.whole("train.steps")
    plan = Plan(
        steps=steps,
        last_step=steps if here.stop_after is None else min(steps, here.stop_after),
        global_batch=settings.whole("train.global_batch"),
        micro_batch=settings.whole("train.micro_batch"),
        max_length=settings.whole("data.max_length"),
        eval_every=settings.whole("eval.every"),
        log_every=settings.whole("logging.every"),
        checkpoint_every=settings.whole("checkpoint.every"),
        keep=settings.whole("checkpoint.keep"),
        reproducibility=settings.text("train.reproducibility"),
        on_oom=settings.text("train.on_oom"),
        device_name=settings.text("train.device"),
        threads=settings.whole("train.threads"),
    )
    _one_process(settings)
    _exact_batch(plan, settings.whole("train.accumulation"))
    return plan


def build(settings: Settings, here: Here, tell: Tell) -> Built:
    """All objects, with nothing trained yet. `tell` is given a line before what takes time.

    Raises:
        KavaError: 4 when a loaded model is not what was locked, 7 or 8 for data and files.
    """
    device = device_of(settings.text("train.device"), here.device_index)
    objective = objective_of(settings)
    tell(_loading(settings, here))
    with load.headers_parsed_once(here.teacher, here.student):
        tokenizer = load.tokenizer_of(_path(here.student or here.teacher, "student"))
        feed, exam = data_of(settings, here, objective, tokenizer)
        models = models_of(settings, here, objective, device, load.pretrained)
    if here.judge_at_most is not None:
        few = f"{len(exam.rows)} held-out rows and {len(exam.questions)} questions"
        tell(f"a smoke run is judged on {few} only")
    _plain_head(models)
    objective.checked(models)
    sample = feed.order.rows(0)[:SCALE_ROWS]
    # row by row: the scales must not depend on the micro-batch
    objective = objective.measured(models, [feed.batch([row]).to(device) for row in sample])
    if objective.needs_teacher and settings.text("train.teacher_placement") == "cached":
        models = replace(
            models, remembered=remembered_by(settings, here, feed, models, objective, tell)
        )
    return Built(
        trainer=trainer_of(settings, models, objective), feed=feed, exam=exam, tokenizer=tokenizer
    )


def objective_of(settings: Settings) -> Objective:
    """What is learned."""
    return objective_for(settings.text("objective.kind")).of(settings)


def backend_of(settings: Settings) -> str:
    """What torch calls the locked device."""
    return BACKENDS[settings.text("train.device")]


def longest_row(settings: Settings) -> int:
    """In tokens."""
    return settings.whole("data.max_length")


def _loading(settings: Settings, here: Here) -> str:
    named = (("teacher", here.teacher), ("student", here.student))
    files = [
        f"{role} {settings.text(f'model.{role}.source')}"
        + (" (dequantising takes some seconds)" if path.is_file() else "")
        for role, path in named
        if path is not None
    ]
    return f"loading {' and '.join(files)}"


# ---- data


def data_of(
    settings: Settings, here: Here, objective: Objective, tokenizer: Any
) -> tuple[Feed, Exam]:
    """Rows of both splits as tokens, and the order in which they are read."""
    source = settings.text("data.source")
    split, eval_split = settings.text("data.split"), settings.text("data.eval_split")
    train_rows = read_rows(source, here.data, split)
    eval_rows = read_rows(source, here.data, eval_split)
    _same_data(settings, train_rows, eval_rows)
    template = Template(
        prompt=settings.text("data.prompt"),
        completion=settings.text("data.completion"),
        loss_on=settings.text("data.loss_on"),
        max_length=settings.whole("data.max_length"),
        tokenizer=tokenizer,
    )
    rows = template.rows(train_rows, f"{source} {split}")
    judged = [
        rows if here.judge_at_most is None else min(rows, here.judge_at_most)
        for rows in (settings.whole("eval.rows"), settings.whole("eval.exact_match_rows"))
    ]
    held_out = template.rows(eval_rows[: max(judged)], f"{source} {eval_split}")
    pad_id = tokenizer.eos_token_id if tokenizer.pad_token_id is None else tokenizer.pad_token_id
    micro_batch = settings.whole("train.micro_batch")
    feed = Feed(
        rows=rows,
        order=Order(
            lengths=[len(row.ids) for row in rows],
            global_batch=settings.whole("train.global_batch"),
            window=settings.whole("data.window"),
            tail=settings.text("data.tail"),
            seed=settings.whole("train.seed"),
        ),
        micro_batch=micro_batch,
        pad_id=pad_id,
        pad_to=template.max_length if objective.counts_padding else None,
        split=split,
        max_length=template.max_length,
    )
    feed.hold_labels(settings.whole("train.steps"))
    exam = Exam(
        rows=held_out[: judged[0]],
        questions=held_out[: judged[1]],
        max_new_tokens=settings.whole("eval.max_new_tokens"),
        answer_after=settings.text("eval.answer_after"),
        batch=micro_batch + micro_batch % 2,
        tokenizer=tokenizer,
        pad_id=pad_id,
    )
    hold_labels(
        exam.rows,
        range(len(exam.rows)),
        eval_split,
        "the student is judged on",
        template.max_length,
    )
    hold_against(exam.questions, exam.answer_after)
    return feed, exam


def _same_data(settings: Settings, train_rows: list[Columns], eval_rows: list[Columns]) -> None:
    from kavaspec.sources.digest import data_digest

    locked = settings.text("data.digest")
    found = data_digest(train_rows, eval_rows)
    if found != locked and "data.digest" not in settings.provisional:
        raise fail(
            f"the data is {found}, the lock says {locked}",
            Exit.DRIFT,
            code="KV0405",
            key="data.digest",
            hint="bring back the rows that were locked, or run `kavaspec lock --refresh`",
        )


# ---- models


def models_of(
    settings: Settings,
    files: ModelFiles,
    objective: Objective,
    device: torch.device,
    read: Read,
) -> Models:
    """Teacher, student and projector, each where it computes."""
    load.quiet()
    student, teacher = student_and_teacher(settings, files, objective, device, read)
    seed = settings.whole("train.seed")
    with seeded(seed, "projector"):
        projector = load.moved(load.cast(objective.projector(), student.dtype), device)
    with seeded(seed, "lora"):
        adapt(student, lora_of(settings))
    if settings.flag("train.gradient_checkpointing"):
        keep_cache_while_checkpointing(student)
    if settings.flag("train.compile"):
        student.base_model.compile(dynamic=True)
    return Models(
        student=student,
        teacher=teacher,
        projector=projector,
        device=device,
        precision=DTYPES[settings.text("train.precision")],
        teacher_depth=objective.teacher_depth,
        mask_padding=objective.counts_padding,
    )


def student_and_teacher(
    settings: Settings,
    files: ModelFiles,
    objective: Objective,
    device: torch.device,
    read: Read,
) -> tuple[Any, Any | None]:
    """Both models; a file that both are made from is read once where the bits allow it."""
    init = settings.text("model.student.init")
    if init == "random":
        student = random_student(settings, files, device)
        return student, frozen_teacher(settings, files, objective, device, read, None)
    role = "teacher" if init == "teacher_layers" else "student"
    whole = read(
        _path(files.teacher if role == "teacher" else files.student, role),
        role=role,
        dtype=DTYPES[settings.text("train.param_dtype")],
        device=device,
        attention=settings.text("train.attention"),
        quantization="none",
    )
    if init == "pretrained":
        return whole, frozen_teacher(settings, files, objective, device, read, None)
    kept = settings.wholes("model.student.layers")
    student = load.with_layers(whole, kept, settings.text("train.attention"))
    return student, frozen_teacher(settings, files, objective, device, read, whole)


def random_student(settings: Settings, files: ModelFiles, device: torch.device) -> Any:
    return load.random(
        _path(files.student, "student"),
        seed=settings.whole("train.seed"),
        dtype=DTYPES[settings.text("train.param_dtype")],
        device=device,
        attention=settings.text("train.attention"),
    )


def frozen_teacher(
    settings: Settings,
    files: ModelFiles,
    objective: Objective,
    device: torch.device,
    read: Read,
    whole: Any | None,
) -> Any | None:
    """The teacher, in the precision that is computed in; `whole` is the same model if it was read."""
    if not objective.needs_teacher:
        return None
    precision = DTYPES[settings.text("train.precision")]
    quantization = settings.text("model.teacher.quantization")
    place = torch.device("cpu") if settings.text("train.teacher_placement") == "cpu" else device
    if whole is not None and quantization == "none" and whole.dtype in (torch.float32, precision):
        teacher = load.moved(load.cast(whole, precision), place)
    else:
        teacher = read(
            _path(files.teacher, "teacher"),
            role="teacher",
            dtype=precision,
            device=place,
            attention=settings.text("train.attention"),
            quantization=quantization,
        )
    teacher.eval().requires_grad_(requires_grad=False)
    return load.without_layers_after(teacher, objective.teacher_depth)


def remembered_by(
    settings: Settings, here: Here, feed: Feed, models: Models, objective: Objective, tell: Tell
) -> Remembered:
    """What the teacher sees of every row, on disk: found there, or filled while training."""
    assert here.cache is not None, "preflight refuses a lock that keeps things where no place is"

    def teach(batch: Batch) -> Kept:
        with models.computing():
            return models.teacher_reads(batch.to(models.device))

    layout = Layout.of(teach(four_tokens()), objective.teacher_layers)
    together, threads = settings.whole("train.micro_batch"), settings.whole("train.threads")
    device = title(settings.text("train.device"), models.device, threads)
    versions = (torch.__version__, transformers.__version__)
    name = name_of(
        *(settings.text(f"model.teacher.{word}") for word in ("digest", "quantization")),
        *(settings.text(f"train.{word}") for word in ("precision", "attention", "reproducibility")),
        *(device, together, versions, layout),
        sha256(repr([row.ids for row in feed.rows]).encode()).hexdigest(),
    )
    folder = here.cache / "teacher" / name
    tokens = sum(len(row.ids) for row in feed.rows)
    size = spelled(tokens * layout.token_bytes, "bytes")
    tell(f"what the teacher sees is kept in {folder}: {size} for all {len(feed.rows)} rows")
    return Remembered(folder, feed, layout, teach, together=together, tell=tell)


def lora_of(settings: Settings) -> Lora:
    return Lora(
        rank=settings.whole("train.lora.rank"),
        alpha=settings.number("train.lora.alpha"),
        dropout=settings.number("train.lora.dropout"),
        targets=settings.texts("train.lora.targets"),
    )


# ---- training


def trainer_of(settings: Settings, models: Models, objective: Objective) -> Trainer:
    """Optimizer, schedule and what else a step needs."""
    weights = [*trainable(models.student).values(), *trainable(models.projector).values()]
    return Trainer(
        models=models,
        objective=objective,
        optimizer=adamw(models.student, models.projector, recipe_of(settings)),
        scaler=scaler_for(models.precision, models.device),
        weights=weights,
        schedule=Schedule(
            kind=settings.text("train.schedule"),
            warmup_steps=settings.whole("train.warmup_steps"),
            steps=settings.whole("train.steps"),
            final=settings.number("train.final_learning_rate"),
        ),
        clip=settings.limit("train.clip"),
        seed=settings.whole("train.seed"),
    )


def recipe_of(settings: Settings) -> Recipe:
    return Recipe(
        learning_rate=settings.number("train.learning_rate"),
        projector_learning_rate=settings.number("train.projector_learning_rate"),
        weight_decay=settings.number("train.weight_decay"),
        beta1=settings.number("train.beta1"),
        beta2=settings.number("train.beta2"),
        epsilon=settings.number("train.epsilon"),
        state_dtype=MOMENT_DTYPES[settings.text("train.optimizer_state_dtype")],
        seed=settings.whole("train.seed"),
    )


# ---- refusals


def _path(path: Any, role: str) -> Any:
    if path is None:
        raise fail(
            f"the {role} was not found on this machine",
            Exit.ENVIRONMENT,
            code="KV0206",
            key=f"model.{role}.source",
            hint="check paths.models, or run `kavaspec fetch` where there is network",
        )
    return path


def _one_process(settings: Settings) -> None:
    world = settings.whole("train.world")
    if world != 1:
        raise fail(
            f"train.world is {world}, this version trains with one process",
            Exit.UNSATISFIABLE,
            code="KV0756",
            key="train.world",
            hint="set train.world = 1 and lock again; the experiment stays the same",
        )


def _exact_batch(plan: Plan, accumulation: int) -> None:
    if plan.micro_batch * accumulation != plan.global_batch:
        raise fail(
            f"train.micro_batch {plan.micro_batch} x train.accumulation {accumulation} x train.world 1 "
            f"is {plan.micro_batch * accumulation}, train.global_batch is {plan.global_batch}",
            Exit.UNSATISFIABLE,
            code="KV0710",
            key="train.micro_batch",
            hint="the product has to be train.global_batch; lock again",
        )


@torch.no_grad()
def _plain_head(models: Models) -> None:
    """Logits are taken where there are labels, past the model's own forward: is that the same?"""
    batch = four_tokens().to(models.device)
    models.student.eval()
    whole_NV = models.student(input_ids=batch.ids_BT).logits[:, :-1].flatten(0, 1).float()
    ours_NV = logits_at(models.student, models.student_sees(batch).hidden_BTC, batch.label_BT)
    if not torch.allclose(whole_NV, ours_NV.float(), rtol=1e-2, atol=1e-2):
        raise fail(
            f"{type(models.student).__name__} changes its logits after the vocabulary head "
            "(soft-capping or scaling), which this version does not compute",
            Exit.UNSATISFIABLE,
            code="KV0811",
            key="model.student.source",
            hint="choose another student, such as one of the Qwen or Llama families",
        )
