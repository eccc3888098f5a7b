"""Models and tokenizers from disk: local files only, no code from them, no pickle."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr
from functools import cache
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from kavaspec.errors import Exit, KavaError, fail
from kavaspec.sources.digest import TOKENIZERS, has_tokenizer
from kavaspec_runtime.randomness import seeded


def quiet() -> None:
    """Transformers says nothing by itself: what matters is said as events."""
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()


def pretrained(
    path: Path,
    *,
    role: str,
    dtype: torch.dtype,
    device: torch.device,
    attention: str,
    quantization: str,
) -> Any:
    """A causal language model with its weights."""
    from transformers import AutoModelForCausalLM

    extra = {} if quantization == "none" else quantized(quantization, dtype, device)
    try:
        with redirect_stderr(
            StringIO()
        ):  # the reader of .gguf draws a bar and cannot be told not to
            model = AutoModelForCausalLM.from_pretrained(
                **where(path),
                dtype=dtype,
                attn_implementation=attention,
                local_files_only=True,
                trust_remote_code=False,
                use_safetensors=None if path.is_file() else True,
                **extra,
            )
    except (OSError, ValueError, ImportError) as error:
        raise fail(
            f"the {role} cannot be loaded from {path}: {first_line(error)}",
            Exit.ENVIRONMENT,
            code="KV0809",
            key=f"model.{role}.source",
            hint="it has to be a folder with config.json and .safetensors files, or a .gguf file",
        ) from error
    if path.is_file():
        dequantised(model)
    return model if extra else model.to(device)


def dequantised(model: Any) -> None:
    """The weights of a `.gguf` file are ordinary ones once they are read. transformers goes on to call
    the model quantized, and would refuse to save it, or what is made from its config.
    """
    model.hf_quantizer = None
    for holder, names in (
        (model, ("is_quantized", "quantization_method")),
        (model.config, ("quantization_config",)),
    ):
        for name in names:
            if name in vars(holder):
                delattr(holder, name)


@contextmanager
def headers_parsed_once(*paths: Path | None) -> Iterator[None]:
    """Inside, the header of a `.gguf` file is parsed once, and the names in it are mapped once.

    gguf does both in Python and takes seconds; transformers asks for the first with the tokenizer,
    the config and the weights, and for the second with every module of a model.
    """
    if not any(path is not None and path.is_file() for path in paths):
        yield
        return
    import gguf

    reader, names = gguf.GGUFReader, gguf.get_tensor_name_map
    try:
        gguf.GGUFReader, gguf.get_tensor_name_map = cache(reader), cache(names)  # type: ignore[misc,assignment]  # the same answers
        yield
    finally:
        gguf.GGUFReader, gguf.get_tensor_name_map = reader, names  # type: ignore[misc]


def quantized(quantization: str, dtype: torch.dtype, device: torch.device) -> dict[str, Any]:
    """How transformers is told to hold weights in 8 or 4 bits."""
    if find_spec("bitsandbytes") is None:  # transformers' own message does not say what to do
        raise fail(
            f'model.teacher.quantization = "{quantization}" needs bitsandbytes, which is not installed',
            Exit.ENVIRONMENT,
            code="KV0012",
            key="model.teacher.quantization",
            hint='pip install bitsandbytes, or set model.teacher.quantization = "none"',
        )
    from transformers import BitsAndBytesConfig

    four = {
        "load_in_4bit": True,
        "bnb_4bit_quant_type": "nf4",
        "bnb_4bit_compute_dtype": dtype,
        "bnb_4bit_use_double_quant": False,
    }
    how = BitsAndBytesConfig(**(four if quantization == "nf4" else {"load_in_8bit": True}))
    return {"quantization_config": how, "device_map": {"": device}}


def random(
    path: Path, *, seed: int, dtype: torch.dtype, device: torch.device, attention: str
) -> Any:
    """A model of this config whose weights are drawn from the seed, in float32, on the CPU."""
    with seeded(seed, "student"):
        return moved(cast(from_config(config_of(path), attention), dtype), device)


def with_layers(model: Any, layers: Sequence[int], attention: str) -> Any:
    """A new model that is `model` with only these layers, renumbered; nothing is shared."""
    prefix, _ = decoder_layers(model)
    config = copy.deepcopy(model.config)
    config.num_hidden_layers = len(layers)
    if getattr(config, "layer_types", None):
        config.layer_types = [config.layer_types[layer] for layer in layers]
    kept = cast(from_config(config, attention), model.dtype)
    kept.load_state_dict(renumbered(model.state_dict(), prefix, layers), strict=True)
    kept.tie_weights()
    return moved(kept, model.device)


def without_layers_after(model: Any, depth: int) -> Any:
    """The model with its first `depth` layers: nobody reads what later ones would compute."""
    name, layers = decoder_layers(model)
    if depth < len(layers):
        parent, _, child = name.rpartition(".")
        setattr(model.get_submodule(parent), child, layers[:depth])
    return model


def renumbered(
    weights: Mapping[str, Tensor], prefix: str, layers: Sequence[int]
) -> dict[str, Tensor]:
    """Weights of the kept layers under their new numbers, and everything outside of layers."""
    new_number = {str(old): new for new, old in enumerate(layers)}
    found: dict[str, Tensor] = {}
    for name, tensor in weights.items():
        match = re.fullmatch(re.escape(prefix) + r"\.(\d+)\.(.+)", name)
        if match is None:
            found[name] = tensor
        elif match[1] in new_number:
            found[f"{prefix}.{new_number[match[1]]}.{match[2]}"] = tensor
    return found


def decoder_layers(model: Any) -> tuple[str, nn.ModuleList]:
    """The list of layers and its name, by its length; models call it differently."""
    count = model.config.num_hidden_layers
    for name, module in model.named_modules():
        if isinstance(module, nn.ModuleList) and len(module) == count:
            return name, module
    raise fail(
        f"{type(model).__name__} has no list of {count} layers",
        Exit.ENVIRONMENT,
        code="KV0809",
        key="model.teacher.source",
        hint='such a model cannot be cut with init = "teacher_layers"; give the student a source',
    )


def cast(model: Any, dtype: torch.dtype) -> Any:
    """The model with its weights in `dtype`. Not `.to(dtype)`, which would also round the rotary
    frequencies, that transformers keeps in float32.
    """
    for weight in model.parameters():
        weight.data = weight.data.to(dtype)
    return model


def moved(module: Any, device: torch.device) -> Any:
    """The module on `device`; untouched where it already is, as `.to` would not leave it."""
    there = all(weight.device == device for weight in module.parameters())
    return module if there else module.to(device)


def from_config(config: Any, attention: str) -> Any:
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_config(
        config, attn_implementation=attention, dtype=torch.float32, trust_remote_code=False
    )


def config_of(path: Path) -> Any:
    from transformers import AutoConfig

    return AutoConfig.from_pretrained(**where(path), local_files_only=True, trust_remote_code=False)


def tokenizer_of(path: Path) -> Any:
    """The tokenizer of a model folder or `.gguf` file."""
    from transformers import AutoTokenizer

    if path.is_dir() and not has_tokenizer(path):
        # transformers would make one with an empty vocabulary, and say nothing
        raise _no_tokenizer(path, f"it has none of {', '.join(TOKENIZERS)}")
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            **where(path), local_files_only=True, trust_remote_code=False
        )
    except (OSError, ValueError, ImportError) as error:
        raise _no_tokenizer(path, first_line(error)) from error
    if tokenizer.eos_token_id is None:
        raise fail(
            f"the tokenizer of {path} has no end-of-text token",
            Exit.ENVIRONMENT,
            code="KV0214",
            hint="name one as eos_token in tokenizer_config.json",
        )
    return tokenizer


def _no_tokenizer(path: Path, because: str) -> KavaError:
    return fail(
        f"{path} has no tokenizer that can be read: {because}",
        Exit.ENVIRONMENT,
        code="KV0214",
        hint="copy tokenizer.json and tokenizer_config.json beside the weights",
    )


def where(path: Path) -> dict[str, Any]:
    """What `from_pretrained` wants to be told for a folder and for a `.gguf` file."""
    if path.is_file():
        return {"pretrained_model_name_or_path": str(path.parent), "gguf_file": path.name}
    return {"pretrained_model_name_or_path": str(path)}


def first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0]
