"""What the text of a `source` key means."""

from __future__ import annotations

import pytest

from kavaspec.sources import parse_source

TABLE = [
    ("builtin:tiny-teacher", "builtin", "tiny-teacher"),
    ("builtin:arithmetic", "builtin", "arithmetic"),
    ("Qwen/Qwen2.5-1.5B-Instruct", "hub", "Qwen/Qwen2.5-1.5B-Instruct"),
    ("openai/gsm8k", "hub", "openai/gsm8k"),
    ("./data/gsm8k", "path", "./data/gsm8k"),
    ("../gsm8k", "path", "../gsm8k"),
    ("/data/gsm8k", "path", "/data/gsm8k"),
    ("~/gsm8k", "path", "~/gsm8k"),
    ("$WORK/gsm8k", "path", "$WORK/gsm8k"),
    ("C:/models/qwen", "path", "C:/models/qwen"),
    ("C:\\models\\qwen", "path", "C:\\models\\qwen"),
    ("models/smol.gguf", "path", "models/smol.gguf"),
    ("models/SMOL.GGUF", "path", "models/SMOL.GGUF"),
    ("data/train.jsonl", "path", "data/train.jsonl"),
    ("data/train.parquet", "path", "data/train.parquet"),
    ("data/gsm8k/", "path", "data/gsm8k/"),
    ("a/b/c", "path", "a/b/c"),
    ("gsm8k", "path", "gsm8k"),
    ("", "path", ""),
    ("org/name with space", "path", "org/name with space"),
    ("org/..", "path", "org/.."),
]


@pytest.mark.parametrize(("text", "kind", "name"), TABLE)
def test_a_source_is_a_builtin_a_hub_id_or_a_path(text, kind, name):
    source = parse_source(text)
    assert (source.kind, source.name) == (kind, name)
