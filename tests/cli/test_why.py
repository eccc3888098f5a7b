"""kavaspec why: one question at a time, answered from the lock, in text and in JSON, and nothing written."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest

from kavaspec.cli import main
from kavaspec.lock.file import lock_text, read_lock
from kavaspec.lock.model import Lock

ROOT = Path(__file__).parents[2]
PAIR = ROOT / "examples/qwen2.5"


@pytest.fixture
def pair(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the folder of the original pair, whose lock has four targets."""
    monkeypatch.chdir(PAIR)
    monkeypatch.setenv("NO_COLOR", "1")


def asked(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["why", *words]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    return captured.out


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    code = main(["why", *words])
    captured = capsys.readouterr()
    assert captured.out == ""
    return code, captured.err


# ---- how wide


class Terminal(io.StringIO):
    """A terminal of as many columns as COLUMNS says."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    "words",
    [
        "train.micro_batch",
        "train.precision",
        "paths.data",
        "fact.cpu.cores",
        "fact.cpu.cores --uses",
        "train.threads --not 64",
        "train.precision --not float32",
        "--if fact.gpu.memory_bytes=24GiB",
        "train",
        "fact",
    ],
)
def test_a_terminal_is_never_too_narrow(pair: None, monkeypatch: pytest.MonkeyPatch, words: str):
    """Every word is there, in lines that fit; only what is to be pasted stays whole."""
    monkeypatch.setenv("COLUMNS", "80")
    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    assert main(["why", *words.split(), "--target", "a100"]) == 0
    shown = terminal.getvalue()
    assert max(map(len, shown.splitlines())) <= 80
    pipe = io.StringIO()
    monkeypatch.setattr("sys.stdout", pipe)
    assert main(["why", *words.split(), "--target", "a100"]) == 0
    if words not in ("train", "fact"):  # in a list of many, long values are cut
        assert set(pipe.getvalue().split()) <= {*shown.replace(",", "").replace(":", "").split(), *shown.split()}  # fmt: skip


def test_a_text_that_is_wrapped_stays_in_its_column(pair: None, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLUMNS", "80")
    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    assert main(["why", "train.threads", "--not", "64", "--target", "a100"]) == 0
    assert terminal.getvalue() == (
        "train.threads is 4, not 64\n"
        "  no           refused by check threads_fit: train.threads = 64 x train.world =\n"
        "               1 needs 64 cores, but 16 may be used\n"
        "  instead      train.threads = 16\n"
        "  now          by threads@1, left out of kava.toml: 4 of 16 usable cores are\n"
        "               enough to feed cuda\n"
    )


# ---- a key


def test_everything_about_a_value(pair: None, capsys: pytest.CaptureFixture[str]):
    assert asked(capsys, "objective.kv.teacher_dim", "--target", "a100") == (
        "objective.kv.teacher_dim = 7168  features\n"
        "  because      concat puts 28 layers side by side: 28 x 2 x 128 = 7168\n"
        "  tier         experiment, by kv_width@1, left out of kava.toml\n"
        "  arithmetic   layers x heads x head_dim  = 28 * 2 * 128  = 7168\n"
        "  from         fact.teacher.kv_layout  = 28x2x128  derived by kv_layout@1\n"
        "               objective.kv.aggregate  = concat    by preset seed@1\n"
        "               objective.kv.layer_map  = [0..27]   by layer_map@1\n"
        "  trust        derived\n"
        "  not          256  is one layer; concat takes 28\n"
        "  flips        to 256 when objective.kv.aggregate is mean or weighted\n"
        "               to [256 x 28] when objective.kv.aggregate is none\n"
        "  feeds        objective.kv.projector.in_dim, objective.kv.projector.out_dim, "
        "and 1 more through them\n"
        "  override     at the end of kava.toml:\n"
        "               [objective.kv]\n"
        "               teacher_dim = 7168\n"
        "  means        Width of the teacher's vector for one token and one tensor, from its KV layout "
        '(never from `hidden_size`). A list, one for each pair of layers, when `aggregate = "none"`.\n'
    )


def test_a_value_that_a_person_wrote(pair: None, capsys: pytest.CaptureFixture[str]):
    lines = Path("kava.toml").read_text(encoding="utf-8").splitlines()
    [at] = [number for number, text in enumerate(lines, 1) if text.startswith("steps = ")]
    assert asked(capsys, "train.steps", "--target", "cpu") == (
        "train.steps = 233  optimizer steps\n"
        "  because      kava.toml says so\n"
        f"  tier         experiment, by spec, asked for at kava.toml:{at}:1\n"
        "  feeds        checkpoint.every, train.teacher_placement, and 2 more through them\n"
        f"  override     instead of kava.toml:{at}:\n"
        "               steps = 233\n"
        "  means        Length of the run; decided from `epochs` (one, when neither is given).\n"
    )


def line(text: str, name: str) -> list[str]:
    """The lines of one section, without their indentation."""
    found, inside = [], False
    for one in text.splitlines()[1:]:
        here = one[:15].strip()
        inside = here == name or (inside and not here)
        if inside:
            found.append(one[15:])
    return found


def test_what_the_machine_decided_shows_guard_and_the_least_trusted_fact(
    pair: None, capsys: pytest.CaptureFixture[str]
):
    text = asked(capsys, "train.micro_batch", "--target", "a100")
    assert line(text, "valid while")[0] == "fact.gpu.memory_bytes >= 50366401535 (46.9 GiB)"
    assert line(text, "trust") == ["assumed is the least that it rests on: fact.memory.batch_table"]
    assert line(text, "provisional") == ["train.world is provisional"]
    assert "declared by datasheet@1: NVIDIA A100 datasheet" in text


def test_an_override_for_one_of_several_targets(pair: None, capsys: pytest.CaptureFixture[str]):
    text = asked(capsys, "train.threads", "--target", "m2max")
    assert line(text, "override") == [
        "at the end of kava.toml:",
        "[targets.m2max.train]",
        "threads = 4",
    ]


def test_a_value_from_the_command_line(locked: Path, capsys: pytest.CaptureFixture[str]):
    main(["lock", "--set", "train.seed=7", "--dry-run", "--json"])
    capsys.readouterr()
    assert main(["lock", "--set", "train.seed=7"]) == 0
    capsys.readouterr()
    text = asked(capsys, "train.seed")
    assert text.startswith("train.seed = 7\n  because      the command line said so\n")
    assert line(text, "tier") == ["experiment, by set, set on the command line (--set)"]


# ---- evidence


def test_evidence_comes_from_the_fact_file(locked: Path, capsys: pytest.CaptureFixture[str]):
    assert "fact.cpu.cores  = 16" in asked(capsys, "loader.workers")
    assert "declared by datasheet@1: " in asked(capsys, "loader.workers")


def test_without_the_fact_file_no_evidence_is_kept(
    locked: Path, capsys: pytest.CaptureFixture[str]
):
    (locked / "cpu-avx512bf16.yaml").unlink()
    assert "declared by datasheet@1\n" in asked(capsys, "loader.workers")
    (locked / "cpu-avx512bf16.yaml").write_text("nonsense: [", encoding="utf-8")
    assert "declared by datasheet@1\n" in asked(capsys, "loader.workers")


def test_evidence_for_another_value_is_no_evidence(
    locked: Path, capsys: pytest.CaptureFixture[str]
):
    file = locked / "cpu-avx512bf16.yaml"
    text = file.read_text(encoding="utf-8")
    at = text.index("fact.cpu.cores:")
    file.write_text(text[:at] + text[at:].replace("value: 16", "value: 12", 1), encoding="utf-8")
    said = "declared by datasheet@1; the fact file says 12 by now\n"
    assert said in asked(capsys, "loader.workers")


# ---- what is not so any more


def test_a_spec_that_moved_on_does_not_change_what_was_locked(
    locked: Path, capsys: pytest.CaptureFixture[str]
):
    text = (locked / "kava.toml").read_text(encoding="utf-8")
    (locked / "kava.toml").write_text(text.replace("steps = 1000", "steps = 7"), encoding="utf-8")
    assert main(["why", "train.steps"]) == 0
    captured = capsys.readouterr()
    assert captured.out.startswith("train.steps = 1000")
    assert captured.err == "note: kava.toml has changed since; this is what is locked\n"


def test_a_lock_explains_itself_without_its_spec(locked: Path, capsys: pytest.CaptureFixture[str]):
    (locked / "kava.toml").unlink()
    text = asked(capsys, "train.precision")
    assert line(text, "tier") == ["numerics, by precision@1, as locked"]
    assert line(text, "override") == ["in kava.toml:", "[train]", 'precision = "float32"']


def rewrite(lock: Path, key: str, **fields: object) -> None:
    """Change one block and seal it anew, as a wrong merge or an older kavaspec would."""
    locked = read_lock(lock)
    lock.write_text(lock_text(_with(locked, key, fields)), encoding="utf-8", newline="\n")


def _with(lock: Lock, key: str, fields: dict[str, object]) -> Lock:
    [name] = lock.targets
    decisions = dict(lock.targets[name].decisions)
    decisions[key] = replace(decisions[key], **fields)
    target = replace(lock.targets[name], decisions=MappingProxyType(decisions))
    return replace(lock, targets=MappingProxyType({name: target}))


def test_a_value_that_its_rule_does_not_give_is_not_explained_as_if_it_did(
    locked: Path, capsys: pytest.CaptureFixture[str]
):
    rewrite(locked / "kava.lock", "train.precision", value="bfloat16")
    assert main(["why", "train.precision"]) == 3
    captured = capsys.readouterr()
    assert captured.out.startswith(
        "train.precision = bfloat16\n"
        "  stale        precision@1 gives float32 from the same inputs, not bfloat16\n"
        "  because      nobody can tell any more\n"
    )
    assert line(captured.out, "flips") == line(captured.out, "not") == []
    assert captured.err == (
        "note: kava.lock is stale: 1 key of it is not what the rules give; kavaspec check says more\n"
    )


def test_inputs_that_are_no_longer_so_are_named(locked: Path, capsys: pytest.CaptureFixture[str]):
    block = read_lock(locked / "kava.lock").targets["cpu"].decisions["train.accumulation"]
    rewrite(locked / "kava.lock", "train.accumulation", inputs={**block.inputs, "train.world": 2})
    assert main(["why", "train.accumulation"]) == 3
    text = capsys.readouterr().out
    assert line(text, "stale") == ["it was decided from train.world = 2, which is 1 now"]


def test_other_keys_of_a_stale_lock_are_explained_with_a_note(
    locked: Path, capsys: pytest.CaptureFixture[str]
):
    rewrite(locked / "kava.lock", "train.precision", value="bfloat16")
    assert main(["why", "train.threads"]) == 0
    captured = capsys.readouterr()
    assert "  arithmetic   cores of one process  = 16 // 1  = 16\n" in captured.out
    assert "note: kava.lock is stale: 1 key of it is not what the rules give" in captured.err


@pytest.mark.parametrize("question", [["--not", "float16"], ["--if", "fact.cpu.cores=2"]])
def test_nothing_is_compared_with_a_stale_lock(
    locked: Path, capsys: pytest.CaptureFixture[str], question: list[str]
):
    rewrite(locked / "kava.lock", "train.precision", value="bfloat16")
    code, said = refused(capsys, "train.precision", *question)
    assert code == 3
    assert (
        "the lock is not what its rules give (train.precision), so nothing can be compared" in said
    )
    assert said.endswith("  lock again first: kavaspec lock\n")


def test_a_broken_lock_is_not_explained(locked: Path, capsys: pytest.CaptureFixture[str]):
    text = (locked / "kava.lock").read_text(encoding="utf-8")
    (locked / "kava.lock").write_text(text.replace("value: 1000", "value: 999"), encoding="utf-8")
    code, said = refused(capsys, "train.steps")
    assert code == 6
    assert "train.steps was edited by hand: its seal does not fit" in said


def test_without_a_lock_there_is_nothing_to_explain(
    project: Path, capsys: pytest.CaptureFixture[str]
):
    code, said = refused(capsys, "train.steps")
    assert code == 8
    assert "there is no kava.lock" in said


# ---- why not


def test_why_not_another_value(pair: None, capsys: pytest.CaptureFixture[str]):
    assert asked(capsys, "train.threads", "--not", "64", "--target", "a100") == (
        "train.threads is 4, not 64\n"
        "  no           refused by check threads_fit: train.threads = 64 x train.world = 1 needs 64 "
        "cores, but 16 may be used\n"
        "  instead      train.threads = 16\n"
        "  now          by threads@1, left out of kava.toml: 4 of 16 usable cores are enough to feed cuda\n"
    )


def test_why_not_with_what_would_follow(pair: None, capsys: pytest.CaptureFixture[str]):
    text = asked(capsys, "train.micro_batch", "--not", "4", "--target", "a100")
    assert text.splitlines()[:2] == [
        "train.micro_batch is 32, not 4",
        "  yes          it is allowed: no check and no rule speaks against it",
    ]
    assert text.splitlines()[3:5] == [
        "if train.micro_batch = 4 were written in kava.toml:",
        "  train.accumulation  1 -> 8  numerics  32 = 4 (micro_batch) x 8 x 1 (world)",
    ]


def test_why_not_in_json(pair: None, capsys: pytest.CaptureFixture[str]):
    told = json.loads(asked(capsys, "train.micro_batch", "--not", "8", "--target", "cpu", "--json"))
    assert told["schema"] == "kavaspec.why/1"
    assert told["not"]["verdict"] == "turned_down"
    assert told["not"]["reasons"] == [
        {"who": "micro_batch@2", "says": "would be no faster on cpu", "hint": None}
    ]
    assert [one["key"] for one in told["not"]["then"]["changes"]] == [
        "train.micro_batch",
        "train.accumulation",
    ]


# ---- what if


def test_what_a_smaller_card_would_change(pair: None, capsys: pytest.CaptureFixture[str]):
    text = asked(capsys, "--if", "fact.gpu.memory_bytes=24GiB", "--target", "a100")
    *lines, ids, end = text.splitlines()
    assert "\n".join(lines) == (
        "if fact.gpu.memory_bytes = 25769803776 (24 GiB) instead of 85899345920 (80 GiB), on target a100\n"
        "  train.micro_batch     32 -> 8  numerics  8 x 512 tokens take 21.48 GiB of 22.80 GiB; 16 "
        "would take 29.18 GiB\n"
        "    train.accumulation  1 -> 4   numerics  32 = 8 (micro_batch) x 4 x 1 (world)\n"
        "  3 more decisions would be made again, to the same value\n"
        "  the locked train.micro_batch would not be valid there: it needs "
        "fact.gpu.memory_bytes >= 50366401535 (46.9 GiB)"
    )
    assert ids.startswith("  experiment kx1:59b69422 stays, numerics kn1:640de5ea -> kn1:")
    assert end == "nothing was written"


def test_a_key_is_explained_as_it_would_be(pair: None, capsys: pytest.CaptureFixture[str]):
    text = asked(capsys, "train.accumulation", "--if", "train.global_batch=64", "--target", "a100")
    assert (
        "\n\ntrain.accumulation = 1  micro-batches\n  because      64 = 64 (micro_batch) x 1 x 1 (world)\n"
        in text
    )


def test_what_nothing_reads_changes_nothing(pair: None, capsys: pytest.CaptureFixture[str]):
    text = asked(capsys, "--if", "fact.gpu.driver=999", "--target", "a100")
    assert text.splitlines()[1:3] == [
        "  no decision would change",
        "  the lock has no fact.gpu.driver: nothing rests on it",
    ]


def test_what_if_in_json(pair: None, capsys: pytest.CaptureFixture[str]):
    told = json.loads(
        asked(
            capsys,
            "train.micro_batch",
            "--if",
            "fact.gpu.memory_bytes=17GiB",
            "--target",
            "a100",
            "--json",
        )
    )
    assert told["explanation"]["value"] == 2
    assert told["if"]["supposed"] == {"fact.gpu.memory_bytes": 17 << 30}
    assert told["if"]["before"] == {"fact.gpu.memory_bytes": 80 << 30}
    assert told["if"]["broken_guards"] == [
        {"key": "train.micro_batch", "guard": "fact.gpu.memory_bytes >= 50366401535 (46.9 GiB)"},
    ]
    assert told["if"]["ids"]["before"]["kx"] == told["if"]["ids"]["after"]["kx"]


# ---- uses, facts, tables


def test_what_depends_on_a_key(pair: None, capsys: pytest.CaptureFixture[str]):
    assert asked(capsys, "train.micro_batch", "--uses", "--target", "a100") == (
        "train.micro_batch = 32\n"
        "  train.accumulation  = 1  by accumulation@1\n"
        "1 decision rests on it\n"
        "checked by batch_split, step_fits\n"
    )


def test_the_tree_unfolds_each_key_once(pair: None, capsys: pytest.CaptureFixture[str]):
    text = asked(capsys, "fact.cpu.cores", "--uses", "--target", "cpu")
    assert text.splitlines()[:6] == [
        "fact.cpu.cores = 16",
        "  loader.workers    = 0   by workers@1",
        "    scheduler.cpus  = 16  by cpus@1",
        "  train.threads     = 16  by threads@1",
        "    scheduler.cpus  = 16  by cpus@1",
        "3 decisions rest on it, 2 of them directly",
    ]


def test_uses_in_json(pair: None, capsys: pytest.CaptureFixture[str]):
    told = json.loads(
        asked(capsys, "fact.gpu.memory_bytes", "--uses", "--target", "a100", "--json")
    )
    checkpointing, *others = told["uses"]
    [micro_batch] = checkpointing["then"]
    assert checkpointing["key"] == "train.gradient_checkpointing"
    assert [it["key"] for it in others] == [
        "train.micro_batch",
        "train.optimizer_state_dtype",
        "train.param_dtype",
    ]
    assert (micro_batch["key"], micro_batch["then"][0]["key"]) == (
        "train.micro_batch",
        "train.accumulation",
    )


def test_a_fact(pair: None, capsys: pytest.CaptureFixture[str]):
    assert asked(capsys, "fact.gpu.memory_bytes", "--target", "a100") == (
        "fact.gpu.memory_bytes = 85899345920 (80 GiB)  bytes\n"
        "  known        declared by datasheet@1\n"
        "  evidence     NVIDIA A100 datasheet\n"
        "  feeds        train.gradient_checkpointing, train.micro_batch, train.optimizer_state_dtype, "
        "train.param_dtype, and 1 more through them\n"
        "  checked by   step_fits, student_fits\n"
        "  guards       train.micro_batch  is valid while fact.gpu.memory_bytes >= 50366401535 (46.9 GiB)\n"
        "               train.param_dtype  is valid while fact.gpu.memory_bytes >= 7904524288 (7.4 GiB)\n"
        "  means        total memory of the smallest card\n"
    )


def test_a_fact_says_what_it_is_about(pair: None, capsys: pytest.CaptureFixture[str]):
    text = asked(capsys, "fact.teacher.kv_layout", "--target", "a100")
    assert line(text, "about") == [
        "model.teacher.revision = none, model.teacher.source = ./models/qwen2.5-1.5b-instruct"
    ]


def test_a_fact_that_the_lock_does_not_have(pair: None, capsys: pytest.CaptureFixture[str]):
    assert asked(capsys, "fact.gpu.driver", "--target", "a100") == (
        "fact.gpu.driver is not in kava.lock: nothing rests on it\n"
        "  means        version of the driver\n"
    )


def test_a_table_lists_its_keys(pair: None, capsys: pytest.CaptureFixture[str]):
    assert asked(capsys, "train.lora", "--target", "a100") == (
        "train.lora has 4 names in this lock\n"
        "  train.lora.alpha    16.0                              by default@1\n"
        "  train.lora.dropout  0.0                               by default@1\n"
        "  train.lora.rank     0                                 by default@1\n"
        "  train.lora.targets  [q_proj, k_proj, v_proj, o_proj]  by default@1\n"
        "name one: kavaspec why train.lora.alpha\n"
    )


def test_tables_and_facts_in_json(pair: None, capsys: pytest.CaptureFixture[str]):
    told = json.loads(asked(capsys, "train.lora", "--target", "a100", "--json"))
    assert told["names"][0] == {"name": "train.lora.alpha", "value": 16.0}
    told = json.loads(asked(capsys, "fact.gpu.name", "--target", "a100", "--json"))
    assert told["fact"]["evidence"] == "NVIDIA A100 datasheet"


# ---- JSON of a key


def test_the_record_of_an_explanation(pair: None, capsys: pytest.CaptureFixture[str]):
    told = json.loads(asked(capsys, "train.micro_batch", "--target", "a100", "--json"))
    assert (told["schema"], told["lock"], told["target"]) == ("kavaspec.why/1", "kava.lock", "a100")
    assert (told["spec_moved_on"], told["stale_keys"]) == (None, [])
    it = told["explanation"]
    assert set(it) == {
        "key", "value", "unit", "tier", "by", "meaning", "because", "asked", "where", "stale",
        "provisional", "terms", "sources", "rejected", "flips", "guard", "feeds", "reaches",
        "override", "override_at",
    }  # fmt: skip
    assert it["value"] == 32
    assert it["flips"][0] == {
        "source": "fact.gpu.memory_bytes",
        "op": "<=",
        "at": 50366401534,
        "until": 32976477291,
        "to": 16,
        "no_value": None,
        "text": "to 16 when fact.gpu.memory_bytes <= 50366401534 (46.9 GiB), down to 32976477291 (30.7 GiB)",
    }
    table = next(one for one in it["sources"] if one["name"] == "fact.memory.batch_table")
    assert (table["trust"], table["weakest"]) == ("assumed", True)
    assert it["override"] == "[targets.a100.train]\nmicro_batch = 32"


@pytest.mark.parametrize(
    ("key", "value"), [("objective.kv.teacher_dim", 7168), ("objective.kv.student_dim", 3072)]
)
def test_the_original_pair(key: str, value: int, pair: None, capsys: pytest.CaptureFixture[str]):
    told = json.loads(asked(capsys, key, "--target", "rtx4070", "--json"))
    assert told["explanation"]["value"] == value


# ---- mistakes


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["train.precison"], "train.precison is not decided in kava.lock\n  did you mean train.precision?\n"),
        (["gpu.memory_bytes"], "gpu.memory_bytes is not decided in kava.lock\n  did you mean fact.gpu.memory_bytes?\n"),
        (["fact.gpu.memory_byte"], "fact.gpu.memory_byte is not decided in kava.lock\n  did you mean fact.gpu.memory_bytes?\n"),
        (["trian"], "trian is not decided in kava.lock\n  did you mean train?\n"),
        ([], "why what?\n  name a key, a fact or a table: kavaspec why train.precision\n"),
        ([""], "why what?\n  name a key, a fact or a table: kavaspec why train.precision\n"),
        (["--uses"], "why --uses of what?\n  name a key, a fact or a table: kavaspec why train.precision\n"),
        (["train.steps", "--uses", "--not", "3"], "--not and --uses are different questions\n  ask one at a time\n"),
        (["train", "--uses"], "train is a table; --uses needs one key or fact\n  for example: kavaspec why train.accumulation --uses\n"),
        (["fact.gpu.driver", "--uses"], "fact.gpu.driver is not in kava.lock: nothing rests on it\n  kavaspec why fact.gpu.driver says what it is\n"),
        (["fact.gpu.name", "--not", "H100"], "--not needs a key, and fact.gpu.name is none: a fact is observed, not chosen\n  suppose it instead: kavaspec why --if fact.gpu.name=H100\n"),
        (["train", "--not", "3"], "--not needs a key, and train is none: name one key of it\n  for example: kavaspec why train.precision --not float32\n"),
        (["fact.gpu.name", "--if", "train.seed=1"], "with --if, name a key to explain; fact.gpu.name is none\n  leave the name out to see all that would change: kavaspec why --if NAME=VALUE\n"),
        (["--if", "train.sed=1"], "--if train.sed: there is no such key or fact\n  did you mean train.seed?\n"),
    ],
)  # fmt: skip
def test_mistakes_are_usage(
    pair: None, capsys: pytest.CaptureFixture[str], words: list[str], message: str
):
    code, said = refused(capsys, *words, "--target", "a100")
    assert code == 2
    assert said.partition(": ")[2] == message


def test_a_key_that_does_not_apply_says_so(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(ROOT / "examples")
    monkeypatch.setenv("NO_COLOR", "1")
    code = main(["why", "objective.kv.layers", "--lock", "teacher.lock"])
    assert code == 2
    said = capsys.readouterr().err
    assert said.endswith(
        "objective.kv.layers is not decided in teacher.lock\n"
        '  it does not apply with objective.kind = "ce"\n'
    )


def test_several_targets_need_a_name(pair: None, capsys: pytest.CaptureFixture[str]):
    code, said = refused(capsys, "train.precision")
    assert code == 2
    assert (
        "the lock has several targets: a100, cpu, m2max, rtx4070\n  name one: --target NAME" in said
    )


@pytest.mark.parametrize(
    "words",
    [
        ["train.precision"],
        ["train.precision", "--not", "float16"],
        ["--if", "fact.cpu.cores=2"],
        ["fact.cpu.cores", "--uses"],
        ["train", "--json"],
    ],
)
def test_nothing_is_written(locked: Path, capsys: pytest.CaptureFixture[str], words: list[str]):
    before = {path: path.read_bytes() for path in locked.rglob("*")}
    assert main(["why", *words]) == 0
    assert {path: path.read_bytes() for path in locked.rglob("*")} == before


def test_a_key_of_the_experiment_needs_no_target(capsys: pytest.CaptureFixture[str]):
    """It is the same on all of them."""
    code = main(["why", "train.steps", "--lock", str(ROOT / "examples/qwen2.5/kava.lock")])
    out = capsys.readouterr().out
    assert (code, out.splitlines()[0].split()[:3]) == (0, ["train.steps", "=", "233"])


def test_a_key_whose_block_is_gone_is_missed_not_denied(
    locked: Path, capsys: pytest.CaptureFixture[str]
):
    text = (locked / "kava.lock").read_text(encoding="utf-8")
    start = text.index("      train.precision:\n")
    end = text.index("\n\n", start) + 2
    (locked / "kava.lock").write_text(text[:start] + text[end:], encoding="utf-8")
    assert main(["why", "train.precision"]) == 2
    assert "its block is missing: derive the lock again with `kavaspec lock`" in (
        capsys.readouterr().err
    )
