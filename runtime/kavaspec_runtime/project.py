"""The trainable map between the teacher's width and the student's: exactly the locked dimensions.

    none       x                                                       widths are equal
    linear     Linear(in, out)
    low_rank   Linear(in, hidden) -> Linear(hidden, out), no biases
    mlp        LayerNorm(in) -> Linear(in, hidden) -> SiLU -> Dropout -> Linear(hidden, out)

The original is `mlp` with 7168 -> 7168 -> 3072, one for keys and one for values: 146,849,792
parameters. Keys and values have a map each unless `share_kv`; each pair of layers has its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True, slots=True)
class Shape:
    """One map's locked dimensions."""

    kind: str
    in_dim: int
    hidden_dim: int
    out_dim: int
    dropout: float


class Projector(nn.Module):
    """One map for each compared tensor (`key`, `value`) and each pair of layers."""

    def __init__(self, shapes: Sequence[Shape], tensors: Sequence[str], *, share_kv: bool) -> None:
        super().__init__()
        names = ("both",) if share_kv else tuple(tensors)
        self.maps = nn.ModuleDict(
            {name: nn.ModuleList(build(shape) for shape in shapes) for name in names}
        )
        self._name = {tensor: "both" if share_kv else tensor for tensor in tensors}

    def forward(self, x_NF: Tensor, tensor: str, pair: int) -> Tensor:
        """`[N, in_dim]` to `[N, out_dim]`, in the dtype of the computation."""
        maps = self.maps[self._name[tensor]]
        assert isinstance(maps, nn.ModuleList)
        layer = maps[pair]
        weight = next(layer.parameters(), None)
        y_NF: Tensor = layer(x_NF if weight is None else x_NF.to(weight.dtype))
        return y_NF


def build(shape: Shape) -> nn.Module:
    """One map with its initial weights, drawn from the default generator."""
    return BUILDERS[shape.kind](shape)


def _none(shape: Shape) -> nn.Module:
    assert shape.in_dim == shape.out_dim, "the compiler lets `none` through only for equal widths"
    return nn.Identity()


def _linear(shape: Shape) -> nn.Module:
    return xavier(nn.Linear(shape.in_dim, shape.out_dim))


def _low_rank(shape: Shape) -> nn.Module:
    down = nn.Linear(shape.in_dim, shape.hidden_dim, bias=False)
    up = nn.Linear(shape.hidden_dim, shape.out_dim, bias=False)
    nn.init.orthogonal_(down.weight)  # lengths survive, so the first cosine is not noise
    nn.init.orthogonal_(up.weight)
    return nn.Sequential(down, up)


def _mlp(shape: Shape) -> nn.Module:
    return nn.Sequential(
        nn.LayerNorm(shape.in_dim),
        xavier(nn.Linear(shape.in_dim, shape.hidden_dim)),
        nn.SiLU(),
        nn.Dropout(shape.dropout),
        xavier(nn.Linear(shape.hidden_dim, shape.out_dim)),
    )


def xavier(linear: nn.Linear) -> nn.Linear:
    nn.init.xavier_uniform_(linear.weight)
    nn.init.zeros_(linear.bias)
    return linear


BUILDERS = {"none": _none, "linear": _linear, "low_rank": _low_rank, "mlp": _mlp}
