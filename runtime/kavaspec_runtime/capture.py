"""What a model leaves in its cache, and what it would say where there are labels.

Shapes: B rows, T tokens, H key-value heads, D head width, F = H x D, N chosen tokens, V vocabulary.

    trunk          the model without its vocabulary head: hidden_BTC and, per layer, keys and values
    teach          the same without a graph, and only up to the keys and values of the last layer
                   that is compared: no attention, no feed-forward and no head after them
    vectors        keys or values of one layer, for the tokens that count
    logits_at      the head, applied only where there is something to predict

Keys and values are what attention reads: after the rotary embedding, one entry for each token.

Rows are padded on the right and attention looks back, so no token ever sees padding: no mask is
given, and attention takes its fastest kernel. A mask is given only where padding is compared too.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
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


class Enough(Exception):
    """The last keys and values that are asked for have been kept. Always caught in this file."""


class KeptCache(Cache):  # type: ignore[misc]  # transformers is not type-checked
    """Keeps every layer, and ends the forward pass at layer `last`, if one is named."""

    def __init__(self, last: int | None) -> None:
        super().__init__(layer_class_to_replicate=KeptLayer)
        self._last = last

    def update(
        self, key_states: Tensor, value_states: Tensor, layer_idx: int, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        both = super().update(key_states, value_states, layer_idx, *args, **kwargs)
        if layer_idx == self._last:
            raise Enough
        return both  # type: ignore[no-any-return]

    def kept(self) -> Kept:
        layers = [layer for layer in self.layers if getattr(layer, "is_initialized", False)]
        return Kept(
            keys_BHTD=[layer.keys for layer in layers],
            values_BHTD=[layer.values for layer in layers],
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Kept:
    """Keys and values of one forward pass, by layer."""

    keys_BHTD: Sequence[Tensor]
    values_BHTD: Sequence[Tensor]

    @property
    def widths(self) -> list[int]:
        """Of each layer: all heads side by side."""
        return [keys.shape[1] * keys.shape[3] for keys in self.keys_BHTD]


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """One forward pass up to the vocabulary head."""

    hidden_BTC: Tensor
    kept: Kept


def trunk(model: Any, batch: Batch, *, mask_padding: bool) -> Seen:
    """Everything below the vocabulary head, with the cache that it leaves."""
    cache = KeptCache(last=None)
    out = _forward(model, batch, cache, mask_padding=mask_padding)
    return Seen(hidden_BTC=out.last_hidden_state, kept=cache.kept())


@torch.no_grad()
def teach(
    teacher: Any, batch: Batch, device: torch.device, *, depth: int, mask_padding: bool
) -> Kept:
    """The keys and values of the first `depth` layers, on the student's device, outside of every graph."""
    cache = KeptCache(last=depth - 1)
    # nothing went wrong: what would follow is computed for nobody
    with suppress(Enough):
        _forward(teacher, batch.to(teacher.device), cache, mask_padding=mask_padding)
    kept = cache.kept()
    return Kept(
        keys_BHTD=[keys.to(device) for keys in kept.keys_BHTD],
        values_BHTD=[values.to(device) for values in kept.values_BHTD],
    )


def _forward(model: Any, batch: Batch, cache: Cache, *, mask_padding: bool) -> Any:
    return model.base_model(
        input_ids=batch.ids_BT,
        attention_mask=batch.mask_BT.long() if mask_padding else None,
        past_key_values=cache,
        # transformers warns about, and drops, a cache that it is told about while checkpointing
        use_cache=not getattr(model.base_model, "gradient_checkpointing", False),
    )


def vectors(x_BHTD: Tensor, counted_BT: Tensor) -> Tensor:
    """`[N, F]`: for each counted token all heads side by side; element h x D + d is x[b, h, t, d]."""
    return x_BHTD.transpose(1, 2)[counted_BT].flatten(1)


def logits_at(model: Any, hidden_BTC: Tensor, label_BT: Tensor) -> Tensor:
    """Logits `[N, V]` for the tokens marked in `label_BT`, from the token before each."""
    before_NC = hidden_BTC[:, :-1][label_BT[:, 1:]]
    logits_NV: Tensor = model.get_output_embeddings()(before_NC)
    return logits_NV


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
