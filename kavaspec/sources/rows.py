"""Reading rows of text: .jsonl, .parquet, a folder of them, or a builtin generator.

split "train" or a part of it, "train[:1000]"; rows keep the order of the files
folder        <split>.jsonl, <split>.parquet or <split>-00000-of-00002.parquet, ...
single file   has one split: its stem, also called "train"
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

from kavaspec.errors import Exit, KavaError, fail

Row = dict[str, object]

BUILTIN_SPLITS = ("train", "test")


def read_rows(source_text: str, path: Path | None, split: str) -> list[Row]:
    """The rows of `split`, in order. `path` is where the source was found; None for a builtin.

    Raises:
        KavaError: 8 for a missing file or split (with what is there), 7 for a row that is not an
            object of columns (with file and line) and for a split without rows.
    """
    name, part = _parse_split(split)
    rows = _builtin(source_text, name) if path is None else _read(path, name)
    chosen = rows[part]
    if not chosen:
        raise fail(
            f"{source_text}: {split} has no rows",
            Exit.UNSATISFIABLE,
            hint=f"{name} has {len(rows)} rows; choose another part",
        )
    return chosen


def _parse_split(split: str) -> tuple[str, slice]:
    match = re.fullmatch(r"([A-Za-z0-9._-]+)(?:\[(-?\d*):(-?\d*)\])?", split)
    if match is None:
        raise fail(
            f"{split!r} is not a split",
            Exit.USAGE,
            hint="write a name (`train`) or a part of one (`train[:1000]`)",
        )
    name, start, stop = match.groups()
    return name, slice(int(start) if start else None, int(stop) if stop else None)


def _builtin(source_text: str, name: str) -> list[Row]:
    if source_text != "builtin:arithmetic":
        raise fail(
            f"{source_text} is not a builtin data set",
            Exit.ENVIRONMENT,
            hint="there is one: builtin:arithmetic",
        )
    if name not in BUILTIN_SPLITS:
        raise _no_split(source_text, name, BUILTIN_SPLITS)
    from kavaspec.sources import arithmetic

    return [dict(row) for row in arithmetic.rows(name)]


def _read(path: Path, name: str) -> list[Row]:
    rows: list[Row] = []
    for file in _files(path, name):
        rows += _jsonl(file) if file.suffix == ".jsonl" else _parquet(file)
    return rows


def _files(path: Path, name: str) -> list[Path]:
    if path.is_file():
        if name not in ("train", path.stem):
            raise _no_split(str(path), name, sorted({"train", path.stem}))
        return [path]
    if not path.is_dir():
        raise fail(
            f"{path} does not exist",
            Exit.ENVIRONMENT,
            key="data.source",
            hint="check data.source and paths.data, or run `kavaspec fetch` where there is network",
        )
    for pattern in (f"{name}.jsonl", f"{name}.parquet", f"{name}-*.parquet"):
        found = sorted(path.glob(pattern))
        if found:
            return found
    raise _no_split(str(path), name, _splits(path))


def _splits(folder: Path) -> list[str]:
    files = (file for file in folder.iterdir() if file.suffix in (".jsonl", ".parquet"))
    return sorted({re.sub(r"-\d.*", "", file.stem) for file in files})


def _no_split(where: str, name: str, known: Sequence[str]) -> KavaError:
    there = f"it has {', '.join(known)}" if known else "it holds no .jsonl and no .parquet file"
    return fail(
        f"{where} has no split {name}: {there}",
        Exit.ENVIRONMENT,
        hint="name one of its splits in data.split and data.eval_split",
    )


def _jsonl(file: Path) -> list[Row]:
    # not splitlines(): text inside a row may hold U+2028 and its like
    lines = file.read_bytes().split(b"\n")
    return [_json_row(file, number, line) for number, line in enumerate(lines, 1) if line.strip()]


def _json_row(file: Path, number: int, line: bytes) -> Row:
    try:
        row = json.loads(line)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise _bad_row(file, number, f"is not JSON: {error}") from error
    if not isinstance(row, dict):
        raise _bad_row(file, number, f"is a JSON {_kind(row)}, expected an object of columns")
    return row


def _kind(value: object) -> str:
    names = {list: "array", str: "string", bool: "boolean", type(None): "null"}
    return next((names[kind] for kind in names if isinstance(value, kind)), "number")


def _bad_row(file: Path, number: int, what: str) -> KavaError:
    return fail(
        f"{file}:{number} {what}",
        Exit.UNSATISFIABLE,
        key="data.source",
        hint='every line is one row: {"question": "...", "answer": "..."}',
    )


def _parquet(file: Path) -> list[Row]:
    try:
        from pyarrow import ArrowInvalid, parquet
    except ModuleNotFoundError as error:
        raise fail(
            f"reading {file} needs pyarrow",
            Exit.ENVIRONMENT,
            hint="pip install 'kavaspec[runtime]'",
        ) from error
    try:
        rows: list[Row] = parquet.read_table(file).to_pylist()
    except ArrowInvalid as error:
        raise fail(
            f"{file} is not a parquet file: {error}", Exit.UNSATISFIABLE, key="data.source"
        ) from error
    return rows
