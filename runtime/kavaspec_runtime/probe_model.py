"""What a model leaves in its cache, and how big it is, from its config alone: no weight is read.

The model is built and run on the meta device, where tensors have shapes but no content, in bfloat16
(mixture-of-experts models refuse float32 there). Layers are told apart by the type of their cache,
never by arithmetic on `hidden_size`.
"""

from __future__ import annotations

import copy
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from kavaspec.kv_layout import Layer, write_layout
from kavaspec_runtime.load import decoder_layers, first_line, where
from kavaspec_runtime.probe_answer import Answer, Refusal, missing, seen

_TOKENS = 4
_LENGTHS = ("max_position_embeddings", "n_positions", "max_sequence_length", "seq_length")


def describe(path: str, layers: Sequence[int] | None) -> Answer:
    """Facts about a model, or about what is left of it when only some of its layers are kept.

    Names are without the role: `kv_layout`, `parameters`, `vocab_size`, `max_length`, `architecture`.

    Raises:
        Refusal: when the config cannot be read, or a layer does not exist.
    """
    config = read_config(path)
    text = config.get_text_config()
    kept = _kept(layers, int(text.num_hidden_layers))
    model, cache, trouble = _build(path)
    facts = {
        "parameters": seen(_parameters(model, kept), f"counted on {_name(model)} without weights"),
        "vocab_size": seen(getattr(text, "vocab_size", None), "config"),
        "max_length": _max_length(text),
        "architecture": seen(config.model_type, "config"),
    }
    trouble = trouble or _uneven(cache, text)
    if trouble is not None:
        return {"facts": facts, "not_found": [missing("kv_layout", trouble)]}
    every = [classify(cache[i] if i < len(cache) else None, text) for i in range(_count(text))]
    layout = write_layout(every[index] for index in kept)
    facts["kv_layout"] = seen(layout, _evidence(model, cache, layers))
    return {"facts": facts, "not_found": []}


def classify(layer: Any, text_config: Any) -> Layer:
    """What one layer of a cache keeps for one token; None is a layer that has no cache of its own."""
    name = type(layer).__name__
    if layer is not None and not hasattr(layer, "keys"):
        return Layer(heads=0, head_dim=0, kind="linear")
    if layer is None or layer.keys is None:
        kind = "linear" if "Linear" in name or "Conv" in name else "shared"
        return Layer(heads=0, head_dim=0, kind=kind)
    _, heads, _, head_dim = layer.keys.shape
    if _is_latent(layer, text_config):
        return Layer(heads=heads, head_dim=head_dim, kind="latent")
    sliding = "Sliding" in name or "Chunked" in name
    return Layer(heads=heads, head_dim=head_dim, kind="sliding" if sliding else "full")


@lru_cache(maxsize=8)
def read_config(path: str) -> Any:
    """The model's config.

    Raises:
        Refusal: when transformers does not know the architecture, or it needs foreign code.
    """
    from transformers import AutoConfig

    try:
        return AutoConfig.from_pretrained(
            **where(Path(path)),
            trust_remote_code=False,
            local_files_only=True,
        )
    except Exception as error:  # every kind of file raises something else
        raise refusal(error) from error


def refusal(error: Exception) -> Refusal:
    """What is wrong with a config, in one sentence."""
    said = str(error).strip()
    first = said.partition("\n")[0] or type(error).__name__
    if "trust_remote_code" in said:
        return Refusal(
            "it needs code from its own repository, which kavaspec never runs",
            hint="use a model that transformers knows by itself",
        )
    unknown = re.search(r"model type `([^`]+)`", said)
    if unknown is not None:
        import transformers

        return Refusal(
            f"transformers {transformers.__version__} does not know the architecture {unknown[1]}",
            hint="update transformers, or use another model",
        )
    return Refusal(f"its config cannot be read: {first}", hint="download or copy the model again")


@lru_cache(maxsize=8)
def _build(path: str) -> tuple[Any, Sequence[Any], str | None]:
    """The model without content, the layers of its cache, and why there are none.

    Raises:
        Refusal: when it is not a model that writes text.
    """
    import torch
    from transformers import AutoModelForCausalLM

    config = copy.deepcopy(read_config(path))
    with _in_bfloat16(), torch.device("meta"):
        try:
            model = AutoModelForCausalLM.from_config(config, trust_remote_code=False)
        except ValueError as error:
            raise _no_language_model(config, error) from error
        cache, trouble = _run(model)
    return model, () if trouble else _layers(cache, config), trouble


def _run(model: Any) -> tuple[Any, str | None]:
    """The cache after a few tokens, and why there is none."""
    import torch

    model.config.pad_token_id = None  # else GPT-2 looks for it in ids that have no content here
    try:
        output = model(torch.zeros(1, _TOKENS, dtype=torch.long), use_cache=True)
    except (RuntimeError, ValueError, NotImplementedError) as error:
        return None, f"{_name(model)} cannot be run without weights: {first_line(error)}"
    return getattr(output, "past_key_values", None), None


def _layers(cache: Any, config: Any) -> Sequence[Any]:
    """The cache's layers; a model that returns none (Mamba) keeps something that is no cache."""
    if cache is None:
        return [object()] * _count(config.get_text_config())
    return list(cache.layers)


def _no_language_model(config: Any, error: Exception) -> Refusal:
    if "for this kind of AutoModel" in str(error):
        return Refusal(f"it is a {config.model_type}, which is not a causal language model")
    return Refusal(f"a model cannot be made from its config: {first_line(error)}")


@contextmanager
def _in_bfloat16() -> Iterator[None]:
    import torch

    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def _count(text_config: Any) -> int:
    return int(text_config.num_hidden_layers)


def _kept(layers: Sequence[int] | None, count: int) -> list[int]:
    """Raises: Refusal, naming the first layer that the model does not have."""
    if layers is None:
        return list(range(count))
    for layer in layers:
        if not 0 <= layer < count:
            raise Refusal(
                f"it has no layer {layer}, only 0 to {count - 1}",
                key="model.student.layers",
                hint=f"name layers from 0 to {count - 1}",
            )
    return list(layers)


def _parameters(model: Any, kept: Sequence[int]) -> int:
    """Every weight once, also when two places share it; without the layers that are left out."""
    everything = sum(weight.numel() for weight in model.parameters())
    if list(kept) == list(range(model.config.get_text_config().num_hidden_layers)):
        return int(everything)
    _, layers = decoder_layers(model)
    of_layers = [sum(weight.numel() for weight in layer.parameters()) for layer in layers]
    return int(everything - sum(of_layers) + sum(of_layers[index] for index in kept))


def _max_length(text_config: Any) -> Answer:
    for name in _LENGTHS:
        value = getattr(text_config, name, None)
        if isinstance(value, int) and value > 0:
            return seen(value, f"{name} of the config")
    return seen(None, "its config states no limit")


def _is_latent(layer: Any, text_config: Any) -> bool:
    """Multi-head latent attention caches a compressed mix in place of keys and values."""
    return bool(getattr(text_config, "kv_lora_rank", None)) and (
        layer.keys.shape[-1] != layer.values.shape[-1]
    )


def _uneven(cache: Sequence[Any], text_config: Any) -> str | None:
    """Keys and values of different shapes, in layers that are not latent: no layout can say that."""
    for index, layer in enumerate(cache):
        keys, values = getattr(layer, "keys", None), getattr(layer, "values", None)
        if keys is None or values is None or _is_latent(layer, text_config):
            continue
        if keys.shape[1::2] != values.shape[1::2]:
            k, v = "x".join(map(str, keys.shape[1::2])), "x".join(map(str, values.shape[1::2]))
            return f"layer {index} keeps keys of {k} and values of {v} numbers for one token"
    return None


def _evidence(model: Any, cache: Sequence[Any], layers: Sequence[int] | None) -> str:
    kinds = Counter(type(layer).__name__ for layer in cache if type(layer) is not object)
    what = ", ".join(f"{count} {name}" for name, count in kinds.items()) or "no cache"
    only = "" if layers is None else f"; of these the layers {', '.join(map(str, layers))}"
    return f"{_name(model)} run on the meta device left {what}{only}"


def _name(model: Any) -> str:
    return type(model).__name__
