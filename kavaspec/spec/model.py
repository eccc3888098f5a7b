"""What kava.toml may say: every key with its type, tier, default, limits and meaning.

This is the one schema: errors, the JSON Schema, `kavaspec init`, the reference page and the ids are
all made from it. Values that the machine decides have the default `AUTO`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import Ge
from pydantic import StringConstraints

from kavaspec.batch import MOST_ROWS
from kavaspec.decision import AUTO
from kavaspec.spec.key import REQUIRED, Group, key
from kavaspec.spec.objectives import Kind
from kavaspec.spec.objectives.kv import Kv

NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
WORD = r"^[A-Za-z0-9][A-Za-z0-9_.:@/+-]{0,127}$"
DIGEST = r"^sha256:[0-9a-f]{64}$"
Name = Annotated[str, StringConstraints(pattern=NAME)]
Word = Annotated[str, StringConstraints(pattern=WORD)]
Digest = Annotated[str, StringConstraints(pattern=DIGEST)]
Text = Annotated[str, StringConstraints(min_length=1, max_length=4096)]
Dtype = Literal["float32", "bfloat16", "float16"]


class Teacher(Group):
    """The model that is learned from."""

    source: Text = key(REQUIRED, "placement")
    """Where to find it: a hub id (`Qwen/Qwen2.5-1.5B-Instruct`), a folder, a `.gguf` file or
    `builtin:NAME`."""
    revision: Word | None = key(AUTO, "placement")
    """Commit of a hub model; none for a folder, a file or a builtin."""
    digest: Digest = key(AUTO, "experiment")
    """What it is: SHA-256 over weights, config and tokenizer. The same on every machine."""
    quantization: Literal["none", "int8", "nf4"] = key("none", "experiment")
    """How the teacher's weights are held: as they are, or through bitsandbytes."""


class Student(Group):
    """The model that learns."""

    source: Text | None = key(None, "placement")
    """Where to find it; none when it is made from the teacher's layers."""
    revision: Word | None = key(AUTO, "placement")
    """Commit of a hub model; none for a folder, a file or a builtin."""
    digest: Digest = key(AUTO, "experiment")
    """What it starts as: SHA-256 over weights (unless `init = "random"`), config and tokenizer."""
    init: Literal["pretrained", "random", "teacher_layers"] = key("pretrained", "experiment")
    """`pretrained`: weights of the source; `random`: only its config and tokenizer, weights drawn
    from `train.seed`; `teacher_layers`: the teacher with only `model.student.layers`."""
    layers: list[Annotated[int, Ge(0)]] | None = key(None, "experiment", min_length=1)
    """Teacher layers that are kept, with `init = "teacher_layers"`."""


class Model(Group):
    """Who teaches and who learns."""

    teacher: Teacher | None = None
    student: Student = Student()


class Data(Group):
    """What they read."""

    source: Text = key(REQUIRED, "placement")
    """Where to find it: `builtin:arithmetic`, a folder or file (.jsonl, .parquet), or a hub id."""
    revision: Word | None = key(AUTO, "placement")
    """Commit of a hub data set; none for anything else."""
    digest: Digest = key(AUTO, "experiment")
    """What it is: SHA-256 over the rows of both splits."""
    split: Text = key("train", "experiment")
    """Rows to train on: a split, or a part of one (`train[:1000]`)."""
    eval_split: Text = key("test", "experiment")
    """Held-out rows."""
    prompt: Text = key("{question}\n", "experiment")
    """Template of what the model is given; `{column}` is replaced by that column."""
    completion: Text = key("{answer}", "experiment")
    """Template of what the model should write; an end-of-text token follows it."""
    loss_on: Literal["completion", "all"] = key("completion", "experiment")
    """Which tokens the cross-entropy counts."""
    max_length: int = key(AUTO, "experiment", unit="tokens", ge=8)
    """Longer rows are cut at this length."""
    window: int = key(16, "experiment", unit="global batches", ge=1)
    """Rows are sorted by length inside windows of this many global batches; 1 turns it off."""
    tail: Literal["drop", "wrap"] = key("drop", "experiment")
    """The rows of an epoch that do not fill a global batch: leave them, or fill up from its start."""


class ObjectiveGroup(Group):
    """What is learned."""

    kind: Kind = key("kv", "experiment")
    """`kv`: the teacher's key-value cache; `ce`: next-token cross-entropy, without a teacher."""
    ce_weight: float = key(1.0, "experiment", ge=0.0)
    """Weight of the cross-entropy beside the KV term."""
    kv: Kv = Kv()


class Lora(Group):
    """Low-rank adapters on the student; merged when it is exported."""

    rank: int = key(0, "experiment", ge=0)
    """0 trains all weights."""
    alpha: float = key(16.0, "experiment", gt=0.0)
    """Scale of the adapters: alpha / rank."""
    dropout: float = key(0.0, "experiment", ge=0.0, lt=1.0)
    """Dropout before the adapters."""
    targets: list[Word] = key(["q_proj", "k_proj", "v_proj", "o_proj"], "experiment", min_length=1)
    """Names of the linear layers that get an adapter."""


class Train(Group):
    """How it is learned. The first part is the science, the second how this machine computes it."""

    global_batch: int = key(32, "experiment", unit="rows", ge=1, le=MOST_ROWS)
    """Rows per optimizer step, over all micro-batches and processes."""
    epochs: int | None = key(None, "experiment", ge=1)
    """Passes over the data; `steps` follows from it."""
    steps: int = key(AUTO, "experiment", unit="optimizer steps", ge=1)
    """Length of the run; decided from `epochs` (one, when neither is given)."""
    learning_rate: float = key(2e-4, "experiment", gt=0.0)
    """Peak learning rate of the student. Never follows the machine."""
    projector_learning_rate: float = key(1e-3, "experiment", gt=0.0)
    """Peak learning rate of the projector."""
    schedule: Literal["constant", "linear", "cosine"] = key("cosine", "experiment")
    """How the learning rate falls after the warmup."""
    warmup_steps: int = key(0, "experiment", unit="optimizer steps", ge=0)
    """Steps of linear rise from 0."""
    final_learning_rate: float = key(0.0, "experiment", ge=0.0, le=1.0)
    """Where `linear` and `cosine` end, as a share of the peak."""
    weight_decay: float = key(0.01, "experiment", ge=0.0)
    """AdamW's decay; not on biases and norms."""
    beta1: float = key(0.9, "experiment", ge=0.0, lt=1.0)
    """AdamW's decay of the mean."""
    beta2: float = key(0.999, "experiment", ge=0.0, lt=1.0)
    """AdamW's decay of the square."""
    epsilon: float = key(1e-8, "experiment", gt=0.0)
    """AdamW's epsilon."""
    clip: float | None = key(1.0, "experiment", gt=0.0)
    """Largest norm of the gradient of student and projector together; none with no limit."""
    seed: int = key(0, "experiment", ge=0)
    """Of everything random: initial weights, data order, dropout."""
    lora: Lora = Lora()

    device: Literal["cuda", "rocm", "mps", "cpu"] = key(AUTO, "numerics")
    """What computes. `rocm` is what torch also calls cuda."""
    precision: Dtype = key(AUTO, "numerics")
    """What matrix products are computed in."""
    param_dtype: Dtype = key(AUTO, "numerics")
    """What the student's weights are kept in while they are trained."""
    optimizer: Literal["adamw"] = key("adamw", "numerics")
    """The optimizer's implementation."""
    optimizer_state_dtype: Literal["float32", "int8", "bfloat16", "float16"] = key(AUTO, "numerics")
    """What AdamW's two moments are kept in."""
    loss_dtype: Literal["float32"] = key("float32", "numerics")
    """What losses are computed in."""
    attention: Literal["sdpa", "eager"] = key(AUTO, "numerics")
    """Which attention kernel."""
    gradient_checkpointing: bool = key(AUTO, "numerics")
    """Compute activations twice instead of keeping them."""
    compile: bool = key(AUTO, "numerics")
    """torch.compile."""
    micro_batch: int = key(AUTO, "numerics", unit="rows", ge=1)
    """Rows that one process computes at once."""
    accumulation: int = key(AUTO, "numerics", unit="micro-batches", ge=1)
    """Micro-batches per optimizer step: micro_batch x accumulation x world = global_batch."""
    world: int = key(AUTO, "numerics", unit="processes", ge=1)
    """Processes that share a global batch."""
    parallel: Literal["single", "replicated", "sharded"] = key(AUTO, "numerics")
    """How processes share the student."""
    teacher_placement: Literal["same_device", "cpu", "cached"] = key(AUTO, "numerics")
    """Where the teacher computes; `cached`: beside the student, each row once, and then from disk."""
    threads: int = key(AUTO, "numerics", unit="threads", ge=1)
    """CPU threads of one process."""
    reproducibility: Literal["bitwise", "data_exact", "statistical"] = key(AUTO, "numerics")
    """What a second run of this lock on the same kind of device will share with the first."""
    on_oom: Literal["fail", "split"] = key("fail", "numerics")
    """When memory runs out during training: `fail`, or `split`: the same step, and those after it, in
    smaller micro-batches, twice at most. The gradient stays the same, the bits do not; it is told.
    """


class Eval(Group):
    """How the result is judged."""

    every: int = key(0, "experiment", unit="optimizer steps", ge=0)
    """Held-out losses after this many steps; 0: only at the end."""
    rows: int = key(128, "experiment", unit="rows", ge=1)
    """Held-out rows for losses and cosines."""
    exact_match_rows: int = key(64, "experiment", unit="rows", ge=0)
    """Held-out rows that the student answers by itself at the end; 0: none."""
    max_new_tokens: int = key(96, "experiment", unit="tokens", ge=1)
    """Longest answer."""
    answer_after: Text = key("####", "experiment")
    """The text before the final answer, in the data and in what the student writes."""


class Software(Group):
    """Versions that can change bits."""

    python: Word = key(AUTO, "numerics")
    """Minor version of Python."""
    torch: Word = key(AUTO, "numerics")
    """Version of torch, without the build tag."""
    transformers: Word = key(AUTO, "numerics")
    """Version of transformers."""


Places = Annotated[list[Text], "symbolic"]


class Paths(Group):
    """Ordered places; `run` takes the first that exists. `$NAME` is replaced on the machine that runs."""

    data: Places = key(AUTO, "placement", min_length=1)
    """Where data sets lie. `$KAVA_DATA_PATH` comes first."""
    models: Places = key(AUTO, "placement", min_length=1)
    """Where models lie. `$KAVA_MODEL_PATH` comes first."""
    output: Places = key(AUTO, "placement", min_length=1)
    """Where run folders go. `$KAVA_OUTPUT_PATH` comes first."""
    cache: Places = key(AUTO, "placement", min_length=1)
    """Where things that can be made again go. `$KAVA_CACHE_PATH` comes first."""


class Loader(Group):
    """How data is brought."""

    workers: int = key(AUTO, "placement", unit="processes", ge=0)
    """Processes that prepare batches; 0: the trainer does it."""


class Checkpoint(Group):
    """How progress is kept."""

    every: int = key(AUTO, "placement", unit="optimizer steps", ge=1)
    """Steps between checkpoints; the last step always has one."""
    keep: int = key(2, "placement", unit="checkpoints", ge=1)
    """Newest checkpoints that stay."""


class Logging(Group):
    """What is said."""

    every: int = key(1, "placement", unit="optimizer steps", ge=1)
    """Steps between two lines of `events.jsonl`."""


class Scheduler(Group):
    """What the job asks of the cluster."""

    kind: Literal["none", "slurm", "pbs", "sge", "lsf", "kubernetes"] = key(AUTO, "placement")
    """Who starts jobs here."""
    nodes: int = key(AUTO, "placement", unit="nodes", ge=1)
    """Nodes of the job."""
    gpus_per_node: int = key(AUTO, "placement", unit="GPUs", ge=0)
    """GPUs on each node."""
    cpus: int = key(AUTO, "placement", unit="cores", ge=1)
    """Cores on each node."""
    memory_bytes: int = key(AUTO, "placement", unit="bytes", ge=1)
    """Host memory on each node."""
    walltime_s: int = key(AUTO, "placement", unit="seconds", ge=60)
    """Time limit of the job."""
    partition: Word | None = key(None, "placement")
    """Partition or node group, in the site's words."""
    account: Word | None = key(None, "placement")
    """Who pays, in the words of the site."""
    queue: Word | None = key(None, "placement")
    """Queue, in the site's words."""


class SpecModel(Group):
    """The whole file, without `[targets]` and `objective.preset`, which are syntax, not keys."""

    name: Name = key("kava", "placement")
    """Names the run folder."""
    model: Model = Model()
    data: Data = REQUIRED
    objective: ObjectiveGroup = ObjectiveGroup()
    train: Train = Train()
    eval: Eval = Eval()
    software: Software = Software()
    paths: Paths = Paths()
    loader: Loader = Loader()
    checkpoint: Checkpoint = Checkpoint()
    logging: Logging = Logging()
    scheduler: Scheduler = Scheduler()
