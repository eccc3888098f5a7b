"""Values that cannot be met: the limits and lines that conflict, where they stand, and repairs that work."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from kavaspec import conflict
from kavaspec.cli import main

ROOT = Path(__file__).parents[2]
HEAD = """\
data.source = "builtin:arithmetic"
model.teacher.source = "builtin:tiny-teacher"
model.student = { source = "builtin:tiny-student", init = "random" }
targets.cpu.facts = "cpu-avx512bf16.yaml"
"""


@pytest.fixture
def folder(locked: Path) -> Path:
    """Facts of an example CPU node and of the builtin models, without torch."""
    return locked


def refused(
    folder: Path, capsys: pytest.CaptureFixture[str], lines: str, *words: str, code: int = 7
) -> str:
    """What `lock` says about a spec with these lines from line 5 on."""
    (folder / "kava.toml").write_text(HEAD + lines, encoding="utf-8")
    before = (folder / "kava.lock").read_bytes()
    assert main(["lock", *words]) == code
    assert (folder / "kava.lock").read_bytes() == before
    told = capsys.readouterr()
    assert told.out == ""
    return "".join(line for line in told.err.splitlines(keepends=True) if not line.startswith("·"))


# ---- limits of an auto


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (
            '[train]\nprecision = { auto = true, one_of = ["float16"] }\n',
            ('error[KV0702]: train.precision: one_of = ["float16"] leaves no value; possible here: '
            "float32, bfloat16 (float16: CPUs have no float16 training path)\n"
            "  --> kava.toml:6:28\n"
            '   6 | precision = { auto = true, one_of = ["float16"] }\n'
            '     |                            ^^^^^^ one_of = ["float16", "float32"]\n'),
        ),
        (
            "train.micro_batch = { auto = true, max = 3, min = 3 }\n",
            ("error[KV0702]: train.micro_batch: min = 3 and max = 3 leave no value; possible here: "
            "1, 2, 4, 8, 16, 32 (the divisors of 32 rows that fit in memory)\n"
            "  --> kava.toml:5:45\n"
            "   5 | train.micro_batch = { auto = true, max = 3, min = 3 }\n"
            "     |                                             ^^^ min = 2, or max = 4\n"),
        ),
        (
            "train.micro_batch = { auto = true, min = 100 }\n",
            ("error[KV0702]: train.micro_batch: min = 100 leaves no value; possible here: "
            "1, 2, 4, 8, 16, 32 (the divisors of 32 rows that fit in memory)\n"
            "  --> kava.toml:5:36\n"
            "   5 | train.micro_batch = { auto = true, min = 100 }\n"
            "     |                                    ^^^ min = 32\n"),
        ),
        (
            "train.threads = { auto = true, min = 100, max = 200 }\n",
            ("error[KV0702]: train.threads: min = 100 leaves no value; possible here: 1 to 16 "
            "(more than 16 do not help here)\n"
            "  --> kava.toml:5:32\n"
            "   5 | train.threads = { auto = true, min = 100, max = 200 }\n"
            "     |                                ^^^ min = 16\n"),
        ),
        (
            "train.accumulation = { auto = true, min = 2 }\ntrain.micro_batch = 32\n",
            ("error[KV0702]: train.accumulation: min = 2 leaves no value; possible here: 1 "
            "(32 = 32 (micro_batch) x 1 x 1 (world))\n"
            "  --> kava.toml:5:37\n"
            "   5 | train.accumulation = { auto = true, min = 2 }\n"
            "     |                                     ^^^ min = 1, or train.micro_batch = 16\n"
            "  because  train.accumulation = { auto = true, min = 2 }  kava.toml:5:7\n"
            "  because  train.micro_batch = 32                         kava.toml:6:7\n"),
        ),
        (
            "data.max_length = { auto = true, multiple_of = 7 }\n",
            ("error[KV0702]: data.max_length: multiple_of = 7 leaves no value; possible here: "
            "8 to 72 (the longest row has 65 tokens)\n"
            "  --> kava.toml:5:34\n"
            "   5 | data.max_length = { auto = true, multiple_of = 7 }\n"
            "     |                                  ^^^^^^^^^^^ data.max_length = 70\n"),
        ),
    ],
    ids=["one-of-on-a-cpu", "min-and-max", "too-much", "only-min", "of-a-rule-that-knows-no-limits", "a-person-may"],
)  # fmt: skip
def test_limits_are_named_as_written_with_what_is_possible(
    lines: str, message: str, folder: Path, capsys: pytest.CaptureFixture[str]
):
    assert refused(folder, capsys, lines) == message


def test_limits_from_the_command_line_are_shown_as_such(
    folder: Path, capsys: pytest.CaptureFixture[str]
):
    words = ("--set", "train.micro_batch={ auto = true, min = 100 }")
    assert refused(folder, capsys, "", *words) == (
        "error[KV0702]: train.micro_batch: min = 100 leaves no value; possible here: "
        "1, 2, 4, 8, 16, 32 (the divisors of 32 rows that fit in memory)\n"
        "  --> --set train.micro_batch={ auto = true, min = 100 }\n"
        "  min = 32\n"
    )


# ---- lines that conflict


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (
            "[train]\nseed = 3\nglobal_batch = 60\nmicro_batch = 8\n",
            ("error[KV0701]: train.accumulation cannot be decided: global_batch = 60 is not a "
            "multiple of 8 (micro_batch) x 1 (world) = 8\n"
            "  --> kava.toml:7:1\n"
            "   7 | global_batch = 60\n"
            "     | ^^^^^^^^^^^^ train.global_batch = 56 or 64, or train.micro_batch = 6 or 10\n"
            "  because  train.global_batch = 60  kava.toml:7:1\n"
            "  because  train.micro_batch = 8    kava.toml:8:1\n"),
        ),
        (
            "[targets.cpu.train]\nmicro_batch = 8\n[train]\nglobal_batch = 60\n",
            ("error[KV0701]: train.accumulation cannot be decided: global_batch = 60 is not a "
            "multiple of 8 (micro_batch) x 1 (world) = 8\n"
            "  --> kava.toml:8:1\n"
            "   8 | global_batch = 60\n"
            "     | ^^^^^^^^^^^^ train.global_batch = 56 or 64, or targets.cpu.train.micro_batch = 6 or 10\n"
            "  because  train.global_batch = 60            kava.toml:8:1\n"
            "  because  targets.cpu.train.micro_batch = 8  kava.toml:6:1\n"),
        ),
        (
            "[train]\nmicro_batch = 6\naccumulation = 5\n",
            ("error[KV0710]: micro_batch 6 x accumulation 5 x world 1 = 30, "
            "but train.global_batch is 32\n"
            "  --> kava.toml:6:1\n"
            "   6 | micro_batch = 6\n"
            "     | ^^^^^^^^^^^ train.micro_batch = 4 or 8, without train.accumulation\n"),
        ),
        (
            '[train]\ndevice = "cuda"\n',
            ("error[KV0719]: cuda cannot be used: no GPU was found\n"
            "  --> kava.toml:6:1\n"
            '   6 | device = "cuda"\n'
            '     | ^^^^^^ train.device = "cpu"\n'),
        ),
        (
            "[objective.kv]\nprojector.in_dim = 64\n",
            ("error[KV0736]: objective.kv.projector.in_dim is 64, "
            "but the student's side is [48 x 3] wide\n"
            "  --> kava.toml:6:11\n"
            "   6 | projector.in_dim = 64\n"
            '     |           ^^^^^^ objective.kv.projector.in_dim = "auto"\n'),
        ),
        (
            "data.max_length = 4096\n",
            ("error[KV0728]: data.max_length is 4096 tokens, but the student reads at most 256\n"
            "  --> kava.toml:5:6\n"
            "   5 | data.max_length = 4096\n"
            "     |      ^^^^^^^^^^ data.max_length = 256\n"
            "\n"
            "error[KV0729]: data.max_length is 4096 tokens, but the teacher "
            "(builtin:tiny-teacher) reads at most 256\n"
            "  --> kava.toml:5:6\n"
            "   5 | data.max_length = 4096\n"
            "     |      ^^^^^^^^^^ data.max_length = 256\n"),
        ),
        (
            "[train]\nsteps = 100\nwarmup_steps = 200\n",
            ("error[KV0753]: train.warmup_steps is 200, but the run has only 100 steps\n"
            "  --> kava.toml:7:1\n"
            "   7 | warmup_steps = 200\n"
            "     | ^^^^^^^^^^^^ train.steps = 201, or train.warmup_steps = 99\n"
            "  because  train.steps = 100         kava.toml:6:1\n"
            "  because  train.warmup_steps = 200  kava.toml:7:1\n"),
        ),
        (
            '[train]\nthreads = 12\nworld = 2\nparallel = "replicated"\n',
            ("error[KV0751]: train.threads = 12 x train.world = 2 needs 24 cores, "
            "but 16 may be used\n"
            "  --> kava.toml:6:1\n"
            "   6 | threads = 12\n"
            "     | ^^^^^^^ train.threads = 8\n"
            "  because  train.threads = 12  kava.toml:6:1\n"
            "  because  train.world = 2     kava.toml:7:1\n"
            "\n"
            "error[KV0756]: train.world is 2, but this version of kavaspec trains with one process\n"
            "  --> kava.toml:7:1\n"
            "   7 | world = 2\n"
            "     | ^^^^^ train.world = 1, without train.parallel\n"),
        ),
    ],
    ids=["batch", "target", "overlapping", "device", "projector", "max-length", "two-keys", "two-conflicts"],
)  # fmt: skip
def test_the_smallest_conflict_with_places_and_repairs(
    lines: str, message: str, folder: Path, capsys: pytest.CaptureFixture[str]
):
    assert refused(folder, capsys, lines) == message


def test_what_the_command_line_said_is_part_of_the_conflict(
    folder: Path, capsys: pytest.CaptureFixture[str]
):
    words = ("--set", "train.global_batch=60")
    assert refused(folder, capsys, "train.micro_batch = 8\n", *words) == (
        "error[KV0701]: train.accumulation cannot be decided: global_batch = 60 is not a "
        "multiple of 8 (micro_batch) x 1 (world) = 8\n"
        "  --> --set train.global_batch=60\n"
        "  because  train.global_batch = 60  --set\n"
        "  because  train.micro_batch = 8    kava.toml:5:7\n"
        "  train.global_batch = 56 or 64, or train.micro_batch = 6 or 10\n"
    )


@pytest.mark.parametrize(
    ("above", "line", "place", "blamed", "name"),
    [
        ("[train]\n", "micro_batch = 5", "32:1", "34:1", "train.micro_batch"),
        ("[targets.m2max]\n", "train.micro_batch = 5", "50:7", "33:1", "targets.m2max.train.micro_batch"),
    ],
    ids=["for-all-targets", "for-one-target"],
)  # fmt: skip
def test_a_line_without_which_facts_would_be_unknown_hides_no_conflict(
    above: str,
    line: str,
    place: str,
    blamed: str,
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    """Without `data.digest`, which is written in this spec, the data would have to be looked at."""
    shutil.copytree(ROOT / "examples", tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path / "qwen2.5")
    spec = Path("kava.toml")
    text = spec.read_text(encoding="utf-8")
    assert "\ndigest = " in text
    spec.write_text(text.replace(above, f"{above}{line}\n"), encoding="utf-8")
    assert main(["lock", "--dry-run"]) == 7
    told = capsys.readouterr().err.splitlines()
    message = "global_batch = 32 is not a multiple of 5 (micro_batch) x 1 (world) = 5"
    message += " (target m2max)" if name.startswith("targets.") else ""
    number = blamed.partition(":")[0]
    width = len(f"{name} = 5")
    assert [it for it in told if not it.startswith("·")] == [
        f"error[KV0701]: train.accumulation cannot be decided: {message}",
        f"  --> kava.toml:{blamed}",
        f"   {number} | global_batch = 32",
        f"      | ^^^^^^^^^^^^ train.global_batch = 30 or 35, or {name} = 4 or 8",
        f"  because  {'train.global_batch = 32':<{max(width, 23)}}  kava.toml:{blamed}",
        f"  because  {f'{name} = 5':<{max(width, 23)}}  kava.toml:{place}",
    ]


def test_every_repair_that_is_offered_works(folder: Path, capsys: pytest.CaptureFixture[str]):
    lines = "train.global_batch = 60\ntrain.micro_batch = 8\n"
    refused(folder, capsys, lines)
    for key, value in (
        ("global_batch", 56),
        ("global_batch", 64),
        ("micro_batch", 6),
        ("micro_batch", 10),
    ):
        repaired = re.sub(rf"{key} = \d+", f"{key} = {value}", lines)
        (folder / "kava.toml").write_text(HEAD + repaired, encoding="utf-8")
        assert main(["lock", "--dry-run"]) == 0, (key, value)


def test_check_says_the_same(folder: Path, capsys: pytest.CaptureFixture[str]):
    lines = "train.global_batch = 60\ntrain.micro_batch = 8\n"
    locked = refused(folder, capsys, lines)
    assert main(["check"]) == 7
    assert capsys.readouterr().err == locked


def test_json_has_the_conflict(folder: Path, capsys: pytest.CaptureFixture[str]):
    (folder / "kava.toml").write_text(
        HEAD + "train.global_batch = 60\ntrain.micro_batch = 8\n", encoding="utf-8"
    )
    assert main(["check", "--json"]) == 7
    [problem] = json.loads(capsys.readouterr().out)["problems"]
    assert problem["code"] == "KV0701"
    assert [(it["text"], it["where"]["line"]) for it in problem["because"]] == [
        ("train.global_batch = 60", 5),
        ("train.micro_batch = 8", 6),
    ]


def test_a_conflict_is_looked_for_only_when_there_is_one(
    folder: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(conflict, "explained", None)
    assert main(["lock"]) == 0
    assert main(["check"]) == 0


def test_what_lies_in_the_facts_alone_has_no_line_to_blame(
    folder: Path, capsys: pytest.CaptureFixture[str]
):
    """The teacher's files, and nothing that the spec says, are in the way."""
    lines = f'model.teacher.digest = "sha256:{"0" * 64}"\n'
    assert refused(folder, capsys, lines) == (
        "error[KV0720]: model.teacher.digest is sha256:00000000, but what was found at "
        "model.teacher.source hashes to sha256:e832773c\n"
        "  --> kava.toml:5:15\n"
        f'   5 | model.teacher.digest = "sha256:{"0" * 64}"\n'
        '     |               ^^^^^^ model.teacher.digest = "auto"\n'
    )
