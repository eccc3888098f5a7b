"""What a model or a data set is, as a SHA-256 over its meaning: the same wherever and however it is stored.

    model   = sha256(config, tokenizer, weights)         as one canonical JSON of three digests
    weights = sha256(name, dtype, shape, bytes ...)      tensors by name, so that sharding and the
                                                         order inside a file do not matter
    config  = config.json without the lines that loading and saving change
    .gguf   = sha256 of the file

A tensor's bytes are read in chunks from the file; neither torch nor safetensors is needed.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

from kavaspec.errors import Exit, KavaError, did_you_mean, fail

CHUNK_BYTES = 8 * 2**20
_INDEX = "model.safetensors.index.json"
_NOT_MEANING = {"_name_or_path", "transformers_version", "torch_dtype", "dtype"}
_LARGEST_HEADER_BYTES = 100_000_000  # the limit that safetensors itself sets
_PICKLES = ("*.bin", "*.pt", "*.pth")
_AGAIN = "download or copy the model again"
# what tokenizers were kept in before tokenizer.json; transformers makes one of them
_OTHER_TOKENIZERS = ("merges.txt", "spiece.model", "tokenizer.model", "vocab.json", "vocab.txt")
TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt", "spiece.model")
"""A folder with a tokenizer has at least one of these."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Tensor:
    """Where one tensor lies in a safetensors file."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    file: Path
    start: int
    """First byte, counted from the beginning of the file."""
    size_bytes: int


def model_digest(path: Path, *, weights: bool) -> str:
    """What a model is, by content.

    Args:
        path: a folder with config.json, or a .gguf file.
        weights: whether the weights count; not for a model that starts with random ones.

    Raises:
        KavaError: exit 8, when a file is missing, cut short, or not what its name says.
    """
    if _is_gguf(path):
        return file_digest(path)
    parts = {"config": config_digest(path), "tokenizer": _tokenizer_part(path)}
    if weights:
        parts["weights"] = weights_digest(path)
    return canonical_digest(parts)


def layers_digest(teacher_digest: str, layers: Sequence[int]) -> str:
    """What a student is that starts as some layers of its teacher."""
    return canonical_digest({"teacher": teacher_digest, "layers": list(layers)})


def config_digest(folder: Path) -> str:
    """What a config.json says, without where it came from and which version wrote it."""
    return canonical_digest(_meaning(read_config(folder)))


def read_config(folder: Path) -> dict[str, Any]:
    """The content of config.json.

    Raises:
        KavaError: exit 8, when there is none, or it is not a JSON object.
    """
    file = folder / "config.json"
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        there = ", ".join(sorted(entry.name for entry in folder.glob("*"))[:8]) or "nothing"
        raise fail(
            f"{folder} is not a model: it has no config.json (it has {there})",
            Exit.ENVIRONMENT,
            code="KV0209",
            hint="name the folder that holds config.json, the weights and the tokenizer",
        ) from None
    except NotADirectoryError:
        raise fail(
            f"{folder} is not a model: expected a folder with config.json, or a .gguf file",
            Exit.ENVIRONMENT,
            code="KV0209",
            hint="name the folder that holds config.json, the weights and the tokenizer",
        ) from None
    except OSError as error:
        raise _unreadable(file, error) from error
    except ValueError as error:
        raise _damaged(file, f"it is not JSON: {_where(error)}") from error
    except RecursionError:
        raise _damaged(file, "it is nested too deeply") from None
    if not isinstance(config, dict):
        raise _damaged(file, "it is not a JSON object")
    return config


def has_weights(path: Path) -> bool:
    """Whether the weights are there, or something that should have been weights."""
    if _is_gguf(path):
        return True
    kinds = ("*.safetensors", _INDEX, *_PICKLES)
    return any(next(path.glob(kind), None) is not None for kind in kinds)


def weights_bytes(path: Path) -> int:
    """How many bytes `model_digest` would read."""
    files = [path] if path.is_file() else _weight_files(path)
    return sum(file.stat().st_size for file in files)


def weights_digest(folder: Path) -> str:
    """What the weights are: dtype, shape and bytes of every tensor, by name.

    Raises:
        KavaError: exit 8, when a file is missing or damaged.
    """
    tensors = [tensor for file in _weight_files(folder) for tensor in read_header(file)]
    tensors.sort(key=lambda tensor: tensor.name)
    _refuse_twins(tensors)
    whole = hashlib.sha256()
    for tensor in tensors:
        head = json.dumps([tensor.name, tensor.dtype, list(tensor.shape)], ensure_ascii=False)
        whole.update(head.encode() + b"\0")
        _feed(whole, tensor.file, tensor.start, tensor.size_bytes)
    return _spell(whole)


def read_header(file: Path) -> list[Tensor]:
    """Which tensors a safetensors file holds, and where.

    Raises:
        KavaError: exit 8, when it cannot be read or is not a whole safetensors file.
    """
    try:
        size = file.stat().st_size
        with file.open("rb") as stream:
            length = struct.unpack("<Q", stream.read(8).ljust(8, b"\0"))[0]
            if not 2 <= length <= min(size - 8, _LARGEST_HEADER_BYTES):
                raise _damaged(file, f"its header claims {length} of {size} bytes")
            header = json.loads(stream.read(length))
    except OSError as error:
        raise _unreadable(file, error) from error
    except ValueError as error:
        raise _damaged(file, "its header is not JSON") from error
    return _tensors(file, header, 8 + length, size)


def _tensors(file: Path, header: Any, data_start: int, size: int) -> list[Tensor]:
    found = []
    try:
        for name, entry in header.items():
            if name == "__metadata__":
                continue
            first, last = map(int, entry["data_offsets"])
            if not 0 <= first <= last or data_start + last > size:
                raise _damaged(file, f"{name} ends at byte {data_start + last} of {size}")
            shape = tuple(map(int, entry["shape"]))
            found.append(
                Tensor(
                    name=name,
                    dtype=str(entry["dtype"]),
                    shape=shape,
                    file=file,
                    start=data_start + first,
                    size_bytes=last - first,
                )
            )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise _damaged(file, "its header is not a table of tensors") from error
    return found


def has_tokenizer(path: Path) -> bool:
    """Whether there is a tokenizer, in any form that transformers reads."""
    return _is_gguf(path) or any((path / name).is_file() for name in TOKENIZERS)


def _tokenizer_part(folder: Path) -> object:
    """What stands for the tokenizer in a model's digest: its meaning, or the files of an old form."""
    if (folder / "tokenizer.json").is_file():
        return tokenizer_digest(folder)
    files = [folder / name for name in _OTHER_TOKENIZERS if (folder / name).is_file()]
    return {file.name: file_digest(file) for file in files} or None


def _is_gguf(path: Path) -> bool:
    return path.suffix.lower() == ".gguf"


def tokenizer_digest(path: Path) -> str:
    """What a tokenizer does to text, from a folder with tokenizer.json (or that file).

    Raises:
        KavaError: exit 8, when there is none or it is not JSON.
    """
    file = path if path.is_file() else path / "tokenizer.json"
    try:
        return tokenizer_json_digest(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise _unreadable(file, error) from error
    except ValueError as error:
        raise _damaged(file, f"it is not a tokenizer: {_where(error)}") from error


def tokenizer_json_digest(text: str) -> str:
    """The digest of what tokenizer.json says about turning text into ids.

    Truncation, padding, decoder and templates are left out: kavaspec sets or ignores them.

    Raises:
        ValueError: if it is not JSON, or has no model.
    """
    content = json.loads(text)
    if not isinstance(content, dict) or not isinstance(content.get("model"), dict):
        raise ValueError("it has no model")  # noqa: TRY004  # about the text, like bad JSON
    model = dict(content["model"])
    if isinstance(model.get("merges"), list):  # older files write "a b", newer ones ["a", "b"]
        model["merges"] = [m.split(" ", 1) if isinstance(m, str) else m for m in model["merges"]]
    added = sorted(content.get("added_tokens") or [], key=lambda token: str(token.get("id")))
    steps = {name: content.get(name) for name in ("normalizer", "pre_tokenizer")}
    return canonical_digest({"model": model, "added_tokens": added, **steps})


def data_digest(
    train_rows: Iterable[Mapping[str, object]], eval_rows: Iterable[Mapping[str, object]]
) -> str:
    """What a data set is: every row of both splits, in order; not which files hold them.

    Raises:
        KavaError: exit 8, for a cell that is not text, a number, a list or a table.
    """
    whole = hashlib.sha256()
    for split, rows in (("train", train_rows), ("eval", eval_rows)):
        whole.update(f"{split}\n".encode())
        for number, row in enumerate(rows):
            try:
                whole.update(_canonical(row) + b"\n")
            except TypeError as error:
                message = f"row {number} of {split}: {error}"
                hint = "leave such columns out of the data"
                raise fail(message, Exit.ENVIRONMENT, code="KV0225", hint=hint) from error
    return _spell(whole)


def file_digest(file: Path) -> str:
    """SHA-256 of a file's bytes.

    Raises:
        KavaError: exit 8, when it cannot be read.
    """
    whole = hashlib.sha256()
    try:
        _feed(whole, file, 0, file.stat().st_size)
    except OSError as error:
        raise _unreadable(file, error) from error
    return _spell(whole)


def canonical_digest(value: object) -> str:
    """SHA-256 of a value's canonical JSON: sorted keys, no spaces."""
    return _spell(hashlib.sha256(_canonical(value)))


def _canonical(value: object) -> bytes:
    text = json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=_as_json
    )
    return text.encode("utf-8", "surrogatepass")


def _as_json(cell: object) -> object:
    """Cells that parquet has and JSON has not."""
    if isinstance(cell, Mapping):
        return dict(cell)
    if isinstance(cell, date | datetime | time):
        return cell.isoformat()
    if isinstance(cell, bytes):
        return {"bytes": cell.hex()}
    raise TypeError(f"a {type(cell).__name__} is not text, a number, a list or a table")


def _meaning(config: Any) -> Any:
    if isinstance(config, dict):
        return {k: _meaning(v) for k, v in config.items() if k not in _NOT_MEANING}
    return [_meaning(item) for item in config] if isinstance(config, list) else config


def _weight_files(folder: Path) -> list[Path]:
    """The files that transformers would load: the whole one first, then the shards of the index."""
    whole, index = folder / "model.safetensors", folder / _INDEX
    if whole.is_file():
        return [whole]
    if not index.is_file():
        raise _no_weights(folder)
    try:
        names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
        files = [folder / Path(name).name for name in names]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _damaged(index, "it has no weight_map") from error
    missing = [file.name for file in files if not file.is_file()]
    if missing:
        raise fail(
            f"{folder} is incomplete: {_INDEX} names {missing[0]}, which is not there",
            Exit.ENVIRONMENT,
            code="KV0210",
            hint=_AGAIN,
        )
    return files


def _no_weights(folder: Path) -> KavaError:
    pickles = sorted(file.name for kind in _PICKLES for file in folder.glob(kind))
    if pickles:
        return fail(
            f"{folder} has its weights only as a pickle ({pickles[0]}), which can run code",
            Exit.ENVIRONMENT,
            code="KV0211",
            hint="use the same model saved as safetensors",
        )
    other = sorted(file.name for file in folder.glob("*.safetensors"))
    near = did_you_mean("model.safetensors", other)
    return fail(
        f"{folder} has no model.safetensors and no {_INDEX}"
        + (f", only {near or other[0]}" if other else ""),
        Exit.ENVIRONMENT,
        code="KV0210",
        hint=_AGAIN,
    )


def _refuse_twins(tensors: Sequence[Tensor]) -> None:
    for one, other in itertools.pairwise(tensors):
        if one.name == other.name:
            raise fail(
                f"{one.name} is in two files: {one.file.name} and {other.file.name}",
                Exit.ENVIRONMENT,
                code="KV0210",
                hint="remove the files that the model's index does not name",
            )


def _feed(whole: hashlib._Hash, file: Path, start: int, size: int) -> None:
    with file.open("rb") as stream:
        stream.seek(start)
        while size > 0:
            chunk = stream.read(min(size, CHUNK_BYTES))
            if not chunk:
                raise _damaged(file, f"it ends {size} bytes early")
            whole.update(chunk)
            size -= len(chunk)


def _spell(whole: hashlib._Hash) -> str:
    return f"sha256:{whole.hexdigest()}"


def _damaged(file: Path, why: str) -> KavaError:
    return fail(f"{file} is damaged: {why}", Exit.ENVIRONMENT, code="KV0210", hint=_AGAIN)


def _where(error: ValueError) -> str:
    """What a JSON reader or a decoder says, short and with its place."""
    if isinstance(error, json.JSONDecodeError):
        return (
            f"{error.msg[:1].lower()}{error.msg[1:]} at line {error.lineno}, column {error.colno}"
        )
    if isinstance(error, UnicodeDecodeError):
        return f"{error.reason} at byte {error.start}"
    return str(error)


def _unreadable(file: Path, error: OSError) -> KavaError:
    return fail(
        f"{file} cannot be read: {error.strerror or error}",
        Exit.ENVIRONMENT,
        code="KV0210",
        hint="check its permissions, and that it is whole",
    )
