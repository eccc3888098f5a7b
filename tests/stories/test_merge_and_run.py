"""Four people, one experiment, two machines: branches meet in git, and the lock that comes out runs on both.

The two machines are this one: `desk` sees every core, `node` is held to one, as a scheduler would.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from kavaspec.lock.file import read_lock
from kavaspec.lock.ids import ids
from kavaspec.plain import Plain

sys.path.insert(0, str(Path(__file__).parent))
from story import Answer, environment

pytestmark = pytest.mark.slow

SMALL = (
    ('completion = "{answer}"', 'completion = "{answer}"\n\nsplit = "train[:400]"\n\neval_split = "test[:64]"'),
    ("steps = 300", "steps = 6\n\nwarmup_steps = 0"),
    ("exact_match_rows = 64", "exact_match_rows = 0\n\nrows = 16"),
)  # fmt: skip
TARGETS = (
    '\n[targets.desk]\n\nfacts = "facts/desk.yaml"\n\n[targets.node]\n\nfacts = "facts/node.yaml"\n'
)

ON_ONE_CORE = "import os, sys; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"


class Desk:
    """A person in a clone of the repository."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def kavaspec(self, *words: str, machine: str = "desk") -> Answer:
        """One command, on the whole machine or on one core of it."""
        prefix = [sys.executable, *(["-c", ON_ONE_CORE] if machine == "node" else [])]
        return self._run([*prefix, "-m", "kavaspec", *words])

    def git(self, *words: str) -> Answer:
        who = ("-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
        return self._run(["git", *who, *words])

    def edit(self, *edits: tuple[str, str]) -> None:
        path = self.folder / "kava.toml"
        text = path.read_text(encoding="utf-8")
        for old, new in edits:
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        path.write_text(text, encoding="utf-8", newline="\n")

    def branch(self, name: str, *edits: tuple[str, str]) -> None:
        """One person's work: from main, edit, lock, commit, and back."""
        self.git("switch", "-q", "-c", name, "main")
        self.edit(*edits)
        assert self.kavaspec("lock").code == 0
        self.git("commit", "-q", "-a", "-m", name)
        self.git("switch", "-q", "main")

    def values(self, target: str) -> Mapping[str, Plain]:
        return read_lock(self.folder / "kava.lock").values(target)

    def _run(self, words: list[str]) -> Answer:
        outside = {name: it for name, it in environment().items() if not name.startswith("GIT_")}
        del outside["OMP_NUM_THREADS"]
        alone = {"HOME": str(self.folder.parent), "GIT_CONFIG_GLOBAL": os.devnull, "LC_ALL": "C"}
        ran = subprocess.run(
            words,
            cwd=self.folder,
            env=outside | alone,
            capture_output=True,
            encoding="utf-8",
            timeout=600,
        )
        assert "Traceback" not in ran.stderr, ran.stderr
        return Answer(code=ran.returncode, out=ran.stdout, err=ran.stderr)


@pytest.fixture
def main_branch(tmp_path: Path) -> Desk:
    """What everybody starts from: one spec, two fact files, one lock."""
    folder = tmp_path / "experiment"
    folder.mkdir()
    us = Desk(folder)
    us.git("init", "-q", "-b", "main")
    assert us.kavaspec("init").code == 0
    for machine in ("desk", "node"):
        assert us.kavaspec("facts", "--save", machine, machine=machine).code == 0
    us.edit(*SMALL)
    with (folder / "kava.toml").open("a", encoding="utf-8", newline="\n") as spec:
        spec.write(TARGETS)
    (folder / ".gitignore").write_text("/runs/\n", encoding="utf-8")
    locked = us.kavaspec("lock")
    assert locked.code == 0, locked.err
    us.git("add", ".")
    us.git("commit", "-q", "-m", "the experiment")
    return us


def test_branches_meet_and_their_lock_runs_on_two_machines(main_branch: Desk):
    us = main_branch
    before = ids(read_lock(us.folder / "kava.lock"), "desk").kx

    # Ana and Ben change different things: git needs nobody, and the lock is proved.
    us.branch("ana", ("learning_rate = 2e-3", "learning_rate = 1e-3"))
    us.branch("ben", ("[eval]\n", "[checkpoint]\n\nevery = 3\n\n[eval]\n"))
    assert us.git("merge", "-q", "--no-edit", "ana").code == 0
    assert us.git("merge", "-q", "--no-edit", "ben").code == 0
    fresh = us.kavaspec("check")
    assert (fresh.code, fresh.out.splitlines()[0][:19]) == (0, "kava.lock is fresh:")
    told = us.kavaspec("diff", "ben:kava.lock", "kava.lock")
    assert told.code == 12, told.out
    assert "train.learning_rate" in told.out
    assert "checkpoint.every" not in told.out, "both have what Ben did"

    # Cleo and Dan meet in one decision: how a batch is split. Git stops, and nothing is fresh by luck.
    us.branch("cleo", ("global_batch = 32", "global_batch = 16"))
    us.branch("dan", ('micro_batch = "auto" ', "micro_batch = 4 "))
    assert us.git("merge", "-q", "--no-edit", "cleo").code == 0
    assert us.git("merge", "-q", "--no-edit", "dan").code == 1
    marked = us.kavaspec("check")
    assert (marked.code, "unresolved merge conflict" in marked.err) == (6, True)
    assert us.kavaspec("run", "kava.lock", "--target", "desk").code == 6
    derived = us.kavaspec("lock")
    assert (derived.code, "merge resolved:" in derived.err + derived.out) == (0, True)
    assert us.kavaspec("check").code == 0
    for target in ("desk", "node"):
        split = [us.values(target)[f"train.{key}"] for key in ("micro_batch", "accumulation")]
        assert (split, us.values(target)["train.global_batch"]) == ([4, 4], 16)
    us.git("commit", "-q", "-a", "-m", "all four")

    # One experiment, two plans; each machine runs its own.
    lock = read_lock(us.folder / "kava.lock")
    desk, node = ids(lock, "desk"), ids(lock, "node")
    assert desk.kx == node.kx != before
    trained = {}
    for machine in ("desk", "node"):
        words = ["--target", "desk"] if machine == "desk" else []
        ran = us.kavaspec("run", "kava.lock", *words, machine=machine)
        assert ran.code == 0, ran.err
        folder = us.folder / "runs/kava" / f"{desk.kx.removeprefix('kx1:')[:8]}-{machine}"
        receipt = json.loads((folder / "receipt.json").read_text(encoding="utf-8"))
        trained[machine] = receipt
        assert (folder / "kava.lock").read_bytes() == (us.folder / "kava.lock").read_bytes()
        assert (folder / "student/model.safetensors").exists()
    assert {name: it["kx"] for name, it in trained.items()} == {"desk": desk.kx, "node": desk.kx}
    assert us.git("status", "--porcelain").out == "", "a run changes nothing that is committed"


def test_a_machine_that_is_too_small_for_a_plan_takes_the_other(main_branch: Desk):
    """`desk` has a thread for each core, and needs them; on one core only `node` fits."""
    us = main_branch
    cores = len(os.sched_getaffinity(0))
    assert [us.values(name)["train.threads"] for name in ("desk", "node")] == [cores, 1]
    refused = us.kavaspec("run", "kava.lock", "--target", "desk", machine="node")
    assert refused.code == 4
    assert f"needs fact.cpu.cores >= {cores}, here is 1\n" in refused.err
    taken = us.kavaspec("run", "kava.lock", "--smoke", "1", machine="node")
    assert taken.code == 0, taken.err
    assert '"target":"node"' in us.kavaspec("run", "kava.lock", "--smoke", "1", "--json", machine="node").out  # fmt: skip
