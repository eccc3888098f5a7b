"""Whatever is in the files and on the command line: a documented exit code, a message, never a traceback.

What only reads leaves every byte as it was, and so does a `lock` that fails. What `lock` wrote is
fresh, and locking again changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kavaspec.facts.names import FACTS
from kavaspec.lock.file import parse_lock
from kavaspec.spec.schema import keys
from tests.effort import effort
from tests.properties import mutations
from tests.properties.commands import ENDS, Ended, Files, a_machine_without_torch, lay_out, run

ROOT = Path(__file__).parents[2]
LOCK = (ROOT / "tests/golden/cpu-avx512bf16.lock").read_text(encoding="utf-8")
MACHINE = (ROOT / "examples/facts/cpu-avx512bf16.yaml").read_text(encoding="utf-8")
SPEC = (
    'facts = "models.yaml"\n'
    + (ROOT / "kava.toml").read_text(encoding="utf-8")
    + '\n[targets.cpu]\n\nfacts = "cpu.yaml"\n'
)


def models_of(lock: str) -> str:
    """The facts about models and data of a lock, as a fact file."""
    table = {
        name: {"value": fact.value, "how": fact.how, "probe": fact.probe, "of": dict(fact.of)}
        for name, fact in parse_lock(lock, "").facts.items()
    }
    plain = {name: {**row, "value": _thawed(row["value"])} for name, row in table.items()}
    return mutations.yaml_text({"facts_version": 1, "note": "made by a test", "facts": plain})


def _thawed(value: object) -> object:
    if isinstance(value, Mapping):
        return {name: _thawed(item) for name, item in value.items()}
    return [_thawed(item) for item in value] if isinstance(value, tuple) else value


MODELS = models_of(LOCK)
BASE: Files = {
    "kava.toml": SPEC.encode(),
    "cpu.yaml": MACHINE.encode(),
    "models.yaml": MODELS.encode(),
    "kava.lock": LOCK.encode(),
    "old.lock": LOCK.encode(),
}
"""A project that needs nothing of this machine: its lock is fresh."""

READS = (
    ("check",),
    ("check", "--json"),
    ("check", "--format", "github"),
    ("why", "train.micro_batch"),
    ("why", "train.precision", "--not", "float16"),
    ("why", "train.micro_batch", "--if", "fact.cpu.cores=2"),
    ("why", "fact.cpu.cores", "--uses"),
    ("why", "objective.kv.teacher_dim", "--json"),
    ("plan",),
    ("plan", "--world", "3", "--json"),
    ("diff", "old.lock", "kava.lock"),
    ("diff", "kava.lock", "old.lock", "--markdown"),
    ("diff", "old.lock", "kava.lock", "--json"),
    ("tui", "kava.lock", "--plain"),
    ("tui", "--json"),
    ("tui", "--once"),
    ("lock", "--dry-run"),
    ("lock", "--dry-run", "--json", "--all"),
    ("run", "kava.lock", "--smoke", "1"),
    ("fix", "--dry-run"),
    ("schema",),
)
LOCKS = (("lock",), ("lock", "--refresh"), ("lock", "--upgrade", "all"), ("lock", "--json"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    made = tmp_path_factory.mktemp("fuzz")
    with a_machine_without_torch(made):
        lay_out(made, BASE)
        assert run(["check"], made).code == 0
        assert run(["lock"], made).changed == set()
        yield made


def quick(examples: int) -> settings:
    checks = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
    return settings(max_examples=effort(examples), deadline=None, suppress_health_check=checks)


def promised(folder: Path, spoilt: Files, words: tuple[str, ...]) -> None:
    """Run one command on a spoilt project; what it may not do is asserted."""
    lay_out(folder, {**BASE, **spoilt})
    ended = run(words, folder)
    if words[0] != "lock" or "--dry-run" in words or ended.code:
        assert ended.changed == set(), f"{words} ended with {ended.code}"
    elif ended.code == 0:
        _is_good(folder, ended)


def _is_good(folder: Path, locked: Ended) -> None:
    assert locked.changed <= {"kava.lock"}
    checked = run(["check"], folder)
    assert checked.code == 0, f"what {locked.words} wrote is not fresh: {checked.out}{checked.err}"
    assert run(["lock"], folder).changed == set(), "locking again is a no-op"
    for words in (("why", "train.micro_batch"), ("tui", "--plain"), ("run", "kava.lock")):
        assert run(words, folder).changed == set()


COMMANDS = st.sampled_from([*READS, *LOCKS])


@quick(30)
@given(content=mutations.specs(SPEC), words=COMMANDS)
def test_specs_changed_by_structure(folder: Path, content: bytes, words: tuple[str, ...]):
    promised(folder, {"kava.toml": content}, words)


@quick(12)
@given(text=mutations.tokens_of(SPEC), words=COMMANDS)
def test_specs_changed_by_tokens(folder: Path, text: str, words: tuple[str, ...]):
    promised(folder, {"kava.toml": text.encode("utf-8", "replace")}, words)


@quick(6)
@given(content=mutations.bytes_of(SPEC.encode()), words=COMMANDS)
def test_specs_changed_by_bytes(folder: Path, content: bytes, words: tuple[str, ...]):
    promised(folder, {"kava.toml": content}, words)


@quick(8)
@given(content=mutations.locks(LOCK), words=COMMANDS)
def test_locks_changed_by_structure_and_sealed_again(
    folder: Path, content: bytes, words: tuple[str, ...]
):
    promised(folder, {"kava.lock": content}, words)


@quick(10)
@given(text=mutations.tokens_of(LOCK), words=COMMANDS)
def test_locks_changed_by_tokens(folder: Path, text: str, words: tuple[str, ...]):
    promised(folder, {"kava.lock": text.encode("utf-8", "replace")}, words)


@quick(6)
@given(content=mutations.bytes_of(LOCK.encode()), words=COMMANDS)
def test_locks_changed_by_bytes(folder: Path, content: bytes, words: tuple[str, ...]):
    promised(folder, {"kava.lock": content}, words)


@quick(4)
@given(content=mutations.locks(LOCK), words=COMMANDS)
def test_locks_without_their_spec(folder: Path, content: bytes, words: tuple[str, ...]):
    lay_out(folder, {"kava.lock": content, "old.lock": LOCK.encode()})
    assert run(words, folder).changed == set()


FACT_COMMANDS = st.sampled_from([("lock",), ("lock", "--json", "--all"), ("lock", "--dry-run")])


@quick(10)
@given(content=mutations.fact_files(MACHINE), words=FACT_COMMANDS)
def test_fact_files_of_a_machine(folder: Path, content: bytes, words: tuple[str, ...]):
    promised(folder, {"cpu.yaml": content}, words)


@quick(10)
@given(content=mutations.fact_files(MODELS), words=FACT_COMMANDS)
def test_fact_files_of_models(folder: Path, content: bytes, words: tuple[str, ...]):
    promised(folder, {"models.yaml": content}, words)


@quick(8)
@given(
    spec=mutations.specs(SPEC), lock=mutations.locks(LOCK), facts=mutations.fact_files(MACHINE),
    words=COMMANDS,
)  # fmt: skip
def test_all_of_them_at_once(
    folder: Path, spec: bytes, lock: bytes, facts: bytes, words: tuple[str, ...]
):
    promised(folder, {"kava.toml": spec, "kava.lock": lock, "cpu.yaml": facts}, words)


# ---- the command line itself

WORD = st.sampled_from([*keys(), *FACTS, "train", "objective.kv", "fact", "fact.gpu", *mutations.TEXTS, "\udcff", "x" * 300]) | st.text(st.characters(exclude_characters="\x00", codec="utf-8"), max_size=8)  # fmt: skip
"""No system passes a NUL; a byte that is not UTF-8 comes as half of a surrogate pair."""
PATH = st.sampled_from(["kava.lock", "kava.toml", "old.lock", ".", "..", "nowhere", "nowhere/kava.lock", "cpu.yaml", "kava.lock/x", "HEAD:kava.lock", "HEAD", "", "-", "x" * 300, "\udcff", "~", "/dev/null"])  # fmt: skip
PAIR = st.builds(lambda name, value: f"{name}={value}", WORD, WORD)
OPTIONS: Mapping[str, Mapping[str, st.SearchStrategy[str] | None]] = {
    "check": {"": PATH, "--spec": PATH, "--format": WORD, "--json": None},
    "why": {"": WORD, "--lock": PATH, "--spec": PATH, "--target": WORD, "--not": WORD, "--if": PAIR, "--uses": None, "--json": None},
    "plan": {"": PATH, "--target": WORD, "--world": WORD, "--json": None},
    "calibrate": {"": PATH, "--save": WORD, "--json": None},
    "diff": {"": PATH, "--target": WORD, "--all": None, "--markdown": None, "--json": None},
    "tui": {"": PATH, "--plain": None, "--once": None, "--json": None},
    "run": {"": PATH, "--target": WORD, "--resume": None, "--run": WORD, "--smoke": WORD, "--allow": WORD, "--track": WORD, "--json": None},
    "lock": {"": PATH, "--target": WORD, "--set": PAIR, "--upgrade": WORD, "--dry-run": None, "--all": None, "--json": None},
    "fix": {"": PATH, "--dry-run": None, "--json": None},
    "pin": {"": PAIR, "--spec": PATH, "--lock": PATH, "--target": WORD, "--dry-run": None, "--json": None},
    "schema": {"--markdown": None, "--json": None, "": WORD},
}  # fmt: skip


@st.composite
def lines(draw: st.DrawFn) -> tuple[str, ...]:
    """A command with a few arguments and options, most of which it has."""
    command = draw(st.sampled_from(sorted(OPTIONS)))
    words = [command]
    for _ in range(draw(st.integers(0, 4))):
        name = draw(st.sampled_from(sorted(OPTIONS[command])))
        value = OPTIONS[command][name]
        words += [name] if name else []
        words += [draw(value)] if value is not None else []
    if draw(st.integers(0, 9)) == 0:
        words.append(draw(st.sampled_from(["--nonsense", "-x", "--", "--help", "--version"])))
    return (*words, "--dry-run") if command in ("lock", "pin") else tuple(words)


def test_every_option_of_every_reading_command_is_tried():
    """`--help` of each command names no option that this page does not draw."""
    assert set(OPTIONS) | {"init", "facts"} == set(ENDS)


@quick(40)
@given(words=lines())
def test_any_command_line(folder: Path, words: tuple[str, ...]):
    lay_out(folder, BASE)
    assert run(words, folder).changed == set()
