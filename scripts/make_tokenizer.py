"""Make the tokenizer of the builtin models from builtin:arithmetic. The same bytes on every run.

python scripts/make_tokenizer.py            writes it into both model folders
python scripts/make_tokenizer.py --check    says whether they hold what it would write
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

from tokenizers import (
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    trainers,
)

import kavaspec
from kavaspec.sources import arithmetic

MODELS = ("tiny-teacher", "tiny-student")
VOCABULARY = 512
END, PAD = "<|endoftext|>", "<|pad|>"

PIECES = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
"""How Qwen2 cuts text, digits single. transformers 5 puts this in place of any other for a Qwen2."""

SETTINGS = {
    "tokenizer_class": "Qwen2Tokenizer",
    "clean_up_tokenization_spaces": False,
    "eos_token": END,
    "pad_token": PAD,
    "model_max_length": 256,
}


def main() -> int:
    check = sys.argv[1:] == ["--check"]
    stale = [path for path, text in files().items() if _read(path) != text]
    for path in stale:
        print(f"{'differs' if check else 'written'}: {path}")
        if not check:
            path.write_text(files()[path], encoding="utf-8", newline="\n")
    return int(check and bool(stale))


def files() -> dict[Path, str]:
    """What belongs into the model folders: path to text."""
    texts = {
        "tokenizer.json": trained().to_str(pretty=True) + "\n",
        "tokenizer_config.json": json.dumps(SETTINGS, indent=2) + "\n",
    }
    builtin = Path(kavaspec.__file__).parent / "builtin"
    return {builtin / model / name: text for model in MODELS for name, text in texts.items()}


def trained() -> Tokenizer:
    """A byte-level BPE: it spells any text, and the words of the problems are one token each."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PIECES), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[END, PAD],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_texts(), trainer)
    return tokenizer


def _texts() -> Iterator[str]:
    for row in arithmetic.rows("train"):
        yield f"{row['question']}\n{row['answer']}"


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None


if __name__ == "__main__":
    sys.exit(main())
