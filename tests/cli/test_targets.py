"""Many machines in one lock, resolved where none of them is; touching one leaves the others alone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from kavaspec.cli import main
from kavaspec.lock.file import read_lock
from kavaspec.lock.ids import ids

ROOT = Path(__file__).parents[2]
FLEET = sorted((ROOT / "examples/facts").glob("*.yaml"))


@pytest.fixture
def fleet(locked: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """The default spec on all ten example machines, locked; facts of models come from the golden lock."""
    text = (ROOT / "kava.toml").read_text(encoding="utf-8")
    for path in FLEET:
        (locked / path.name).write_bytes(path.read_bytes())
        text += target(path.stem)
    (locked / "kava.toml").write_text(text, encoding="utf-8")
    assert main(["lock"]) == 0
    capsys.readouterr()
    return locked


def target(stem: str) -> str:
    return f'\n[targets.{stem}]\n\nfacts = "{stem}.yaml"\n'


def blocks(lock: Path) -> dict[str, str]:
    """The text of each target's section."""
    text = lock.read_text(encoding="utf-8").partition("\ntargets:\n")[2]
    parts = re.split(r"(?m)^  (\S+):$", text)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def test_ten_machines_share_one_experiment(fleet: Path):
    lock = read_lock(fleet / "kava.lock")
    assert list(lock.targets) == [path.stem for path in FLEET]
    assert len({ids(lock, name).kx for name in lock.targets}) == 1
    assert {
        name: (lock.values(name)["train.device"], lock.values(name)["train.precision"])
        for name in lock.targets
    } == {
        "a100-slurm": ("cuda", "bfloat16"),
        "cpu-avx2-lsf": ("cpu", "float32"),
        "cpu-avx512bf16": ("cpu", "float32"),
        "h100-pbs": ("cuda", "bfloat16"),
        "h200-kubernetes": ("cuda", "bfloat16"),
        "m2max-mps": ("mps", "float32"),
        "mi250x-slurm": ("rocm", "bfloat16"),
        "rtx4070-windows": ("cuda", "bfloat16"),
        "rtx4090-linux": ("cuda", "bfloat16"),
        "v100-sge": ("cuda", "float16"),
    }


def test_all_of_them_are_provisional_until_a_run(fleet: Path, capsys: pytest.CaptureFixture[str]):
    """Nobody measured an example machine."""
    assert main(["check"]) == 0
    out = capsys.readouterr().out
    assert out.count("(provisional)") == len(FLEET)


def test_one_more_leaves_every_other_block_as_it_was(fleet: Path):
    before = blocks(fleet / "kava.lock")
    experiment = (fleet / "kava.lock").read_bytes().partition(b"\ntargets:\n")[0]
    text = (fleet / "kava.toml").read_text(encoding="utf-8")
    (fleet / "kava.toml").write_text(
        text + target("a100-slurm").replace("[targets.a100-slurm]", "[targets.b]"), encoding="utf-8"
    )
    assert main(["check"]) == 3, "a target of the spec that is not in the lock is stale"
    assert main(["lock"]) == 0
    after = blocks(fleet / "kava.lock")
    assert (fleet / "kava.lock").read_bytes().partition(b"\ntargets:\n")[0] == experiment
    assert {name: after[name] for name in before} == before
    assert list(set(after) - set(before)) == ["b"]


def test_one_anew_leaves_the_others_alone_though_their_files_changed(fleet: Path):
    before = blocks(fleet / "kava.lock")
    for stem in ("a100-slurm", "h100-pbs"):
        path = fleet / f"{stem}.yaml"
        text = path.read_text(encoding="utf-8")
        assert "value: 80GiB" in text
        path.write_text(text.replace("value: 80GiB", "value: 20GiB"), encoding="utf-8")
    assert main(["lock", "--target", "a100-slurm"]) == 0
    after = blocks(fleet / "kava.lock")
    assert [name for name in before if after[name] != before[name]] == ["a100-slurm"]
    assert main(["check"]) == 3, "the other file is still to be taken in"
    assert main(["lock"]) == 0
    both = blocks(fleet / "kava.lock")
    assert [name for name in before if both[name] != before[name]] == ["a100-slurm", "h100-pbs"]


def test_one_less_is_stale_and_then_gone(fleet: Path, capsys: pytest.CaptureFixture[str]):
    text = (fleet / "kava.toml").read_text(encoding="utf-8")
    (fleet / "kava.toml").write_text(text.replace(target("v100-sge"), ""), encoding="utf-8")
    assert main(["check"]) == 3
    assert "target v100-sge" in capsys.readouterr().out
    assert main(["lock"]) == 0
    assert "v100-sge" not in blocks(fleet / "kava.lock")
