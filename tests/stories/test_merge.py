"""Two people change one experiment on two branches, and real git merges them.

What is independent merges cleanly and is fresh. What depends on each other ends in a conflict or is
stale, never in a wrong experiment. A conflicted lock is derived again without looking at a machine.
"""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from kavaspec.cli import main
from kavaspec.cli.init import START
from kavaspec.errors import KavaError
from kavaspec.lock.file import parse_lock, read_lock
from kavaspec.lock.stale import compare
from kavaspec.rules import RULES
from kavaspec.spec.load import parse_spec
from kavaspec.trials import TRIALS, needs

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]

MORE = {
    "[objective]": ['kind = "kv"', "ce_weight = 1.0"],
    "[train]": [
        "weight_decay = 0.01",
        "clip = 1.0",
        "beta1 = 0.9",
        "beta2 = 0.999",
        "epsilon = 1e-8",
        "seed = 0",
        "warmup_steps = 10",
        "projector_learning_rate = 1e-3",
        'schedule = "cosine"',
        'attention = "sdpa"',
        "compile = false",
        "threads = 8",
    ],
    "[eval]": ["rows = 128", "every = 0", "max_new_tokens = 96"],
}
"""Keys that `init` does not write, laid out as it writes the others: a blank line between two."""

TAIL = """
[objective.kv]

key_weight = 1.0

value_weight = 1.0

weight = 1.0

[objective.kv.projector]

rank = 32

kind = "low_rank"

[checkpoint]

keep = 2

[logging]

every = 1

[loader]

workers = 0

[targets.cpu]

facts = "cpu-avx512bf16.yaml"
"""


def base_spec() -> str:
    """What `init` writes, with more keys written out."""
    text = START
    for table, lines in MORE.items():
        text = text.replace(f"{table}\n", "\n\n".join([table, *lines]) + "\n", 1)
    return (
        text.replace(
            'kind = "kv"\n\nce_weight = 1.0\n\nkind = "kv" ', 'ce_weight = 1.0\n\nkind = "kv" '
        )
        + TAIL
    )


SPEC = base_spec()

TEN = {
    "name": ('name = "kava"', 'name = "other"'),
    "train.learning_rate": ("learning_rate = 2e-3", "learning_rate = 1e-3"),
    "train.weight_decay": ("weight_decay = 0.01", "weight_decay = 0.1"),
    "train.seed": ("seed = 0", "seed = 1"),
    "eval.exact_match_rows": ("exact_match_rows = 64", "exact_match_rows = 32"),
    "eval.max_new_tokens": ("max_new_tokens = 96", "max_new_tokens = 48"),
    "train.attention": ('attention = "sdpa"', 'attention = "eager"'),
    "train.compile": ("compile = false", "compile = true"),
    "checkpoint.keep": ("keep = 2", "keep = 3"),
    "logging.every": ("[logging]\n\nevery = 1", "[logging]\n\nevery = 5"),
}
"""Ten keys no two of which meet in one decision: five of the claim, two numerics, three placement,
most of them neighbours in one table."""

MANY = {
    **TEN,
    "train.global_batch": ("global_batch = 32", "global_batch = 64"),
    "train.steps": ("steps = 300", "steps = 400"),
    "train.micro_batch": ('micro_batch = "auto" ', "micro_batch = 16 "),
    "train.precision": ('precision = "auto"', 'precision = "float32"'),
    "train.beta2": ("beta2 = 0.999", "beta2 = 0.99"),
    "train.warmup_steps": ("warmup_steps = 10", "warmup_steps = 20"),
    "train.projector_learning_rate": ("projector_learning_rate = 1e-3", "projector_learning_rate = 2e-3"),
    "train.schedule": ('schedule = "cosine"', 'schedule = "constant"'),
    "train.threads": ("threads = 8", "threads = 4"),
    "eval.rows": ("\nrows = 128", "\nrows = 64"),
    "objective.ce_weight": ("ce_weight = 1.0", "ce_weight = 0.5"),
    "objective.kv.key_weight": ("key_weight = 1.0", "key_weight = 0.5"),
    "objective.kv.weight": ("\nweight = 1.0", "\nweight = 0.5"),
    "objective.kv.projector.rank": ("rank = 32", "rank = 16"),
    "loader.workers": ("workers = 0", "workers = 1"),
}  # fmt: skip
"""Twenty-five keys; some of them meet in a decision."""

DEPENDENT = {
    "global-batch-and-micro-batch": (
        ("global_batch = 32", "global_batch = 64"),
        ('micro_batch = "auto" ', "micro_batch = 8 "),
    ),
    "global-batch-and-limit-of-micro-batch": (
        ("global_batch = 32", "global_batch = 24"),
        ('micro_batch = "auto" ', "micro_batch = { auto = true, max = 4 } "),
    ),
    "layers-and-layer-map": (
        ("key_weight = 1.0", "layers = [0, 2]\n\nkey_weight = 1.0"),
        ("\nweight = 1.0", "\nlayer_map = [1, 2, 4]\n\nweight = 1.0"),
    ),
    "width-and-layers": (
        ("[objective.kv.projector]\n\nrank = 32", "[objective.kv.projector]\n\nrank = 32\n\nin_dim = [48, 48, 48]"),
        ("key_weight = 1.0", "layers = [0, 2]\n\nkey_weight = 1.0"),
    ),
    "aggregate-and-width": (
        ("key_weight = 1.0", 'aggregate = "concat"\n\nkey_weight = 1.0'),
        ("\nweight = 1.0", "\nteacher_dim = [64, 64, 64]\n\nweight = 1.0"),
    ),
    "rank-and-kind-of-projector": (
        ("rank = 32", "rank = 16"),
        ('kind = "low_rank"', 'kind = "mlp"'),
    ),
    "threads-and-workers": (
        ("threads = 8", "threads = 4"),
        ("workers = 0", "workers = 2"),
    ),
    "steps-and-target": (
        ("steps = 300", "steps = 600"),
        ("[targets.cpu]", '[targets.second]\n\nfacts = "cpu-avx512bf16.yaml"\n\n[targets.cpu]'),
    ),
}  # fmt: skip
"""Two edits that meet in one decision."""


def edited(text: str, *edits: tuple[str, str]) -> str:
    for old, new in edits:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


@dataclass(frozen=True, kw_only=True)
class Repository:
    """A throw-away repository with `kava.toml` and `kava.lock` in it."""

    folder: Path

    def git(self, *words: str, fails: bool = False) -> str:
        who = ("-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
        outside = {name: it for name, it in os.environ.items() if not name.startswith("GIT_")}
        alone = {
            "HOME": str(self.folder),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
        }
        ran = subprocess.run(
            ["git", *who, *words],
            cwd=self.folder,
            env={**outside, **alone, "LC_ALL": "C"},
            capture_output=True,
            encoding="utf-8",
        )
        assert (ran.returncode != 0) == fails, f"{words}: {ran.stdout}{ran.stderr}"
        return ran.stdout

    def branch(self, name: str, spec: str, lock: str) -> None:
        """A branch from `main` with one commit."""
        self.git("checkout", "-q", "-b", name, "main")
        self.write(spec, lock)
        self.git("commit", "-q", "-a", "-m", name)
        self.git("checkout", "-q", "main")

    def write(self, spec: str, lock: str) -> None:
        (self.folder / "kava.toml").write_text(spec, encoding="utf-8", newline="\n")
        (self.folder / "kava.lock").write_text(lock, encoding="utf-8", newline="\n")

    @property
    def lock(self) -> str:
        return (self.folder / "kava.lock").read_text(encoding="utf-8")

    @property
    def spec(self) -> str:
        return (self.folder / "kava.toml").read_text(encoding="utf-8")


Locker = Callable[[str], str]


@pytest.fixture(scope="module")
def lock_of(tmp_path_factory: pytest.TempPathFactory) -> Locker:
    """Lock a spec in a folder of its own; facts about model and data are those of the golden lock."""
    folder = tmp_path_factory.mktemp("locker")
    shutil.copy(ROOT / "examples/facts/cpu-avx512bf16.yaml", folder)
    done: dict[str, str] = {}

    def lock(spec: str) -> str:
        if spec not in done:
            shutil.copy(ROOT / "tests/golden/cpu-avx512bf16.lock", folder / "kava.lock")
            (folder / "kava.toml").write_text(spec, encoding="utf-8", newline="\n")
            assert main(["lock", str(folder / "kava.toml")]) == 0
            done[spec] = (folder / "kava.lock").read_text(encoding="utf-8")
        return done[spec]

    return lock


@pytest.fixture
def repository(tmp_path: Path, lock_of: Locker, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """The base on `main`, and the working directory in it."""
    made = Repository(folder=tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_COLOR", "1")
    shutil.copy(ROOT / "examples/facts/cpu-avx512bf16.yaml", tmp_path)
    made.git("init", "-q", "-b", "main")
    made.write(SPEC, lock_of(SPEC))
    made.git("add", ".")
    made.git("commit", "-q", "-m", "base")
    return made


@pytest.fixture
def no_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing may be observed: neither this machine, nor a model, nor data."""

    def look(*_: object, **__: object) -> None:
        raise AssertionError("something was observed")

    monkeypatch.setattr("kavaspec.compile.observe_machine", look)
    monkeypatch.setattr("kavaspec.compile.observe_experiment", look)


# ---- independent edits -------------------------------------------------------------------------


def test_the_ten_keys_are_of_every_tier_and_meet_in_no_decision(lock_of: Locker):
    blocks = parse_lock(lock_of(SPEC), "kava.lock").blocks("cpu")
    assert {key: blocks[key].by for key in TEN} == dict.fromkeys(TEN, "spec")
    readers = {key: {it for it, block in blocks.items() if key in block.inputs} for key in TEN}
    assert [
        pair for pair in itertools.combinations(TEN, 2) if readers[pair[0]] & readers[pair[1]]
    ] == []


def test_all_45_pairs_of_edits_merge_cleanly_and_are_fresh(
    repository: Repository, lock_of: Locker, capsys: pytest.CaptureFixture[str]
):
    """Real `git merge` of both files; then `check` derives every value again."""
    for key, edit in TEN.items():
        spec = edited(SPEC, edit)
        repository.branch(key, spec, lock_of(spec))
    fresh = 0
    for first, second in itertools.combinations(TEN, 2):
        repository.git("checkout", "-q", "-B", "merged", first)
        repository.git("merge", "-q", "--no-edit", second)
        assert repository.spec == edited(SPEC, TEN[first], TEN[second])
        assert main(["check"]) == 0, (first, second, capsys.readouterr().out)
        fresh += 1
    assert fresh == 45


def merge_file(base: str, ours: str, theirs: str, folder: Path) -> str | None:
    """What git makes of one file; None where it conflicts."""
    for name, text in (("ours", ours), ("base", base), ("theirs", theirs)):
        (folder / name).write_text(text, encoding="utf-8", newline="\n")
    ran = subprocess.run(
        ["git", "merge-file", "-p", "-q", "ours", "base", "theirs"],
        cwd=folder,
        capture_output=True,
        encoding="utf-8",
    )
    return ran.stdout if ran.returncode == 0 else None


def outcome(spec: str | None, lock: str | None) -> str:
    """What a person meets after a merge."""
    if spec is None or lock is None:
        return "conflict"
    try:
        found = compare(parse_spec(spec, "kava.toml", set={}), parse_lock(lock, "kava.lock"))
    except KavaError:
        return "refused"
    return "fresh" if found.fresh else "stale"


def readers_of(key: str) -> set[str]:
    """Every key that is decided from this one, through any number of rules and trials, and itself."""
    found, new = set(), {key}
    while new:
        found |= new
        new = {rule.key for rule in RULES if found & set(rule.inputs.values())}
        new |= {trial.fact for trial in TRIALS if needs(found)}
        new -= found
    return found


def test_of_all_pairs_of_25_edits_only_those_that_meet_in_a_decision_need_a_hand(
    lock_of: Locker, tmp_path: Path
):
    """300 pairs. Whatever git makes of them, it is fresh, or somebody notices."""
    base = lock_of(SPEC)
    met: dict[tuple[str, str], str] = {}
    for first, second in itertools.combinations(MANY, 2):
        specs = [edited(SPEC, MANY[key]) for key in (first, second)]
        spec = merge_file(SPEC, *specs, tmp_path)
        lock = merge_file(base, *map(lock_of, specs), tmp_path)
        met[first, second] = outcome(spec, lock)
    unclean = [pair for pair, it in met.items() if it != "fresh"]
    assert len(met) == 300
    assert [pair for pair in unclean if not readers_of(pair[0]) & readers_of(pair[1])] == []
    print(
        f"{len(met) - len(unclean)} of {len(met)} pairs merged cleanly and are fresh: not {unclean}"
    )
    assert len(unclean) <= 10


# ---- dependent edits ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", DEPENDENT)
def test_dependent_edits_never_end_in_a_lock_that_is_fresh_but_wrong(
    repository: Repository,
    lock_of: Locker,
    capsys: pytest.CaptureFixture[str],
    no_machine: None,
    name: str,
):
    """A conflict (exit 6), or a lock that is stale (3) or impossible (7), never 0; then `lock` mends
    what can be mended."""
    for branch, edit in zip(("one", "two"), DEPENDENT[name], strict=True):
        spec = edited(SPEC, edit)
        repository.branch(branch, spec, lock_of(spec))
    repository.git("checkout", "-q", "-B", "merged", "one")
    merged = subprocess.run(
        ["git", "-c", "user.name=A", "-c", "user.email=a@b", "merge", "-q", "two"]
    )
    repository.git("diff", "--quiet", "--diff-filter=U", "--", "kava.toml")
    code = main(["check"])
    assert code in ((6,) if merged.returncode else (3, 7)), capsys.readouterr()
    capsys.readouterr()
    if main(["lock"]) == 0:
        assert main(["check"]) == 0
    else:
        assert code == 7 or merged.returncode, capsys.readouterr().err


def test_the_example_of_the_wrong_experiment(repository: Repository, lock_of: Locker):
    """A lock of values only would merge to 8 x 8 x 1 = 64 rows while `global_batch` says 128."""
    spec = edited(SPEC, MANY["train.global_batch"])
    pinned = edited(SPEC, ('micro_batch = "auto" ', "micro_batch = 8 "))
    repository.branch("one", spec, lock_of(spec))
    repository.branch("two", pinned, lock_of(pinned))
    repository.git("checkout", "-q", "one")
    repository.git("merge", "-q", "--no-edit", "two", fails=True)
    assert main(["lock"]) == 0
    values = read_lock(Path("kava.lock")).values("cpu")
    batch = [
        values[f"train.{name}"] for name in ("micro_batch", "accumulation", "world", "global_batch")
    ]
    assert batch == [8, 8, 1, 64]


# ---- a conflicted lock -------------------------------------------------------------------------


@pytest.fixture(params=["merge", "diff3", "zdiff3"])
def conflicted(
    repository: Repository, lock_of: Locker, request: pytest.FixtureRequest
) -> Repository:
    """`global_batch` changed on one branch, `micro_batch` and `steps` on the other: the lock conflicts."""
    one = edited(SPEC, MANY["train.global_batch"])
    two = edited(SPEC, ('micro_batch = "auto" ', "micro_batch = 8 "), MANY["train.steps"])
    repository.branch("one", one, lock_of(one))
    repository.branch("two", two, lock_of(two))
    repository.git("checkout", "-q", "one")
    repository.git("-c", f"merge.conflictStyle={request.param}", "merge", "two", fails=True)
    assert "<<<<<<< HEAD\n" in repository.lock
    assert ("||||||| " in repository.lock) == (request.param != "merge")
    return repository


@pytest.mark.usefixtures("no_machine")
def test_locking_a_conflicted_lock_derives_it_from_the_merged_spec(
    conflicted: Repository, lock_of: Locker, capsys: pytest.CaptureFixture[str]
):
    assert main(["lock"]) == 0
    lines = capsys.readouterr().out.splitlines()
    again = "train.accumulation (cpu), train.micro_batch (cpu), train.teacher_placement (cpu)"
    assert [line for line in lines if "derived again" in line] == [
        f"merge resolved: 3 keys derived again: {again}"
    ]
    assert conflicted.lock == lock_of(conflicted.spec)
    assert main(["check"]) == 0
    assert main(["lock"]) == 0
    assert "merge resolved" not in capsys.readouterr().out


@pytest.mark.parametrize("words", [["check"], ["why", "train.seed"], ["diff"], ["run", "kava.lock"], ["tui", "kava.lock", "--once"]], ids=lambda it: it[0])  # fmt: skip
def test_every_other_command_refuses_a_conflicted_lock(
    repository: Repository, lock_of: Locker, capsys: pytest.CaptureFixture[str], words: list[str]
):
    text = "<<<<<<< HEAD\n=======\n>>>>>>> two\n" + lock_of(SPEC)
    repository.write(SPEC, text)
    assert main(words) == 6
    assert "this lock has an unresolved merge conflict" in capsys.readouterr().err
    assert repository.lock == text


def test_a_spec_in_conflict_comes_first_and_nothing_is_written(
    repository: Repository, lock_of: Locker, capsys: pytest.CaptureFixture[str]
):
    for name, seed in (("one", "seed = 1"), ("two", "seed = 2")):
        spec = edited(SPEC, ("seed = 0", seed))
        repository.branch(name, spec, lock_of(spec))
    repository.git("checkout", "-q", "one")
    repository.git("merge", "-q", "two", fails=True)
    before = repository.lock
    assert "<<<<<<< HEAD" in repository.spec
    assert "<<<<<<< HEAD" in before
    assert main(["lock"]) == 2
    assert "this file has an unresolved merge conflict" in capsys.readouterr().err
    assert repository.lock == before
    repository.write(edited(SPEC, ("seed = 0", "seed = 2")), before)
    assert main(["lock"]) == 0
    assert "merge resolved: 1 key derived again: train.seed\n" in capsys.readouterr().out


def test_a_conflict_inside_a_text_of_many_lines_is_seen(
    repository: Repository, lock_of: Locker, capsys: pytest.CaptureFixture[str]
):
    """To TOML it is a legal string."""
    prompt = '"""\n<<<<<<< HEAD\n{question} a\n=======\n{question} b\n>>>>>>> two\n"""\n\n#'
    repository.write(edited(SPEC, ('"{question}\\n" ', prompt)), lock_of(SPEC))
    assert main(["lock"]) == 2
    assert "this file has an unresolved merge conflict" in capsys.readouterr().err


STRAY = {
    "end-without-begin": lambda text: text.replace("facts:\n", "facts:\n>>>>>>> two\n", 1),
    "begin-without-end": lambda text: text.replace("facts:\n", "facts:\n<<<<<<< HEAD\n", 1),
    "middle-alone": lambda text: text.replace("facts:\n", "facts:\n=======\n", 1),
    "begin-twice": lambda text: text.replace(
        "facts:\n", "facts:\n<<<<<<< HEAD\n<<<<<<< HEAD\n=======\n>>>>>>> two\n", 1
    ),
    "no-middle": lambda text: text.replace("facts:\n", "facts:\n<<<<<<< HEAD\n>>>>>>> two\n", 1),
    "base-alone": lambda text: text.replace("facts:\n", "facts:\n||||||| base\n", 1),
    "base-that-does-not-end": lambda text: text.replace(
        "facts:\n", "facts:\n<<<<<<< HEAD\n||||||| base\n>>>>>>> two\n", 1
    ),
}  # fmt: skip


@pytest.mark.parametrize("stray", STRAY.values(), ids=STRAY)
def test_a_stray_marker_is_not_guessed_at(
    repository: Repository,
    lock_of: Locker,
    capsys: pytest.CaptureFixture[str],
    stray: Callable[[str], str],
):
    text = stray(lock_of(SPEC))
    repository.write(SPEC, text)
    assert main(["lock"]) == 6
    shown = capsys.readouterr().err
    assert "this conflict marker has no partner, so the two sides cannot be told apart" in shown
    assert shown.endswith(
        "  take one side whole, `git checkout --ours kava.lock`, or remove the file;\n"
        "  then run: kavaspec lock\n"
    )
    assert repository.lock == text
    assert main(["check"]) == 6
    assert capsys.readouterr().err == shown
    (repository.folder / "kava.lock").unlink()
    assert main(["lock"]) == 0


# ---- facts of both sides -----------------------------------------------------------------------


def on_this_machine(lock: str, facts: Mapping[str, str]) -> str:
    """The same lock with some facts of its target seen otherwise, sealed as `lock` would seal them."""
    from dataclasses import replace

    from kavaspec.lock.file import lock_text

    read = parse_lock(lock, "kava.lock")
    target = read.targets["here"]
    seen = {
        name: replace(fact, value=facts.get(name, fact.value))
        for name, fact in target.facts.items()
    }
    return lock_text(replace(read, targets={"here": replace(target, facts=seen)}))


HERE = SPEC.replace('[targets.cpu]\n\nfacts = "cpu-avx512bf16.yaml"\n', "")


@pytest.fixture
def here(repository: Repository, lock_of: Locker) -> tuple[str, str]:
    """A spec without fact files, and its lock with facts that were measured on some machine."""
    lock = lock_of(SPEC).replace("\n  cpu:\n", "\n  here:\n")
    from kavaspec.lock.file import intact_parts, lock_text

    read = intact_parts(lock, "kava.lock")
    assert read is not None
    from dataclasses import replace

    donor = parse_lock(lock_of(SPEC), "kava.lock").targets["cpu"]
    lock = lock_text(replace(read, targets={"here": donor}))
    repository.write(HERE, lock)
    assert main(["lock"]) == 0
    repository.git("commit", "-q", "-a", "-m", "here")
    return HERE, repository.lock


@pytest.mark.usefixtures("no_machine")
def test_facts_that_both_sides_have_alike_are_recalled(
    here: tuple[str, str], repository: Repository, capsys: pytest.CaptureFixture[str]
):
    spec, _ = here
    for name, edits in (
        ("one", [MANY["train.global_batch"]]),
        ("two", [('micro_batch = "auto" ', "micro_batch = 8 ")]),
    ):
        repository.git("checkout", "-q", "-b", name, "main")
        repository.write(edited(spec, *edits), repository.lock)
        assert main(["lock"]) == 0
        repository.git("commit", "-q", "-a", "-m", name)
    repository.git("checkout", "-q", "one")
    repository.git("merge", "two", fails=True)
    assert main(["lock"]) == 0
    assert main(["check"]) == 0
    assert "observed again" not in capsys.readouterr().err


def test_a_machine_that_the_sides_saw_differently_is_observed_again(
    here: tuple[str, str],
    repository: Repository,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
):
    """All of it: half of one machine and half of another is no machine."""
    from kavaspec.facts.model import Fact, Observation

    spec, lock = here
    for name, cores in (("one", 12), ("two", 24)):
        text = on_this_machine(
            lock, {"fact.cpu.cores": cores, "fact.memory.total_bytes": 2**36 + cores}
        )
        repository.branch(name, edited(spec, ("threads = 8", f"threads = {cores // 4}")), text)
    repository.git("checkout", "-q", "one")
    repository.git("merge", "two", fails=True)
    repository.write(spec, repository.lock)
    seen = {
        name: Fact(
            value=48 if name == "fact.cpu.cores" else fact.value, how="measured", probe="cpu@1"
        )
        for name, fact in parse_lock(lock, "").targets["here"].facts.items()
    }
    monkeypatch.setattr(
        "kavaspec.compile.observe_machine", lambda **_: Observation(facts=seen, not_found=())
    )
    assert main(["lock"]) == 0
    assert (
        "the two sides of the merge saw different things, which are observed again: "
        "fact.cpu.cores (here), fact.memory.total_bytes (here)" in capsys.readouterr().err
    )
    found = read_lock(Path("kava.lock")).targets["here"].facts
    assert (found["fact.cpu.cores"].value, found["fact.cpu.cores"].how) == (48, "measured")
    assert main(["check"]) == 0


@pytest.mark.usefixtures("no_machine")
def test_two_branches_each_add_a_target(repository: Repository, capsys: pytest.CaptureFixture[str]):
    """Both stand at the same place of the file, so git cannot merge the lock; kavaspec can."""
    shutil.copy(ROOT / "examples/facts/a100-slurm.yaml", repository.folder)
    shutil.copy(ROOT / "examples/facts/m2max-mps.yaml", repository.folder)
    repository.git("add", ".")
    repository.git("commit", "-q", "-m", "facts")
    for name, facts, place in (
        ("alpha", "a100-slurm", "[targets.cpu]"),
        ("beta", "m2max-mps", "[loader]"),
    ):
        added = f'[targets.{name}]\n\nfacts = "{facts}.yaml"\n\n{place}'
        repository.git("checkout", "-q", "-b", name, "main")
        repository.write(edited(SPEC, (place, added)), repository.lock)
        assert main(["lock"]) == 0
        repository.git("commit", "-q", "-a", "-m", name)
    repository.git("checkout", "-q", "alpha")
    repository.git("merge", "beta", fails=True)
    assert main(["lock"]) == 0
    assert "merge resolved: " in capsys.readouterr().out
    assert list(read_lock(Path("kava.lock")).targets) == ["alpha", "beta", "cpu"]
    assert main(["check"]) == 0


def test_an_edited_lock_keeps_what_is_intact_in_it(
    repository: Repository, lock_of: Locker, capsys: pytest.CaptureFixture[str], no_machine: None
):
    repository.write(SPEC, lock_of(SPEC).replace("value: 300\n", "value: 301\n", 1))
    assert main(["lock"]) == 0
    assert (
        "kava.lock is broken (train.steps was edited by hand: its seal does not fit); "
        "what is intact in it is kept" in capsys.readouterr().err
    )
    assert repository.lock == lock_of(SPEC)
