"""kava.lock: the same bytes everywhere, read alike by every YAML library, and never silently wrong."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from kavaspec import __version__
from kavaspec.errors import Exit, KavaError
from kavaspec.lock.file import lock_text, parse_lock, read_lock, write_lock
from kavaspec.lock.model import LOCK_VERSION, Block, Lock, LockedFact, Target
from kavaspec.plain import Plain, freeze, same

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"), max_size=20)
    | st.sampled_from(
        "yes No on null ~ 1e5 0x1F 0o17 1_000 12:30:45 1-12:00:00 2024-01-01 .5 1. = << - -1 "
        "24x2x64 sha256:00ff $KAVA_DATA_PATH /scratch/$USER ./data key: a#b 'q' {a} [b] %x @y `z` &a *b !c |d >e".split()
    )
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=6), inner, max_size=3)
    ),
    max_leaves=6,
).map(freeze)


@pytest.fixture(scope="module", autouse=True)
def _any_content() -> Iterator[None]:
    """Form and seals alone, around any value; what a block may say is `test_sense.py`."""
    with patch("kavaspec.lock.file.nonsense", lambda _: ()):
        yield


def lock_of(value: Plain, **changes: object) -> Lock:
    block = Block(value=value, by="precision@1", inputs=freeze({"train.device": value}))  # type: ignore[arg-type]
    fact = LockedFact(value=value, how="measured", probe="cpu@1", of={})
    content = {
        "version": LOCK_VERSION,
        "set": {},
        "facts": {"fact.data.rows": fact},
        "experiment": {"train.seed": block},
        "targets": {
            "here": Target(facts={"fact.cpu.cores": fact}, decisions={"train.threads": block})
        },
    }
    return Lock(**{**content, **changes})  # type: ignore[arg-type]


PLAIN_LOCK = lock_text(lock_of(1, set={"train.steps": 3}))


@given(VALUES)
def test_what_is_written_is_read_back(value: Plain):
    text = lock_text(lock_of(value))
    lock = parse_lock(text, "kava.lock")
    assert same(lock.experiment["train.seed"].value, value)
    assert same(lock.experiment["train.seed"].inputs["train.device"], value)
    assert same(lock.targets["here"].facts["fact.cpu.cores"].value, value)
    assert lock_text(lock) == text


@given(VALUES)
def test_every_yaml_library_reads_the_same(value: Plain):
    """PyYAML knows YAML 1.1, where `no` is false and `12:30:45` is 45045; ruamel knows 1.2."""
    text = lock_text(lock_of(value))
    for load in (yaml.safe_load, YAML(typ="safe", pure=True).load, YAML(typ="safe").load):
        assert same(freeze(load(text)["experiment"]["train.seed"]["value"]), value)


def test_the_text_of_a_lock():
    assert PLAIN_LOCK == Path(__file__).with_name("small.lock").read_text(encoding="utf-8")


@given(st.data())
def test_no_edit_of_one_character_changes_a_block_unnoticed(data: st.DataObject):
    """An edit may turn a block into a comment: then the key is missing, which `run` and `check`
    notice. What can still be read is what was written."""
    at = data.draw(st.integers(PLAIN_LOCK.index("set:"), len(PLAIN_LOCK) - 2))
    new = data.draw(st.sampled_from("019abz \"'{}[]:,#\n-"))
    text = PLAIN_LOCK[:at] + new + PLAIN_LOCK[at + 1 :]
    whole = parse_lock(PLAIN_LOCK, "kava.lock")
    try:
        lock = parse_lock(text, "kava.lock")
    except KavaError as error:
        assert error.exit_code == Exit.BROKEN
    else:
        assert lock.set.items() <= whole.set.items()
        assert lock.facts.items() <= whole.facts.items()
        assert lock.experiment.items() <= whole.experiment.items()
        for name, target in lock.targets.items():
            assert target.facts.items() <= whole.targets[name].facts.items()
            assert target.decisions.items() <= whole.targets[name].decisions.items()


@pytest.mark.parametrize("size", range(0, len(PLAIN_LOCK) - 1, 7))
def test_a_lock_that_was_cut_is_broken_unless_it_ends_a_block(size: int):
    try:
        lock = parse_lock(PLAIN_LOCK[:size], "kava.lock")
    except KavaError as error:
        assert error.exit_code == Exit.BROKEN
    else:
        assert PLAIN_LOCK.startswith(lock_text(lock).rstrip("\n"))


def problem(text: str) -> tuple[str, int]:
    with pytest.raises(KavaError) as caught:
        parse_lock(text, "kava.lock")
    first = caught.value.problems[0]
    assert first.exit == Exit.BROKEN
    assert first.where is not None
    return first.message, first.where.line


def test_a_value_edited_by_hand_is_named():
    text = PLAIN_LOCK.replace("value: 1\n", "value: 2\n", 1)
    assert problem(text) == ("train.seed was edited by hand: its seal does not fit", 14)


UNDO = "to undo the edit: `git checkout kava.lock`, or derive it again with `kavaspec lock`"


@pytest.mark.parametrize(
    ("old", "instead"),
    [
        (
            "train.seed:\n    value: 1\n",
            "to have this value: write it in kava.toml, then run `kavaspec lock`\n",
        ),
        (
            "fact.cpu.cores: {value: 1",
            (
                "a fact is seen, not chosen: see it anew with `kavaspec lock --refresh`,\n"
                "or correct it in the fact file that kava.toml names, then run `kavaspec lock`\n"
            ),
        ),
        (
            "train.steps: {value: 3",
            "to have this value: kavaspec lock --set train.steps=VALUE\n",
        ),
    ],
    ids=["key", "fact", "set"],
)
def test_an_edited_part_says_what_to_do_instead(old: str, instead: str):
    new = old.replace("value: 1", "value: 2").replace("value: 3", "value: 4")
    assert old in PLAIN_LOCK
    with pytest.raises(KavaError) as caught:
        parse_lock(PLAIN_LOCK.replace(old, new, 1), "kava.lock")
    assert [it.hint for it in caught.value.problems] == [instead + UNDO]


def test_every_edited_block_is_reported_at_once():
    text = PLAIN_LOCK.replace("value: 1", "value: 2")
    with pytest.raises(KavaError) as caught:
        parse_lock(text, "kava.lock")
    assert [item.message.partition(" was")[0] for item in caught.value.problems] == [
        "fact.data.rows",
        "train.seed",
        "fact.cpu.cores",
        "train.threads",
    ]


def test_a_block_moved_to_another_key_does_not_fit():
    text = PLAIN_LOCK.replace("train.seed", "train.steps")
    assert problem(text)[0] == "train.steps was edited by hand: its seal does not fit"


def test_an_unknown_version_is_not_touched():
    text = PLAIN_LOCK.replace("lock_version: 1", "lock_version: 3")
    assert problem(text) == (f"lock_version 3 needs a newer kavaspec; {__version__} reads 1", 2)


def test_conflict_markers_are_called_by_their_name():
    text = PLAIN_LOCK.replace("experiment:\n", "<<<<<<< HEAD\nexperiment:\n=======\n>>>>>>> b\n")
    assert problem(text) == ("this lock has an unresolved merge conflict", 12)


def test_a_lock_that_was_cut_says_so():
    assert problem(PLAIN_LOCK[: PLAIN_LOCK.index("targets:")]) == (
        "the lock ends early: it has no targets",
        18,
    )
    assert problem(PLAIN_LOCK[:-8])[0] == "the lock ends early: its last line is cut"


@pytest.mark.parametrize("line", [6, 10, 17, 18, 26, 33])
def test_a_quote_or_a_bracket_that_is_left_open_is_shown_where_it_was_opened(line: int):
    """YAML notices it blocks later, or at the end."""
    lines = PLAIN_LOCK.split("\n")
    lines[line - 1] = lines[line - 1].removesuffix("}").removesuffix('"')
    assert problem("\n".join(lines))[1] == line


def test_line_ends_of_windows_change_nothing():
    assert parse_lock(PLAIN_LOCK.replace("\n", "\r\n"), "kava.lock") == parse_lock(
        PLAIN_LOCK, "kava.lock"
    )


def test_something_else_is_not_a_lock():
    assert problem("a: 1\n") == ("this is not a kava.lock: it has no lock_version", 1)
    assert problem("") == ("this is not a kava.lock: it has no lock_version", 1)
    assert problem("\x00\n")[0].startswith("this is not YAML: ")


def test_a_write_that_fails_leaves_the_old_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "kava.lock"
    path.write_text("old", encoding="utf-8")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(KavaError, match="No space left on device") as caught:
        write_lock(path, PLAIN_LOCK)
    assert caught.value.exit_code == Exit.ENVIRONMENT
    assert path.read_text(encoding="utf-8") == "old"
    assert [item.name for item in tmp_path.iterdir()] == ["kava.lock"]


def test_a_missing_lock_says_how_to_make_one(tmp_path: Path):
    (tmp_path / "kava.toml").touch()
    with pytest.raises(KavaError) as caught:
        read_lock(tmp_path / "kava.lock")
    assert (caught.value.exit_code, caught.value.problems[0].hint) == (
        8,
        f"make it: kavaspec lock {tmp_path / 'kava.toml'}",
    )


@pytest.mark.parametrize("value", ["!!int ''", "!!bool x", "!!timestamp x", "!!float {a: 1}"])
def test_a_value_with_a_tag_that_does_not_fit(value: str):
    with pytest.raises(KavaError) as caught:
        parse_lock(f"lock_version: 1\nchecks: {value}\n", "kava.lock")
    assert {problem.exit for problem in caught.value.problems} == {Exit.BROKEN}
