"""What a model leaves in its cache, and what it would say where there are labels.

Shapes: B rows, T tokens, H key-value heads, D head width, F = H x D, N chosen tokens, V vocabulary.

    trunk          the model without its vocabulary head: hidden_BTC and, per layer, keys and values
    logits_at      the head, applied only where there is something to predict

Keys and values are what attention reads: after the rotary embedding, one entry for each token.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import Cache, DynamicLayer

from kavaspec_runtime.data import Batch


class KeptLayer(DynamicLayer):  # type: ignore[misc]  # transformers is not type-checked
    """Keeps the keys and values of one forward pass as they are: no copy, no window.

    Writing twice is writing once: gradient checkpointing computes a layer again during backward.
    """

    is_initialized: bool

    def update(
        self, key_states: Tensor, value_states: Tensor, *_args: object, **_kwargs: object
    ) -> tuple[Tensor, Tensor]:
        self.dtype, self.device = key_states.dtype, key_states.device
        self.keys, self.values = key_states, value_states
        self.is_initialized = True
        return key_states, value_states

    def get_seq_length(self) -> int:
        """Nothing lies before the tokens of this pass."""
        return 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """One forward pass."""

    hidden_BTC: Tensor
    keys_BTF: Sequence[Tensor]
    """By layer; heads side by side."""
    values_BTF: Sequence[Tensor]


def trunk(model: Any, batch: Batch) -> Seen:
    """Everything below the vocabulary head, with the cache that it leaves."""
    kept = Cache(layer_class_to_replicate=KeptLayer)
    out = model.base_model(
        input_ids=batch.ids_BT,
        attention_mask=batch.mask_BT.long(),
        past_key_values=kept,
        # transformers warns about, and drops, a cache that it is told about while checkpointing
        use_cache=not getattr(model.base_model, "gradient_checkpointing", False),
    )
    layers = [layer for layer in kept.layers if getattr(layer, "is_initialized", False)]
    return Seen(
        hidden_BTC=out.last_hidden_state,
        keys_BTF=[side_by_side(layer.keys) for layer in layers],
        values_BTF=[side_by_side(layer.values) for layer in layers],
    )


def side_by_side(x_BHTD: Tensor) -> Tensor:
    """`[B, H, T, D]` to `[B, T, H x D]`: element h x D + d of token t is x[b, h, t, d]."""
    return x_BHTD.transpose(1, 2).flatten(2)


@torch.no_grad()
def teach(teacher: Any, batch: Batch, device: torch.device) -> Seen:
    """The teacher's cache, on the student's device, outside of every graph."""
    seen = trunk(teacher, batch.to(teacher.device))
    return Seen(
        hidden_BTC=seen.hidden_BTC,
        keys_BTF=[keys.to(device) for keys in seen.keys_BTF],
        values_BTF=[values.to(device) for values in seen.values_BTF],
    )


def logits_at(model: Any, hidden_BTC: Tensor, label_BT: Tensor) -> Tensor:
    """float32 logits `[N, V]` for the tokens marked in `label_BT`, from the token before each."""
    before_NC = hidden_BTC[:, :-1][label_BT[:, 1:]]
    logits_NV: Tensor = model.get_output_embeddings()(before_NC)
    return logits_NV.float()


def keep_cache_while_checkpointing(model: Any) -> None:
    """Gradient checkpointing that leaves keys and values where `KeptLayer` can take them.

    Non-reentrant, because the other kind runs the first pass without a graph: the KV loss would
    train nothing, in silence.
    """
    model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    for module in model.modules():
        if hasattr(module, "_can_checkpoint_with_cache"):
            # the guard protects caches that grow when written twice; ours does not
            module._can_checkpoint_with_cache = True  # noqa: SLF001
