"""kavaspec diff: what it means that two locks differ, and an exit code to branch on."""

from __future__ import annotations

import json
import os
import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from kavaspec.cli import main
from kavaspec.cli.diff import code
from kavaspec.lock.file import lock_text, parse_lock

ROOT = Path(__file__).parents[2]


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


@pytest.fixture
def old(locked: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """The default spec, locked for an example CPU node; a copy of the lock is `old.lock`."""
    assert main(["lock"]) == 0
    (locked / "old.lock").write_bytes((locked / "kava.lock").read_bytes())
    capsys.readouterr()
    return locked


def relock(folder: Path, *edits: tuple[str, str], words: tuple[str, ...] = ()) -> None:
    for before, after in edits:
        edit(folder / "kava.toml", before, after)
    assert main(["lock", *words]) == 0


def compare(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    capsys.readouterr()
    code = main(["diff", *words])
    captured = capsys.readouterr()
    text = re.sub(r"k([xn])1:[0-9a-f]{8}", r"k\g<1>1:........", captured.out + captured.err)
    return code, text


def test_nothing_changed(old: Path, capsys: pytest.CaptureFixture[str]):
    assert compare(capsys, "old.lock", "kava.lock") == (
        0,
        (
            "old.lock -> kava.lock\n"
            "same experiment, same numerics, same placement\n"
            "\n"
            "ids\n"
            "  experiment      kx1:........ = kx1:........\n"
            "  numerics (cpu)  kn1:........ = kn1:........ (provisional)\n"
        ),
    )


def test_causes_stand_before_what_follows_from_them(old: Path, capsys: pytest.CaptureFixture[str]):
    relock(old, ("global_batch = 16", "global_batch = 32"), ("steps = 1000", "steps = 2000"))
    assert compare(capsys, "old.lock", "kava.lock") == (
        12,
        (
            "old.lock -> kava.lock\n"
            "different experiment, different numerics, different placement\n"
            "\n"
            "experiment\n"
            "  train.global_batch  16 -> 32      kava.toml changed it\n"
            "  train.steps         1000 -> 2000  kava.toml changed it\n"
            "\n"
            "numerics\n"
            "  train.micro_batch  16 -> 32  follows train.global_batch\n"
            "\n"
            "placement\n"
            "  checkpoint.every  100 -> 200  follows train.steps\n"
            "\n"
            "decided otherwise, same value\n"
            "  train.accumulation       1            other inputs: train.global_batch, "
            "train.micro_batch\n"
            "  train.teacher_placement  same_device  other inputs: train.global_batch, train.steps\n"
            "\n"
            "ids\n"
            "  experiment      kx1:........ -> kx1:........\n"
            "  numerics (cpu)  kn1:........ -> kn1:........ (provisional)\n"
        ),
    )


def test_a_consequence_of_the_same_tier_is_indented_under_its_cause(
    old: Path, capsys: pytest.CaptureFixture[str]
):
    relock(old, ('micro_batch = "auto"', "micro_batch = 4"))
    exit, text = compare(capsys, "old.lock")
    assert exit == 11
    assert (
        "numerics\n"
        "  train.micro_batch     16 -> 4  kava.toml decides it now; before micro_batch@2\n"
        "    train.accumulation  1 -> 4   follows train.micro_batch\n" in text
    )
    assert text.startswith(
        "old.lock -> kava.lock\nsame experiment, different numerics, same placement\n\nnumerics\n"
    )


@pytest.mark.parametrize(
    ("before", "after", "exit", "verdict"),
    [
        ('name = "arithmetic"', 'name = "other"', 10, "same experiment, same numerics, different placement"),
        ('output = "auto"', 'output = ["./here"]', 10, "same experiment, same numerics, different placement"),
        ('micro_batch = "auto"', "micro_batch = 8", 11, "same experiment, different numerics, same placement"),
        ("seed = 0", "seed = 1", 12, "different experiment, same numerics, same placement"),
        ("seed = 0", "seed = 0 # 1", 0, "same experiment, same numerics, same placement"),
        ('precision = "auto"', 'precision = "float32"', 0, "same experiment, same numerics, same placement"),
    ],
    ids=["name", "path", "micro-batch", "seed", "comment", "literal-for-auto"],
)  # fmt: skip
def test_the_exit_code_is_the_highest_tier_that_differs(
    old: Path, capsys: pytest.CaptureFixture[str], before: str, after: str, exit: int, verdict: str
):
    relock(old, (before, after))
    found = compare(capsys, "old.lock", "kava.lock")
    assert (found[0], found[1].splitlines()[1]) == (exit, verdict)


def test_the_same_value_decided_otherwise_is_told_apart(
    old: Path, capsys: pytest.CaptureFixture[str]
):
    relock(old, ('precision = "auto"', 'precision = "float32"'))
    text = compare(capsys, "old.lock")[1]
    assert "decided otherwise, same value\n" in text
    [row] = [line for line in text.splitlines() if line.startswith("  train.precision ")]
    assert "float32  by precision@1 -> spec" in row
    assert "no longer provisional" in row


def test_a_fact_that_changed_is_a_cause(old: Path, capsys: pytest.CaptureFixture[str]):
    edit(old / "cpu-avx512bf16.yaml", "value: 16", "value: 6")
    relock(old)
    exit, text = compare(capsys, "old.lock")
    assert exit == 11
    assert "\nnumerics\n  train.threads        16 -> 6\n    <- fact.cpu.cores  16 -> 6\n\n" in text
    assert text.count("fact.cpu.cores") == 1 + text.count("other inputs: fact.cpu.cores")


def test_facts_that_moved_no_value_are_counted(old: Path, capsys: pytest.CaptureFixture[str]):
    edit(old / "cpu-avx512bf16.yaml", "value: 64GiB", "value: 96GiB")
    relock(
        old,
        (
            'name = "arithmetic"\n',
            'name = "arithmetic"\n\n[scheduler]\nmemory_bytes = 1073741824\n',
        ),
    )
    quiet = "facts\n  2 facts that moved no value (--all shows them)\n"
    assert quiet in compare(capsys, "old.lock")[1]
    text = compare(capsys, "old.lock", "--all")[1]
    assert quiet not in text
    assert "  fact.memory.total_bytes      68719476736 (64 GiB) -> 103079215104 (96 GiB)\n" in text
    assert "  fact.scheduler.memory_bytes  none -> absent\n" in text


def test_better_knowledge_of_a_fact_shows_how_it_is_known(
    old: Path, capsys: pytest.CaptureFixture[str]
):
    text = (old / "cpu-avx512bf16.yaml").read_text(encoding="utf-8")
    (old / "cpu-avx512bf16.yaml").write_text(
        text.replace("how: declared", "how: measured"), encoding="utf-8"
    )
    relock(old)
    exit, text = compare(capsys, "old.lock", "--all")
    assert exit == 0
    assert "  fact.cpu.cores " in text
    assert "16 (declared) -> 16 (measured)" in text
    assert "no longer provisional" in text


def test_what_was_set_on_the_command_line_is_part_of_it(
    old: Path, capsys: pytest.CaptureFixture[str]
):
    relock(old, words=("--set", "train.steps=60"))
    exit, text = compare(capsys, "old.lock")
    assert exit == 12
    assert "--set\n  train.steps  absent -> 60\n" in text
    assert "  train.steps  1000 -> 60  --set decides it now; before kava.toml\n" in text


@pytest.mark.slow
def test_another_objective_takes_its_keys_with_it(old: Path, capsys: pytest.CaptureFixture[str]):
    text = (ROOT / "examples/student_alone.toml").read_text(encoding="utf-8")
    (old / "kava.toml").write_text(
        text + '\n[targets.cpu]\nfacts = "cpu-avx512bf16.yaml"\n', encoding="utf-8"
    )
    relock(old)
    exit, text = compare(capsys, "old.lock")
    assert exit == 12
    assert re.search(r"^  objective.kind +kv -> ce +kava.toml changed it$", text, re.MULTILINE)
    assert re.search(
        r"^    objective.kv.layers +\[0, 1, 2\] -> absent +follows objective.kind$",
        text,
        re.MULTILINE,
    )


# ---- targets -----------------------------------------------------------------------------------


@pytest.fixture
def two(old: Path) -> Path:
    """A second target, an A100 under Slurm."""
    (old / "a100-slurm.yaml").write_bytes((ROOT / "examples/facts/a100-slurm.yaml").read_bytes())
    with (old / "kava.toml").open("a", encoding="utf-8") as file:
        file.write('\n[targets.a100]\n\nfacts = "a100-slurm.yaml"\n')
    relock(old)
    return old


def test_a_new_target_is_a_matter_of_placement(two: Path, capsys: pytest.CaptureFixture[str]):
    exit, text = compare(capsys, "old.lock")
    assert exit == 10
    assert "targets\n  a100  added\n" in text
    assert compare(capsys, "kava.lock", "old.lock")[1].count("  a100  removed\n") == 1
    assert compare(capsys, "old.lock", "--target", "cpu")[0] == 0


def test_two_targets_inside_one_lock(two: Path, capsys: pytest.CaptureFixture[str]):
    exit, text = compare(capsys, "--target", "cpu", "--target", "a100")
    assert exit == 11
    assert text.startswith("kava.lock (cpu) -> kava.lock (a100)\n")
    assert re.search(
        r"^numerics\n  train.device +cpu -> cuda\n    <- fact.gpu.arch +none -> sm_80\n",
        text,
        re.MULTILINE,
    )
    assert "  numerics (cpu -> a100)  kn1:........ -> kn1:........ (provisional)\n" in text


def test_two_targets_across_two_locks(two: Path, capsys: pytest.CaptureFixture[str]):
    exit, text = compare(capsys, "old.lock", "kava.lock", "--target", "cpu", "--target", "a100")
    assert exit == 11
    assert text.startswith("old.lock (cpu) -> kava.lock (a100)\n")


def test_what_is_alike_on_several_targets_is_told_once(
    two: Path, capsys: pytest.CaptureFixture[str]
):
    (two / "two.lock").write_bytes((two / "kava.lock").read_bytes())
    relock(two, ("steps = 1000", "steps = 2000"), ('micro_batch = "auto"', "micro_batch = 4"))
    text = compare(capsys, "two.lock")[1]
    assert "  checkpoint.every  100 -> 200  follows train.steps\n" in text
    edit(two / "kava.toml", "[targets.a100]\n", "[targets.a100]\n\ncheckpoint.every = 7\n")
    relock(two)
    text = compare(capsys, "two.lock")[1]
    assert (
        "  checkpoint.every (a100)  100 -> 7    kava.toml, for this target, decides it now; before checkpoint_every@1\n"
        in text
    )
    assert "  checkpoint.every (cpu)   100 -> 200  follows train.steps\n" in text


def test_locks_of_one_target_each_are_compared_whatever_its_name(
    old: Path, capsys: pytest.CaptureFixture[str]
):
    edit(old / "kava.toml", "[targets.cpu]", "[targets.node]")
    relock(old)
    exit, text = compare(capsys, "old.lock")
    assert exit == 0
    assert "  numerics (cpu -> node)  " in text


def test_a_target_that_is_not_there(two: Path, capsys: pytest.CaptureFixture[str]):
    assert compare(capsys, "old.lock", "--target", "a100") == (
        2,
        "error[KV0007]: old.lock has no target a100; it has cpu\n  name one: --target cpu\n",
    )
    words = [word for name in ("cpu", "a100", "cpu") for word in ("--target", name)]
    assert compare(capsys, "old.lock", *words) == (
        2,
        "error[KV0007]: --target is given more than twice\n  name one target, or two\n",
    )


# ---- where locks come from ---------------------------------------------------------------------


def git(folder: Path, *words: str) -> None:
    who = ("-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    outside = {name: it for name, it in os.environ.items() if not name.startswith("GIT_")}
    env = {
        **outside,
        "HOME": str(folder),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
    }
    subprocess.run(["git", *who, *words], cwd=folder, env=env, check=True, capture_output=True)


@pytest.fixture
def repository(old: Path) -> Path:
    """The folder as a repository with one commit."""
    git(old, "init", "-q", "-b", "main")
    git(old, "add", "kava.toml", "kava.lock")
    git(old, "commit", "-q", "-m", "first")
    return old


def test_with_nothing_named_the_last_commit_is_compared_with_the_file(
    repository: Path, capsys: pytest.CaptureFixture[str]
):
    relock(repository, ("seed = 0", "seed = 5"))
    exit, text = compare(capsys)
    assert (exit, text.splitlines()[0]) == (12, "HEAD:kava.lock -> kava.lock")


@pytest.mark.parametrize(
    "named", ["HEAD", "main", "HEAD:kava.lock", "HEAD:./kava.lock", ":kava.lock"]
)
def test_a_revision(repository: Path, capsys: pytest.CaptureFixture[str], named: str):
    relock(repository, ("seed = 0", "seed = 5"))
    assert compare(capsys, named)[0] == 12
    assert compare(capsys, named, named)[0] == 0


def test_a_path_is_seen_from_here_and_else_from_the_top(
    repository: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    (repository / "below").mkdir()
    (repository / "below/kava.lock").write_bytes((repository / "kava.lock").read_bytes())
    monkeypatch.chdir(repository / "below")
    assert compare(capsys, "HEAD:kava.lock")[0] == 0
    git(repository, "add", ".")
    git(repository, "commit", "-q", "-m", "below")
    assert compare(capsys, "HEAD")[0] == 0


def test_a_run_folder(old: Path, capsys: pytest.CaptureFixture[str]):
    (old / "runs").mkdir()
    (old / "old.lock").rename(old / "runs/kava.lock")
    relock(old, ("seed = 0", "seed = 5"))
    assert compare(capsys, "runs")[0] == 12


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ("gone", "gone:kava.lock cannot be read: invalid object name 'gone'."),
        ("gone.lock", "there is no gone.lock"),
        ("HEAD:gone", "HEAD:gone cannot be read: path 'gone' does not exist in 'HEAD'"),
        ("--output=x", "--output=x:kava.lock cannot be read: a revision does not begin with a dash"),
        ("HEAD; touch x", "HEAD; touch x:kava.lock cannot be read: invalid object name 'HEAD; touch x'."),
    ],
)  # fmt: skip
def test_what_is_not_there(
    repository: Path, capsys: pytest.CaptureFixture[str], named: str, message: str
):
    exit, text = compare(capsys, "--", named)
    assert (exit, text.splitlines()[0]) == (8, f"error[KV0001]: {message}")
    assert not (repository / "x").exists()


def test_outside_of_a_repository(old: Path, capsys: pytest.CaptureFixture[str]):
    exit, text = compare(capsys)
    assert exit == 8
    assert text.startswith("error[KV0001]: HEAD:kava.lock cannot be read: not a git repository")


def test_without_git(
    old: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PATH", "")
    exit, text = compare(capsys)
    assert (exit, text.splitlines()[0]) == (
        8,
        "error[KV0012]: HEAD:kava.lock cannot be read: git is not installed",
    )


def test_seals_are_verified_in_old_revisions_too(
    repository: Path, capsys: pytest.CaptureFixture[str]
):
    good = (repository / "kava.lock").read_bytes()
    edit(repository / "kava.lock", "value: 1000\n", "value: 1001\n")
    git(repository, "commit", "-q", "-a", "-m", "by hand")
    (repository / "kava.lock").write_bytes(good)
    exit, text = compare(capsys)
    assert exit == 6
    assert "train.steps was edited by hand: its seal does not fit\n  --> HEAD:kava.lock:" in text


def test_nothing_is_written(repository: Path, capsys: pytest.CaptureFixture[str]):
    relock(repository, ("seed = 0", "seed = 5"))
    before = {path: path.read_bytes() for path in repository.rglob("*") if path.is_file()}
    compare(capsys)
    assert {path: path.read_bytes() for path in repository.rglob("*") if path.is_file()} == before


# ---- other forms -------------------------------------------------------------------------------


def test_json(old: Path, capsys: pytest.CaptureFixture[str]):
    relock(old, ('micro_batch = "auto"', "micro_batch = 4"))
    capsys.readouterr()
    assert main(["diff", "old.lock", "--json"]) == 11
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "kavaspec.diff/1"
    assert (document["a"], document["b"], document["exit"]) == ("old.lock", "kava.lock", 11)
    assert document["same"] == {"experiment": True, "numerics": False, "placement": True}
    [cause] = document["changes"]
    assert cause == {
        "key": "train.micro_batch",
        "tier": "numerics",
        "targets": ["cpu"],
        "kind": "changed",
        "old": 16,
        "new": 4,
        "because": "kava.toml decides it now; before micro_batch@2",
        "follows": [],
        "below": [
            {
                "key": "train.accumulation",
                "tier": "numerics",
                "targets": ["cpu"],
                "kind": "changed",
                "old": 1,
                "new": 4,
                "because": "follows train.micro_batch",
                "follows": ["train.micro_batch"],
                "below": [],
            }
        ],
    }
    assert document["ids"]["before"]["kx"] == document["ids"]["after"]["kx"]
    assert len(document["targets"][0]["after"]["kn"]) == len("kn1:") + 64


def test_markdown(old: Path, capsys: pytest.CaptureFixture[str]):
    relock(old, ('micro_batch = "auto"', "micro_batch = 4"), ('name = "arithmetic"', 'name = "a"'))
    exit, text = compare(capsys, "old.lock", "--markdown")
    assert exit == 11
    assert text == (
        "### `old.lock` → `kava.lock`: same experiment, different numerics, different placement\n"
        "\n"
        "| id | before | after |\n"
        "|---|---|---|\n"
        "| `experiment` | `kx1:........` | `kx1:........` |\n"
        "| `numerics (cpu)` | `kn1:........ (provisional)` | `kn1:........ (provisional)` |\n"
        "\n"
        "**Numerics**\n"
        "\n"
        "| key | before | after | why |\n"
        "|---|---|---|---|\n"
        "| `train.micro_batch` | `16` | `4` | `kava.toml decides it now; before micro_batch@2` |\n"
        "| &emsp;`train.accumulation` | `1` | `4` | `follows train.micro_batch` |\n"
        "\n"
        "**Placement**\n"
        "\n"
        "| key | before | after | why |\n"
        "|---|---|---|---|\n"
        "| `name` | `arithmetic` | `a` | `kava.toml changed it` |\n"
    )


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("float32", "`float32`"),
        ("[0, 1]", "`[0, 1]`"),
        ("a|b", "<code>a&#124;b</code>"),
        ("a`b", "<code>a&#96;b</code>"),
        ("a\\|b", "<code>a&#92;&#124;b</code>"),
        ("<img src=x>", "`<img src=x>`"),
        ("<img src=x>|", "<code>&#60;img src&#61;x&#62;&#124;</code>"),
        ("@team #1", "`@team #1`"),
        ("@team |", "<code>&#64;team &#124;</code>"),
        ("**", "`**`"),
        (" x", "<code> x</code>"),
        ("", "<code></code>"),
    ],
)
def test_nothing_gets_out_of_its_cell(text: str, shown: str):
    assert code(text) == shown


def test_a_value_that_is_markup_stays_a_value(old: Path, capsys: pytest.CaptureFixture[str]):
    relock(old, ("[objective]\n", "[objective]\nce_weight = 0.5\n"))
    edit(
        old / "kava.toml",
        'source = "builtin:arithmetic"',
        'prompt = "{question} | <b>@x</b> `\\n"\nsource = "builtin:arithmetic"',
    )
    lock = parse_lock((old / "kava.lock").read_text(encoding="utf-8"), "kava.lock")
    block = replace(lock.experiment["data.prompt"], value="{question} | <b>@x</b> `\n")
    text = lock_text(replace(lock, experiment={**lock.experiment, "data.prompt": block}))
    (old / "kava.lock").write_text(text, encoding="utf-8")
    rows = compare(capsys, "old.lock", "--markdown")[1].splitlines()
    [row] = [row for row in rows if "data.prompt" in row]
    assert re.sub(r"&#\d+;", "", row).count("|") == 5
    assert "<b>" not in row
    assert "@x" not in row


def test_a_lock_of_a_newer_kavaspec_with_a_key_that_is_not_known_here(
    old: Path, capsys: pytest.CaptureFixture[str]
):
    lock = parse_lock((old / "kava.lock").read_text(encoding="utf-8"), "kava.lock")
    more = {**lock.experiment, "train.zeal": lock.experiment["train.seed"]}
    (old / "kava.lock").write_text(lock_text(replace(lock, experiment=more)), encoding="utf-8")
    text = (old / "kava.lock").read_text(encoding="utf-8")
    line = text[: text.index("  train.zeal:")].count("\n") + 1
    assert compare(capsys, "old.lock") == (
        6,
        (
            "error[KV0607]: the lock decides train.zeal, which this kavaspec does not know\n"
            f"  --> kava.lock:{line}:3\n"
            f"   {line} |   train.zeal:\n"
            "       |   ^^^^^^^^^^ use the kavaspec that wrote it, or a newer one; nothing was "
            "changed\n"
        ),
    )
