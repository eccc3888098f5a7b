"""Real runs of a very small student, to verify: left alone, stopped and resumed, with one bit flipped.

`python tests/verify/record.py` writes `tests/verify/recorded/` anew, which takes a minute; the story
makes the same in a temporary folder.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
RECORDED = Path(__file__).parent / "recorded"
FLIPPED_STEP = 6
STOPPED_STEP = 7

SPEC = """\
name = "tiny"

[model.teacher]
source = "builtin:tiny-teacher"

[model.student]
source = "./student"
init = "random"

[data]
source = "builtin:arithmetic"
split = "train[:96]"
eval_split = "test[:16]"

[objective]
kind = "kv"

[objective.kv.projector]
rank = 4

[train]
steps = 12
global_batch = 8
warmup_steps = 2
threads = 1
device = "cpu"
precision = "float32"
micro_batch = 4

[eval]
rows = 16
exact_match_rows = 0

[checkpoint]
every = 5
keep = 1
"""

HOOK = """
import os, signal, sys
import torch
import kavaspec_runtime.run as run
from kavaspec.cli import main

what, at, take = sys.argv[1], int(sys.argv[2]), run.take_step

def hooked(trainer, step, batch):
    done = take(trainer, step, batch)
    if step + 1 == at and what == "flip":
        trainer.weights[0].detach().view(torch.int32).view(-1)[0] ^= 1 << 20
    if step + 1 == at and what == "stop":
        os.kill(os.getpid(), signal.SIGTERM)
    return done

run.take_step = hooked
sys.exit(main(sys.argv[3:]))
"""


def project(folder: Path) -> Path:
    """A spec, its student of one layer, and its lock."""
    builtin = ROOT / "kavaspec/builtin/tiny-student"
    shutil.copytree(builtin, folder / "student")
    config = json.loads((builtin / "config.json").read_text(encoding="utf-8"))
    config |= {"hidden_size": 16, "head_dim": 8, "intermediate_size": 16, "num_hidden_layers": 1}
    config |= {"num_attention_heads": 2, "num_key_value_heads": 1, "max_window_layers": 1}
    config |= {"layer_types": ["full_attention"]}
    (folder / "student" / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (folder / "kava.toml").write_text(SPEC, encoding="utf-8")
    assert kavaspec(folder, "lock") == 0
    return folder


def kavaspec(folder: Path, *words: str, hook: tuple[str, int] = ("none", 0)) -> int:
    """A command in a process of its own; `hook` stops it or flips a bit after a step."""
    paths = os.pathsep.join(str(ROOT / part) for part in ("", "runtime", "tui"))
    env = {name: it for name, it in os.environ.items() if not name.startswith("KAVA_")}
    ran = subprocess.run(
        [sys.executable, "-c", HOOK, hook[0], str(hook[1]), *words],
        cwd=folder,
        env={**env, "PYTHONPATH": paths, "NO_COLOR": "1"},
        capture_output=True,
        check=False,
        timeout=300,
    )
    return ran.returncode


def steady(folder: Path, name: str = "steady") -> Path:
    """A run that nobody disturbs."""
    assert kavaspec(folder, "run", "kava.lock", "--run", name) == 0
    return there(folder, name)


def flipped(folder: Path) -> Path:
    """One bit of one weight is another after a step."""
    hook = ("flip", FLIPPED_STEP)
    assert kavaspec(folder, "run", "kava.lock", "--run", "flipped", hook=hook) == 0
    return there(folder, "flipped")


def resumed(folder: Path) -> Path:
    """Stopped after a step, and gone on with."""
    words = ("run", "kava.lock", "--run", "resumed")
    assert kavaspec(folder, *words, hook=("stop", STOPPED_STEP)) == 85
    assert kavaspec(folder, *words, "--resume") == 0
    return there(folder, "resumed")


def there(folder: Path, name: str) -> Path:
    [found] = (folder / "runs" / "tiny").glob(f"*-here-{name}")
    return found


def main() -> None:
    shutil.rmtree(RECORDED, ignore_errors=True)
    with tempfile.TemporaryDirectory() as made:
        folder = project(Path(made))
        for make in (steady, resumed, flipped):
            shutil.copytree(make(folder), RECORDED / make.__name__)


if __name__ == "__main__":
    main()
