"""`objective.kind = "kv"`: the student learns the keys and values that the teacher leaves in its cache."""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import Ge, MinLen

from kavaspec.decision import AUTO
from kavaspec.spec.key import Group, key

Dim = Annotated[int, Ge(1)]
Dims = Annotated[list[Dim], MinLen(1)]
Layer = Annotated[int, Ge(0)]


class Projector(Group):
    """The map between teacher width and student width."""

    kind: Literal["none", "linear", "mlp", "low_rank"] = key("low_rank", "experiment")
    """`low_rank`: two matrices through `rank`; `linear`: one matrix and a bias; `mlp`: LayerNorm,
    Linear, SiLU, Dropout, Linear (the original); `none`: widths must be equal."""
    side: Literal["teacher", "student"] = key("student", "experiment")
    """Whose keys and values are projected. On the student side the target is fixed, so that the
    cosine means something; a trainable projector on the teacher side can follow a collapse."""
    in_dim: Dim | Dims = key(AUTO, "experiment", unit="features")
    """Width that enters the projector: that of `side`. A list when `aggregate = "none"`."""
    out_dim: Dim | Dims = key(AUTO, "experiment", unit="features")
    """Width that leaves the projector: that of the other side."""
    hidden_dim: Dim | Dims = key(AUTO, "experiment", unit="features")
    """Width between the two matrices of `mlp` (in_dim, as the original) and `low_rank` (rank)."""
    rank: int = key(32, "experiment", unit="features", ge=1)
    """Rank of `low_rank`; without effect for the other kinds."""
    dropout: float = key(0.0, "experiment", ge=0.0, lt=1.0)
    """Dropout inside `mlp`; without effect for the other kinds."""
    share_kv: bool = key(False, "experiment")
    """One projector for keys and values, instead of one each."""


class Kv(Group):
    """Which keys and values are compared, and how."""

    tensors: list[Literal["key", "value"]] = key(["key", "value"], "experiment", min_length=1)
    """Which halves of the cache are compared."""
    key_weight: float = key(1.0, "experiment", ge=0.0)
    """Weight of the keys' term."""
    value_weight: float = key(1.0, "experiment", ge=0.0)
    """Weight of the values' term."""
    layers: list[Layer] = key(AUTO, "experiment", unit="student layers", min_length=1)
    """Student layers that are compared."""
    layer_map: list[Layer] = key(AUTO, "experiment", unit="teacher layers", min_length=1)
    """Teacher layers: with `aggregate = "none"` one for each entry of `layers`, else all that are
    aggregated."""
    aggregate: Literal["concat", "mean", "weighted", "none"] = key("none", "experiment")
    """`none` compares layer by layer; the others first make one vector per token of all layers."""
    weight_start: float = key(0.5, "experiment", ge=0.0)
    """`weighted`: weight of the first layer; linear up to `weight_stop`, then normalised to sum 1."""
    weight_stop: float = key(1.0, "experiment", ge=0.0)
    """`weighted`: weight of the last layer."""
    teacher_dim: Dim | Dims = key(AUTO, "experiment", unit="features")
    """Width of the teacher's vector for one token and one tensor, from its KV layout (never from
    `hidden_size`). A list, one for each pair of layers, when `aggregate = "none"`."""
    student_dim: Dim | Dims = key(AUTO, "experiment", unit="features")
    """Width of the student's vector, likewise."""
    loss: Literal["cosine", "mse", "smooth_l1", "mercator"] = key("cosine", "experiment")
    """`mercator` is the original's: alpha x (1 - cosine) + beta x MSE of the log magnitudes."""
    alpha: float = key(1.0, "experiment", ge=0.0)
    """`mercator`: weight of the cosine."""
    beta: float = key(0.01, "experiment", ge=0.0)
    """`mercator`: weight of the log-magnitude term."""
    normalise: Literal["none", "layer_std"] = key("layer_std", "experiment")
    """`layer_std` divides both sides by the standard deviation of the teacher's tensor."""
    mask: Literal["attention", "none"] = key("attention", "experiment")
    """`attention` leaves padding out of the mean; `none` counts it in, as the original did."""
    weight: float = key(1.0, "experiment", ge=0.0)
    """Weight of the whole KV term beside the cross-entropy."""
    projector: Projector = Projector()


PRESETS: dict[str, dict[str, object]] = {
    "safe": {},
    "seed": {
        "objective.ce_weight": 0.0,
        "objective.kv.tensors": ["key", "value"],
        "objective.kv.value_weight": 0.0,  # the original built a value adapter and never trained it
        "objective.kv.aggregate": "concat",
        "objective.kv.loss": "mercator",
        "objective.kv.normalise": "none",
        "objective.kv.mask": "none",
        "objective.kv.projector.kind": "mlp",
        "objective.kv.projector.side": "teacher",
        "objective.kv.projector.dropout": 0.1,
    },
}
"""`safe` is what the defaults above say; `seed` is the original system, defects included."""
