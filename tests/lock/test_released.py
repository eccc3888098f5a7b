"""Every format that was ever released stays readable: its locks check fresh and keep their ids, for ever.

A folder in `released/` is frozen the day its format is released. Nothing in it is ever written again;
where a test here fails, the code is wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from kavaspec import __version__
from kavaspec.cli import main
from kavaspec.errors import Exit, KavaError, Problem
from kavaspec.lock import file as lock_file
from kavaspec.lock import migrate
from kavaspec.lock.file import READERS, lock_text, parse_lock, read_lock
from kavaspec.lock.ids import ids
from kavaspec.lock.migrate import prove_same_ids
from kavaspec.lock.model import LOCK_VERSION, Block, Lock, Target
from kavaspec.lock.stale import compare
from kavaspec.plain import freeze
from kavaspec.spec.load import load_spec

RELEASED = sorted((Path(__file__).parent / "released").iterdir())
every_release = pytest.mark.parametrize("folder", RELEASED, ids=lambda folder: folder.name)


def test_every_format_has_its_released_lock():
    assert [folder.name for folder in RELEASED] == [f"v{version}" for version in sorted(READERS)]
    assert max(READERS) == LOCK_VERSION


@every_release
def test_it_reads_checks_fresh_and_keeps_its_ids(folder: Path):
    lock = read_lock(folder / "kava.lock")
    found = compare(load_spec(folder / "kava.toml", set=lock.set), lock)
    assert found.differing == ()
    assert found.fresh
    names = {name: ids(lock, name) for name in lock.targets}
    shown = "".join(f"{name} {it.kx} {it.kn}\n" for name, it in names.items())
    assert shown == (folder / "ids.txt").read_text(encoding="utf-8")


@every_release
def test_it_can_be_written_in_the_present_format_with_the_same_ids(folder: Path):
    prove_same_ids(read_lock(folder / "kava.lock"), "kava.lock")


@every_release
def test_check_says_so_on_the_command_line(folder: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["check", str(folder / "kava.lock")]) == 0
    assert " is fresh: " in capsys.readouterr().out


def test_the_first_format_holds_every_kind_of_decision():
    """So that a reader which forgets one is found."""
    lock = read_lock(RELEASED[0] / "kava.lock")
    blocks = [block for name in lock.targets for block in lock.blocks(name).values()]
    by = {block.by.partition("@")[0] for block in blocks}
    assert {"spec", "set", "target", "preset seed", "default", "micro_batch"} <= by
    assert any("auto" in block.inputs for block in blocks)
    assert any(block.guard for block in blocks)
    assert any(block.provisional for block in blocks)
    assert any(block.value is None for block in blocks)
    assert lock.set
    assert len(lock.targets) == 2


# ---- an older format, made up: one line per key, no facts apart, no seals ----------------------


def old_text(lock: Lock) -> str:
    """A lock as a kavaspec before the first release might have written it."""
    from kavaspec.lock.file import _flow  # the spelling of values is not what is tested

    lines = ["lock_version: 0"]
    for name, target in {
        "": Target(facts=lock.facts, decisions=lock.experiment),
        **lock.targets,
    }.items():
        lines += [
            f"of/{name}/{key}: {_flow([it.value, it.by, it.inputs, it.guard, it.provisional])}"
            for key, it in target.decisions.items()
        ]
        lines += [
            f"of/{name}/{fact}: {_flow([it.value, it.how, it.probe, it.of])}"
            for fact, it in target.facts.items()
        ]
    lines += [f"set/{key}: {_flow(value)}" for key, value in lock.set.items()]
    lines.append(f"checks: {lock.checks}")
    return "\n".join(lines) + "\n"


def old_reader(tree: Any, text: str, path: str) -> tuple[Lock, tuple[Problem, ...]]:
    from kavaspec.lock.model import LockedFact

    facts: dict[str, dict[str, LockedFact]] = {"": {}}
    blocks: dict[str, dict[str, Block]] = {"": {}}
    for name, fields in tree.items():
        kind, _, rest = name.partition("/")
        if kind != "of":
            continue
        target, _, key = rest.partition("/")
        values = [freeze(field) for field in fields]
        if key.startswith("fact."):
            parts = dict(zip(("value", "how", "probe", "of"), values, strict=True))
            facts.setdefault(target, {})[key] = LockedFact(**parts)
        else:
            parts = dict(
                zip(("value", "by", "inputs", "guard", "provisional"), values, strict=True)
            )
            blocks.setdefault(target, {})[key] = Block(**parts)
    lock = Lock(
        version=0,
        set=MappingProxyType(
            {name[4:]: freeze(it) for name, it in tree.items() if name.startswith("set/")}
        ),
        facts=MappingProxyType(facts.pop("")),
        experiment=MappingProxyType(blocks.pop("")),
        targets=MappingProxyType(
            {name: Target(facts=facts[name], decisions=blocks[name]) for name in blocks}
        ),
        checks=tree["checks"],
    )
    return lock, ()


@pytest.fixture
def old_format(
    locked: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Lock:
    """`kava.lock` in format 0, of which a reader is registered."""
    assert main(["lock"]) == 0
    readers: Mapping[int, Any] = {0: old_reader, **READERS}
    monkeypatch.setattr(lock_file, "READERS", readers)
    lock = read_lock(locked / "kava.lock")
    (locked / "kava.lock").write_text(old_text(lock), encoding="utf-8")
    capsys.readouterr()
    return lock


def test_an_old_format_is_read_and_fresh_and_nothing_rewrites_it_unasked(
    locked: Path, old_format: Lock, capsys: pytest.CaptureFixture[str]
):
    before = (locked / "kava.lock").read_bytes()
    assert main(["check"]) == 0
    assert main(["why", "train.seed"]) == 0
    assert (locked / "kava.lock").read_bytes() == before
    assert capsys.readouterr().out.startswith("kava.lock is fresh: ")


def test_lock_writes_it_in_the_present_format_and_proves_the_ids(
    locked: Path, old_format: Lock, capsys: pytest.CaptureFixture[str]
):
    assert main(["lock"]) == 0
    assert (
        "kava.lock has format 0 and is written in format 1: both ids were proved to stay the same\n"
        in capsys.readouterr().err
    )
    new = read_lock(locked / "kava.lock")
    assert new == old_format
    assert ids(new, "cpu") == ids(old_format, "cpu")


def test_a_format_that_would_change_an_id_is_not_rewritten(
    locked: Path,
    old_format: Lock,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
):
    """As if the writer lost a value on the way."""

    def forgetful(lock: Lock) -> str:
        seed = replace(lock.experiment["train.seed"], value=7)
        return lock_text(replace(lock, experiment={**lock.experiment, "train.seed": seed}))

    monkeypatch.setattr(migrate, "lock_text", forgetful)
    before = (locked / "kava.lock").read_bytes()
    assert main(["lock"]) == 6
    shown = capsys.readouterr().err
    assert "kava.lock has format 0, and writing it in format 1 would change the ids of cpu" in shown
    assert "this is a bug in kavaspec, please report it; nothing was changed" in shown
    assert (locked / "kava.lock").read_bytes() == before


@pytest.mark.parametrize(
    "words", [["lock"], ["lock", "--refresh"], ["check"], ["diff", "kava.lock"]], ids=" ".join
)
def test_a_newer_format_is_never_written_over(
    locked: Path, capsys: pytest.CaptureFixture[str], words: list[str]
):
    text = (
        (locked / "kava.lock")
        .read_text(encoding="utf-8")
        .replace("lock_version: 1", "lock_version: 3")
    )
    (locked / "kava.lock").write_text(text, encoding="utf-8")
    assert main(words) == 6
    shown = capsys.readouterr().err
    assert f"lock_version 3 needs a newer kavaspec; {__version__} reads 1\n" in shown
    assert "install the kavaspec that wrote it, or a later one; nothing was changed" in shown
    assert (locked / "kava.lock").read_text(encoding="utf-8") == text


@pytest.mark.parametrize("version", ["0", "-1", "true", "one", "1.0"])
def test_a_version_that_never_was_is_a_broken_lock(locked: Path, version: str):
    text = (
        (locked / "kava.lock")
        .read_text(encoding="utf-8")
        .replace("lock_version: 1", f"lock_version: {version}")
    )
    with pytest.raises(KavaError, match="no kavaspec ever wrote lock_version") as caught:
        parse_lock(text, "kava.lock")
    assert caught.value.exit_code == Exit.BROKEN
