"""What is observed under decided values: what a training step of this very experiment takes.

    precision, dtypes, length, models, objective, ...  ──tried──▶  fact.trial.memory

Other facts are there before anything is decided. These rest on decisions, and others rest on them, so
`resolve` visits them in between. A trial holds for the values that it was made with and for no others:
the lock keeps their digest beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from kavaspec.canon import digest
from kavaspec.plain import Plain

OF = "trial"
"""The only entry of what a trial is a fact of: the digest of the values that it was made with."""

ROWS = (1, 4, 32)
"""Rows at once that are tried. Between them the peak is below the straight line, because it is the
largest of several lines; beyond them it goes on as the last of them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Trial:
    """One thing to observe. All are observed with the same values."""

    fact: str
    again: bool
    """Whether activations are computed again in the backward pass."""


def needs(keys: Iterable[str]) -> list[str]:
    """Those of `keys` that a trial depends on, sorted."""
    return sorted(INPUTS.intersection(keys))


def made_with(values: Mapping[str, Plain]) -> Mapping[str, Plain]:
    """What a trial is made with, of all decided values. Of a weight only whether there is any."""
    found = {key: values[key] for key in needs(values)}
    weights = {key: bool(found[key]) for key in WEIGHTS if key in found}
    return MappingProxyType({**found, **weights})


def of(told: Mapping[str, Plain]) -> Mapping[str, Plain]:
    """What a trial that was made with these values is a fact of, as the lock keeps it."""
    return MappingProxyType({OF: digest(OF, dict(told))[:16]})


KV = "objective.kv"

WEIGHTS = (
    "objective.ce_weight",
    f"{KV}.weight",
    f"{KV}.key_weight",
    f"{KV}.value_weight",
)
"""Nothing is computed for a weight of nought; how large one is takes no memory."""

INPUTS = frozenset(
    {
        *WEIGHTS,
        "data.max_length",
        "model.student.digest",
        "model.student.init",
        "model.student.layers",
        "model.teacher.digest",
        "model.teacher.quantization",
        "objective.kind",
        f"{KV}.aggregate",
        f"{KV}.layer_map",
        f"{KV}.layers",
        f"{KV}.loss",
        f"{KV}.mask",
        f"{KV}.normalise",
        f"{KV}.projector.dropout",
        f"{KV}.projector.hidden_dim",
        f"{KV}.projector.in_dim",
        f"{KV}.projector.kind",
        f"{KV}.projector.out_dim",
        f"{KV}.projector.share_kv",
        f"{KV}.projector.side",
        f"{KV}.student_dim",
        f"{KV}.teacher_dim",
        f"{KV}.tensors",
        "train.attention",
        "train.device",
        "train.lora.dropout",
        "train.lora.rank",
        "train.lora.targets",
        "train.optimizer_state_dtype",
        "train.param_dtype",
        "train.precision",
        "train.teacher_placement",
    }
)
"""Every key that a step's memory depends on, but how many rows there are at once and whether
activations are computed again."""

INDIFFERENT = frozenset(
    {
        f"{KV}.alpha",
        f"{KV}.beta",
        f"{KV}.weight_start",
        f"{KV}.weight_stop",
        "train.beta1",
        "train.beta2",
        "train.clip",
        "train.epsilon",
        "train.final_learning_rate",
        "train.learning_rate",
        "train.lora.alpha",
        "train.projector_learning_rate",
        "train.schedule",
        "train.seed",
        "train.steps",
        "train.warmup_steps",
        "train.weight_decay",
    }
)
"""What a step is built with besides: numbers that are computed with, and take no room."""

MEMORY = Trial(fact="fact.trial.memory", again=False)
CHECKPOINTED = Trial(fact="fact.trial.memory_checkpointed", again=True)

TRIALS = (MEMORY, CHECKPOINTED)


def is_trial(name: str) -> bool:
    """Whether a fact is a trial."""
    return name.startswith("fact.trial.")
