"""`digest.jsonl`: the bits of every step, so that two runs can be compared and parted at the first.

{"step":1,"loss":"0x1.5a3c4e0000000p+1","grad_norm":"0x1.0f2a8c0000000p+0"}
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from kavaspec_runtime.checkpoint import replace_flushed


def line(step: int, loss: float, grad_norm: float) -> str:
    """One step's bits, as hexadecimal floats."""
    bits = {"step": step, "loss": loss.hex(), "grad_norm": grad_norm.hex()}
    return json.dumps(bits, separators=(",", ":")) + "\n"


def append(path: Path, text: str) -> None:
    """One write, so that a kill tears at most the last line."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0)
    file = os.open(path, flags, 0o644)
    try:
        os.write(file, text.encode())
    finally:
        os.close(file)


def cut(path: Path, step: int) -> None:
    """Keep the lines up to `step`: a resumed run says the later ones again."""
    kept = [text for text in _lines(path) if json.loads(text)["step"] <= step]
    replace_flushed(path, "".join(text + "\n" for text in kept))


def _lines(path: Path) -> list[str]:
    """Whole lines; one that a kill tore is left out."""
    if not path.exists():
        return []
    return path.read_bytes().decode("ascii", "ignore").split("\n")[:-1]
