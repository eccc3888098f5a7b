"""Reading rows of text: .jsonl, .parquet, a folder of them, or a builtin generator.

split "train" or a part of it, "train[:1000]"; rows keep the order of the files
folder        <split>.jsonl, <split>.parquet or <split>-00000-of-00002.parquet, ...
single file   has one split: its stem, also called "train"
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from kavaspec.errors import Exit, KavaError, Problem, did_you_mean, fail
from kavaspec.plain import counted

Row = dict[str, object]

BUILTIN_SPLITS = ("train", "test")
KINDS = (".jsonl", ".parquet")


def read_rows(source_text: str, path: Path | None, split: str) -> list[Row]:
    """The rows of `split`, in order. `path` is where the source was found; None for a builtin.

    Raises:
        KavaError: 8 for a missing file, for a file that is not .jsonl or .parquet or not readable
            as one (with its line); 7 for a split that is not there (with those that are), or has
            no rows.
    """
    name, part = _parse_split(split)
    rows = _builtin(source_text, name) if path is None else _read(path, name)
    chosen = rows[part]
    if not chosen:
        hint = "write rows into it, or name another split"
        if rows:
            hint = f"{name} has {counted(len(rows), 'row')}; choose another part"
        raise KavaError(
            Problem(
                message=f"{source_text}: {split} has no rows",
                exit=Exit.UNSATISFIABLE,
                code="KV0730",
                hint=hint,
                about=("data.source",),
            )
        )
    return chosen


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where one row stands."""

    file: Path
    mark: str
    """After the file's name: `:17`, the line of a .jsonl file; ` row 17`, counted from 1, elsewhere."""


def places_of(source_text: str, path: Path | None, split: str) -> list[Place]:
    """Where the rows of `split` stand, in the order of `read_rows`, which has read them before."""
    name, part = _parse_split(split)
    if path is None:
        count = len(_builtin(source_text, name))
        places = [Place(file=Path(source_text), mark=f" row {n + 1}") for n in range(count)]
    else:
        places = [place for file in _files(path, name) for place in _places(file)]
    return places[part]


def _places(file: Path) -> Iterator[Place]:
    if file.suffix != ".jsonl":
        yield from (Place(file=file, mark=f" row {n + 1}") for n in range(len(_parquet(file))))
        return
    for number, line in enumerate(file.read_bytes().split(b"\n"), 1):
        if line.strip():
            yield Place(file=file, mark=f":{number}")


def _parse_split(split: str) -> tuple[str, slice]:
    match = re.fullmatch(r"([A-Za-z0-9._-]+)(?:\[(-?\d*):(-?\d*)\])?", split)
    if match is None:
        raise fail(
            f"{split!r} is not a split",
            Exit.USAGE,
            code="KV0223",
            hint="write a name (`train`) or a part of one (`train[:1000]`)",
        )
    name, start, stop = match.groups()
    return name, slice(int(start) if start else None, int(stop) if stop else None)


def _builtin(source_text: str, name: str) -> list[Row]:
    if source_text != "builtin:arithmetic":
        raise fail(
            f"{source_text} is not a builtin data set",
            Exit.USAGE,
            code="KV0207",
            key="data.source",
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
        if path.suffix not in KINDS:
            raise _unsupported(path)
        if name not in ("train", path.stem):
            raise _only_one_split(path, name)
        return [path]
    if not path.is_dir():
        raise fail(
            f"{path} does not exist",
            Exit.ENVIRONMENT,
            code="KV0206",
            key="data.source",
            hint="check data.source and paths.data, or run `kavaspec fetch` where there is network",
        )
    for pattern in (f"{name}.jsonl", f"{name}.parquet", f"{name}-*.parquet"):
        found = sorted(path.glob(pattern))
        if found:
            return found
    others = sorted(file for file in path.iterdir() if file.stem == name and file.is_file())
    if others and not _splits(path):
        raise _unsupported(others[0])
    raise _no_split(str(path), name, _splits(path))


def _unsupported(file: Path) -> KavaError:
    said = f"a {file.suffix} file" if file.suffix else "a file without an ending"
    return fail(
        f"{file} is {said}; data is read from .jsonl and .parquet files, or a folder of them",
        Exit.ENVIRONMENT,
        code="KV0224",
        key="data.source",
        hint="write each row as one line of JSON: "
        f'python -c "import csv, json; [print(json.dumps(row)) for row in '
        f"csv.DictReader(open('{file.name}'))]\" > {file.stem}.jsonl"
        if file.suffix == ".csv"
        else "convert it, and name the new file in data.source",
    )


def _only_one_split(file: Path, name: str) -> KavaError:
    return _missing(
        f"{file} is one file, so it has one split, train; there is no {name}",
        name,
        ("train",),
        'hold some of its rows out: data.split = "train[:-100]" and '
        'data.eval_split = "train[-100:]"; '
        f"or name a folder with train{file.suffix} and {name}{file.suffix}",
    )


def _splits(folder: Path) -> list[str]:
    files = (file for file in folder.iterdir() if file.suffix in KINDS)
    return sorted({re.sub(r"-\d.*", "", file.stem) for file in files})


def _no_split(where: str, name: str, known: Sequence[str]) -> KavaError:
    there = f"it has {', '.join(known)}" if known else "it holds no .jsonl and no .parquet file"
    return _missing(
        f"{where} has no split {name}: {there}",
        name,
        known,
        "name one of its splits in data.split and data.eval_split"
        if known
        else f"put {name}.jsonl or {name}.parquet into it, or correct data.source",
    )


def _missing(message: str, name: str, known: Sequence[str], hint: str) -> KavaError:
    near = did_you_mean(name, known)
    return KavaError(
        Problem(
            message=message,
            exit=Exit.UNSATISFIABLE,
            code="KV0221",
            hint=f"did you mean {near}?" if near else hint,
            about=("data.source",),
        )
    )


def _jsonl(file: Path) -> list[Row]:
    # not splitlines(): text inside a row may hold U+2028 and its like
    try:
        lines = file.read_bytes().split(b"\n")
    except OSError as error:
        raise _unreadable(file, error) from error
    return [_json_row(file, number, line) for number, line in enumerate(lines, 1) if line.strip()]


def _json_row(file: Path, number: int, line: bytes) -> Row:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        what = f"is not JSON: {error.msg[:1].lower()}{error.msg[1:]} at column {error.colno}"
        raise _bad_row(file, number, what) from error
    except UnicodeDecodeError as error:
        what = f"is not UTF-8 text: {error.reason} at byte {error.start}"
        raise _bad_row(file, number, what) from error
    except RecursionError:
        raise _bad_row(file, number, "is nested too deeply") from None
    if not isinstance(row, dict):
        raise _bad_row(file, number, f"is a JSON {_kind(row)}, expected an object of columns")
    return row


def _kind(value: object) -> str:
    names = {list: "array", str: "string", bool: "boolean", type(None): "null"}
    return next((names[kind] for kind in names if isinstance(value, kind)), "number")


def _bad_row(file: Path, number: int, what: str) -> KavaError:
    return fail(
        f"{file}:{number} {what}",
        Exit.ENVIRONMENT,
        code="KV0222",
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
            code="KV0012",
            key="data.source",
            hint="pip install 'kavaspec[runtime]'",
        ) from error
    try:
        rows: list[Row] = parquet.read_table(file).to_pylist()
    except ArrowInvalid as error:
        raise fail(
            f"{file} is not a parquet file: {_sentence(error)}",
            Exit.ENVIRONMENT,
            code="KV0220",
            key="data.source",
            hint="download or copy the file again",
        ) from error
    except OSError as error:
        raise _unreadable(file, error) from error
    return rows


def _sentence(error: Exception) -> str:
    """The first sentence of a library's message, as the end of one of ours."""
    first = str(error).strip().splitlines()[0].partition(". ")[0].rstrip(".")
    return f"{first[:1].lower()}{first[1:]}"


def _unreadable(file: Path, error: OSError) -> KavaError:
    return fail(
        f"{file} cannot be read: {error.strerror or _sentence(error)}",
        Exit.ENVIRONMENT,
        code="KV0220",
        key="data.source",
        hint="check its permissions, and that it is whole",
    )
