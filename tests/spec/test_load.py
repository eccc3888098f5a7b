"""kava.toml in, a Spec out; or every problem of the file, each at its place."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from kavaspec.cli.render import Pen, problem_text
from kavaspec.decision import Allowed
from kavaspec.errors import Exit, KavaError
from kavaspec.spec.load import load_spec, parse_setting, parse_settings, parse_spec

HEAD = '[model.teacher]\nsource = "t"\n[data]\nsource = "d"\n'


def problems(text: str, **settings: object) -> list[tuple[str, str | None]]:
    """`line:column message` and hint of every problem."""
    with pytest.raises(KavaError) as caught:
        parse_spec(text, "kava.toml", set=settings)  # type: ignore[arg-type]
    return [
        (f"{p.where.line}:{p.where.column} {p.message}" if p.where else p.message, p.hint)
        for p in caught.value.problems
    ]


def fixes(text: str) -> list[str]:
    """What would be written instead of what is marked."""
    with pytest.raises(KavaError) as caught:
        parse_spec(text, "kava.toml", set={})
    return [p.fix.text for p in caught.value.problems if p.fix]


def test_what_is_left_out_has_its_default_and_says_so():
    spec = parse_spec(HEAD, "kava.toml", set={})
    asked = spec.experiment["train.global_batch"]
    assert (asked.value, asked.auto, asked.by) == (32, False, "default@1")


def test_many_defaults_are_auto():
    spec = parse_spec(HEAD, "kava.toml", set={})
    assert spec.targets["here"].asked["train.micro_batch"].auto


def test_a_whole_number_is_taken_where_a_number_is_wanted():
    spec = parse_spec(HEAD + "[train]\nlearning_rate = 1\nclip = 2\n", "kava.toml", set={})
    assert repr(spec.experiment["train.learning_rate"].value) == "1.0"
    assert repr(spec.experiment["train.clip"].value) == "2.0"


def test_an_optional_key_is_switched_off_with_unset():
    spec = parse_spec(HEAD + "[train]\nclip = { unset = true }\n", "kava.toml", set={})
    assert spec.experiment["train.clip"].value is None


def test_auto_may_carry_limits():
    text = (
        HEAD
        + '[train]\nmicro_batch = { auto = true, max = 8 }\nprecision = { auto = true, one_of = ["bfloat16", "float32"] }\n'
    )
    asked = parse_spec(text, "kava.toml", set={}).targets["here"].asked
    assert asked["train.micro_batch"].allowed == Allowed(max=8)
    assert asked["train.precision"].allowed == Allowed(one_of=("bfloat16", "float32"))


def test_settings_of_the_command_line_win_and_are_kept():
    spec = parse_spec(HEAD + "[train]\nsteps = 5\n", "kava.toml", set={"train.steps": 7})
    assert (spec.experiment["train.steps"].value, spec.experiment["train.steps"].by) == (7, "set")
    assert dict(spec.set) == {"train.steps": 7}


def test_a_target_overrides_numerics_and_placement():
    text = (
        HEAD
        + '[train]\nmicro_batch = 4\n[targets.big]\nfacts = "facts/big.yaml"\ntrain.micro_batch = 16\n[targets.small]\n'
    )
    spec = parse_spec(text, "kava.toml", set={})
    assert spec.targets["big"].facts == "facts/big.yaml"
    assert (
        spec.asked("train.micro_batch", "big").value,
        spec.asked("train.micro_batch", "big").by,
    ) == (16, "target")
    assert (
        spec.asked("train.micro_batch", "small").value,
        spec.asked("train.micro_batch", "small").by,
    ) == (4, "spec")


def test_a_preset_stands_between_defaults_and_spec():
    text = HEAD + '[objective]\npreset = "seed"\n[objective.kv]\nloss = "mse"\n'
    experiment = parse_spec(text, "kava.toml", set={}).experiment
    assert (
        experiment["objective.kv.aggregate"].value,
        experiment["objective.kv.aggregate"].by,
    ) == ("concat", "preset seed@1")
    assert (experiment["objective.kv.loss"].value, experiment["objective.kv.loss"].by) == (
        "mse",
        "spec",
    )


def test_an_objective_without_a_teacher_has_no_teacher_keys():
    spec = parse_spec('[data]\nsource = "d"\n[objective]\nkind = "ce"\n', "kava.toml", set={})
    assert not [key for key in spec.experiment if key.startswith(("model.teacher", "objective.kv"))]


@pytest.mark.parametrize(
    ("line", "message", "hint"),
    [
        ("train.micro_bach = 8", "5:7 train.micro_bach is not a key", "did you mean train.micro_batch?"),
        ("trian.steps = 8", "5:1 trian is not a key", "did you mean train?"),
        ('train.micro_batch = "8"', '5:21 train.micro_batch is the string "8"; expected an integer >= 1 or "auto"', "remove the quotes"),
        ("train.micro_batch = true", '5:21 train.micro_batch is true; expected an integer >= 1 or "auto"', None),
        ("train.micro_batch = 0", '5:21 train.micro_batch is the number 0; expected an integer >= 1 or "auto"', None),
        ('train.precision = "bf16"', '5:19 train.precision is the string "bf16"; expected "float32", "bfloat16", "float16" or "auto"', 'did you mean "bfloat16"?'),
        ('train.seed = "auto"', '5:14 train.seed cannot be "auto": it is part of the experiment, which no machine decides', "write an integer >= 0"),
        ("train.lora = 3", "5:14 train.lora is the number 3; expected a table", "open it as a table, [train.lora], or write for example train.lora.alpha = ..."),
        ("train.learning_rate = nan", "5:23 train.learning_rate is the number nan; expected a number > 0", "write a finite number"),
        ("train.steps = 2024-01-01", '5:15 train.steps is the date 2024-01-01; expected an integer >= 1 or "auto"', None),
        ("train.micro_batch = { auto = true, mx = 8 }", "5:36 train.micro_batch: mx is not a limit of auto", "did you mean max?"),
        ('train.micro_batch = { auto = true, max = "8" }', '5:42 train.micro_batch: max is the string "8"; expected an integer', "remove the quotes"),
        ('train.precision = { auto = true, one_of = ["bf16"] }', '5:43 train.precision: one_of holds the string "bf16"; expected "float32", "bfloat16" or "float16"', 'did you mean "bfloat16"?'),
        ("train.precision = { auto = true, max = 3 }", "5:40 train.precision: max is the number 3; only a key that is a number has max", "leave max out"),
        ('objective.preset = "sed"', '5:20 objective.preset is the string "sed"; expected "safe" or "seed"', 'did you mean "seed"?'),
        ("targets.a.train.seed = 1", "5:17 train.seed belongs to the experiment; a target may only set numerics and placement", "set train.seed outside of [targets]"),
        ("targets.a.facts = 3", "5:19 targets.a.facts is the number 3; expected the path of a fact file", 'write for example facts = "facts/cluster.yaml"'),
    ],
    ids=lambda text: str(text)[:40],
)  # fmt: skip
def test_one_mistake_one_message_at_its_place(line: str, message: str, hint: str | None):
    assert problems('data.source = "d"\n\n\nmodel.teacher.source = "t"\n' + line) == [
        (message, hint)
    ]


def test_all_problems_come_in_one_pass_sorted_by_position():
    text = (
        '[train]\nstep = 3\nmicro_batch = "8"\n[data]\nsorce = "d"\n[model.teacher]\nsource = "t"\n'
    )
    assert [message for message, _ in problems(text)] == [
        "2:1 train.step is not a key",
        '3:15 train.micro_batch is the string "8"; expected an integer >= 1 or "auto"',
        "5:1 data.sorce is not a key",
    ]


def test_a_required_key_that_is_missing_is_named_with_its_meaning():
    [(message, hint)] = problems('[model.teacher]\nsource = "t"\n')
    assert message == "data.source is missing: kava.toml has no [data]"
    assert hint == (
        "where to find it: `builtin:arithmetic`, a folder or file (.jsonl, .parquet), or a hub id\n"
        "write for example:\n"
        "  [data]\n"
        '  source = "builtin:arithmetic"'
    )


@pytest.mark.parametrize(
    ("text", "place", "line"),
    [
        ('[data]\nsplit = "train"\n', "3:2 ", 'source = "builtin:arithmetic"'),
        ('data.split = "train"\n', None, 'data.source = "builtin:arithmetic"'),
    ],
    ids=["table", "dotted"],
)
def test_a_required_key_is_wanted_where_its_table_stands(text: str, place: str | None, line: str):
    first = '[model.teacher]\nsource = "t"\n'
    [(message, hint)] = problems(first + text if place else text + first)
    assert message == f"{place or '1:1 '}data.source is missing"
    assert hint is not None
    assert hint.split("\n")[1:] == ["write for example:", f"  {line}"]


@pytest.mark.parametrize("empty", ["", "\n", "# only\n# comments\n", "\ufeff"])
def test_a_spec_that_says_nothing_lacks_its_tables(empty: str):
    assert [message for message, _ in problems(empty.removeprefix("\ufeff"))] == [
        "data.source is missing: kava.toml has no [data]",
        "model.teacher.source is missing: kava.toml has no [model.teacher]",
    ]


def test_a_value_where_the_table_of_a_required_key_belongs_is_one_mistake():
    assert problems('data = "gsm8k"\n[model]\nteacher = "Qwen/Qwen2.5-1.5B-Instruct"\n') == [
        (
            '1:8 data is the string "gsm8k"; expected a table',
            'write data.source = "gsm8k"',
        ),
        (
            '3:11 model.teacher is the string "Qwen/Qwen2.5-1.5B-Instruct"; expected a table',
            'write model.teacher.source = "Qwen/Qwen2.5-1.5B-Instruct"',
        ),
    ]


def test_a_key_of_another_objective_is_refused():
    text = '[data]\nsource = "d"\n[objective]\nkind = "ce"\n[objective.kv]\nloss = "mse"\n'
    assert problems(text) == [
        ('6:1 objective.kv.loss means nothing with objective.kind = "ce"', "remove it")
    ]


def test_text_that_is_not_toml_is_shown_where_it_breaks():
    assert problems('[data]\nsource = "d\n') == [
        ("2:10 this is not TOML: the string is not closed", 'write "d"')
    ]


def test_a_merge_conflict_is_called_by_its_name():
    text = "[train]\n<<<<<<< HEAD\nsteps = 1\n=======\nsteps = 2\n>>>>>>> b\n"
    assert problems(text) == [
        (
            "2:1 this file has an unresolved merge conflict",
            "resolve the merge conflict in this file, then lock again",
        )
    ]


def test_an_unknown_setting_has_no_place_in_the_file():
    assert problems(HEAD, **{"train.stps": 3}) == [
        ("--set train.stps: there is no such key", "did you mean train.steps?")
    ]


def test_a_wrong_setting_is_named_as_one():
    assert problems(HEAD, **{"train.steps": "x"}) == [
        ('--set train.steps is the string "x"; expected an integer >= 1 or "auto"', None)
    ]


def test_columns_count_characters_not_bytes():
    [(message, _)] = problems(HEAD + 'prompt = "é"\nsplit = { a = "é", b = 3 }\n')
    assert message == "6:9 data.split is a table; expected a string that is not empty"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("train.steps=10", ("train.steps", 10)),
        ("train.precision=bfloat16", ("train.precision", "bfloat16")),
        ('name="x"', ("name", "x")),
        ("objective.kv.layers=[0, 1]", ("objective.kv.layers", (0, 1))),
        ("data.prompt={question}", ("data.prompt", "{question}")),
    ],
)
def test_settings_are_toml_or_plain_words(text: str, expected: tuple[str, object]):
    assert parse_setting(text) == expected


def test_a_setting_needs_a_value():
    with pytest.raises(KavaError, match="--set train.steps has no value; expected KEY=VALUE"):
        parse_setting("train.steps")


def test_a_missing_file_says_how_to_make_one(tmp_path: Path):
    with pytest.raises(KavaError) as caught:
        load_spec(tmp_path / "kava.toml", set={})
    assert caught.value.exit_code == Exit.ENVIRONMENT
    path = tmp_path / "kava.toml"
    assert caught.value.problems[0].hint == f"write one: kavaspec init {path}"


def test_a_missing_file_is_nearly_the_one_that_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "student.toml").touch()
    told = {}
    for name in ("studnet.toml", "other.toml", "kava.toml"):
        with pytest.raises(KavaError) as caught:
            load_spec(Path(name), set={})
        told[name] = caught.value.problems[0].hint
    assert told == {
        "studnet.toml": "did you mean student.toml? A new one is written by: kavaspec init studnet.toml",
        "other.toml": "did you mean student.toml? A new one is written by: kavaspec init other.toml",
        "kava.toml": "did you mean student.toml? A new one is written by: kavaspec init",
    }


def test_bytes_that_are_no_text_are_refused(tmp_path: Path):
    path = tmp_path / "kava.toml"
    path.write_bytes(b"name = \xff")
    with pytest.raises(KavaError, match="is not UTF-8 text"):
        load_spec(path, set={})


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path):
    path = tmp_path / "kava.toml"
    path.write_bytes(b"\xef\xbb\xbf" + HEAD.encode())
    assert load_spec(path, set={}).experiment


def test_limits_may_come_from_the_command_line():
    _, value = parse_setting("train.micro_batch={auto=true,max=4}")
    spec = parse_spec(HEAD, "kava.toml", set={"train.micro_batch": value})
    assert spec.targets["here"].asked["train.micro_batch"].allowed == Allowed(max=4)


def test_limits_that_leave_nothing_are_a_mistake():
    text = HEAD + "[train]\nmicro_batch = { auto = true, LIMITS }\n"
    told = {
        limits: problems(text.replace("LIMITS", limits))
        for limits in ("min = 10, max = 5", "max = 0", "min = 9, max = 11, multiple_of = 8", "one_of = [2, 4], min = 6")
    }  # fmt: skip
    assert told == {
        "min = 10, max = 5": [
            ("6:30 train.micro_batch: min = 10 and max = 5 leave no value; expected an integer >= 1", "min = 5, or max = 10")
        ],
        "max = 0": [("6:30 train.micro_batch: max = 0 leaves no value; expected an integer >= 1", "max = 1")],
        "min = 9, max = 11, multiple_of = 8": [
            ("6:30 train.micro_batch: min = 9, max = 11 and multiple_of = 8 leave no value; expected an integer >= 1", "min = 8, or max = 16, or leave multiple_of out")
        ],
        "one_of = [2, 4], min = 6": [
            ("6:47 train.micro_batch: min = 6 and one_of = [2, 4] leave no value; expected an integer >= 1", "min = 4, or one_of = [2, 4, 6]")
        ],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("value", "message", "hint"),
    [
        ("{ auto = false, max = 3 }", "train.micro_batch is a table with auto = false; limits need auto = true beside them", "write { auto = true, max = 3 }, or a value: an integer >= 1"),
        ("{ max = 3 }", "train.micro_batch is a table with no auto; limits need auto = true beside them", "write { auto = true, max = 3 }, or a value: an integer >= 1"),
        ('{ auto = "yes" }', 'train.micro_batch is a table with auto = the string "yes"; limits need auto = true beside them', "write { auto = true }, or a value: an integer >= 1"),
    ],
    ids=["false", "missing", "a-word"],
)  # fmt: skip
def test_limits_need_auto_to_be_true(value: str, message: str, hint: str):
    assert problems(HEAD + f"[train]\nmicro_batch = {value}\n") == [(f"6:15 {message}", hint)]


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("[train]\nsteps = 1\n\nsteps = 2\n", "8:1 train.steps is given twice: here and at kava.toml:6:1", "keep one of them"),
        ("[train]\nsteps = 1\n[train]\nseed = 2\n", "7:2 train is given twice: here and at kava.toml:5:2", "move the keys below it to the first [train]"),
        ("train.a = 1\nlora = { rank = 1, rank = 2 }\n", "6:20 data.lora.rank is given twice: here and at kava.toml:6:10", "keep one of them"),
        ("[train]\nlora = 3\nlora.rank = 8\n", "6:1 train.lora is a value here, and a table at kava.toml:7:6", "keep train.lora.rank, which is a key of it, or this"),
        ("[train]\nlora.rank = 8\n[train.lora]\n", "7:8 train.lora is opened as a table here, and has keys at kava.toml:6:6 already", "write train.lora.rank below [train.lora] too, or all keys of it with dots"),
        ("train.lora.rank = 8\ntrain.lora = 3\n", "6:7 data.train.lora is a value here, and a table at kava.toml:5:12", "keep data.train.lora.rank, which is a key of it, or this"),
    ],
    ids=["key", "table", "inline", "value-first", "dots-first", "table-first"],
)  # fmt: skip
def test_what_is_given_twice_is_named_with_both_places(text: str, message: str, hint: str):
    assert problems(HEAD + text) == [(message, hint)]


@pytest.mark.parametrize(
    ("line", "message", "hint", "fix"),
    [
        ("compile = True", "6:11 this is not TOML: True is no value", "write true", "true"),
        ("clip = None   # no limit", "6:8 this is not TOML: None is no value", "write { unset = true }", "{ unset = true }"),
        ("steps = None", "6:9 this is not TOML: None is no value", "leave the key out", None),
        ("precision = bfloat16", "6:13 this is not TOML: bfloat16 is no value", 'put it in quotes: "bfloat16"', '"bfloat16"'),
        ("precision = bf16", "6:13 this is not TOML: bf16 is no value", 'write "bfloat16"', '"bfloat16"'),
        ("micro_batch = auto", "6:15 this is not TOML: auto is no value", 'put it in quotes: "auto"', '"auto"'),
        ("steps: 3", "6:6 this is not TOML: a colon stands where = belongs", "write steps = 3", " ="),
        ("steps : 3", "6:7 this is not TOML: a colon stands where = belongs", "write steps = 3", "="),
        ("steps: ten", "6:6 this is not TOML: a colon stands where = belongs", "write steps = ten", None),
        ("steps = True", "6:9 this is not TOML: True is no value", 'write an integer >= 1 or "auto"', None),
        ("compile = yes", "6:11 this is not TOML: yes is no value", "write true", "true"),
        ("seed = auto", "6:8 this is not TOML: auto is no value", "write an integer >= 0", None),
        ("precision = half", "6:13 this is not TOML: half is no value", 'write "float32", "bfloat16", "float16" or "auto"', None),
        ("steps = 1,000", "6:9 this is not TOML: 1,000 is no value", "write 1000: numbers have no commas", None),
        ("steps = 1k", "6:9 this is not TOML: 1k is no value", 'write an integer >= 1 or "auto"', None),
        ("steps = 010", "6:9 this is not TOML: 010 is no value", "write 10", "10"),
        ("clip = .5", "6:8 this is not TOML: .5 is no value", "write 0.5", "0.5"),
        ("clip = 1.", "6:8 this is not TOML: 1. is no value", "write 1.0", "1.0"),
        ("clip = -.5", "6:8 this is not TOML: -.5 is no value", "write a number > 0", None),
        ("learning_rate = 3e-4x", "6:17 this is not TOML: 3e-4x is no value", "write a number > 0", None),
        ("steps = 3;", "6:10 this is not TOML: ; ends no line of TOML", "remove it", ""),
        ("steps = 3, # three", "6:10 this is not TOML: , ends no line of TOML", "remove it", ""),
        ("steps = 3 4", "6:11 this is not TOML: 4 stands behind the value", "remove it, or begin a comment with #", None),
        ('precision = "bfloat16" // fast', "6:24 this is not TOML: // fast stands behind the value", "remove it, or begin a comment with #", None),
        ("steps =", "6:7 this is not TOML: steps has no value", 'write an integer >= 1 or "auto"', None),
        ("steps", "6:1 this is not TOML: steps has no value", 'write steps = VALUE (an integer >= 1 or "auto")', None),
        ("[train.lora", "6:1 this is not TOML: the name of a table is not closed", "write [train.lora]", None),
        ('precision = "bfloat16', "6:13 this is not TOML: the string is not closed", 'write "bfloat16"', None),
        ("precision = “bfloat16”", "6:13 this is not TOML: these quotes are not those of TOML", 'write "bfloat16"', '"bfloat16"'),
        ("“steps” = 3", "6:1 this is not TOML: “ cannot stand here", "names of keys are of the letters a to z, without quotes", None),
        ("// a note", "6:1 this is not TOML: a comment begins with #", "write # in front", None),
        ("lora.targets = [0..3]", "6:16 this is not TOML: [0..3] is no list", "write [0, 1, 2, 3]", "[0, 1, 2, 3]"),
        ("lora.targets = [1", "7:1 this is not TOML: unclosed array", "close it with ]", None),
        ("account = True", "6:11 this is not TOML: True is no value", "write true", None),
        ("???", "6:1 this is not TOML: invalid statement", 'a line is a table, [train], or a key: steps = 300, name = "text"', None),
    ],
    ids=lambda text: str(text)[:30],
)  # fmt: skip
def test_the_usual_slips_of_people_who_write_python_or_yaml(
    line: str, message: str, hint: str, fix: str | None
):
    text = HEAD + f"[train]\n{line}\n"
    assert problems(text) == [(message, hint)]
    assert fixes(text) == ([] if fix is None else [fix])


@pytest.mark.parametrize(
    ("line", "fix"),
    [
        ('steps = "10"', "10"),
        ('learning_rate = "3e-4"', "3e-4"),
        ('compile = "True"', "true"),
        ('clip = "none"', "{ unset = true }"),
        ("steps = 300.0", "300"),
        ('precision = "BFloat16"', '"bfloat16"'),
        ('micro_batch = "AUTO"', '"auto"'),
        ('precision = "half"', None),
        ('steps = "ten"', None),
        ('steps = "0"', None),
        ("clip = false", "{ unset = true }"),
        ("seed = false", None),
        ('compile = "yes"', "true"),
        ("compile = 0", "false"),
        ("compile = 2", None),
        ('steps = "10 steps"', "10"),
        ('steps = "10 rows"', None),
        ("steps = [10]", "10"),
        ('lora.targets = "q_proj"', '["q_proj"]'),
        ('lora.targets = ""', None),
        ('device = "cuda:0"', None),
        ('precision = "float64"', None),
        ('micro_batch = { auto = true, max = "8" }', "8"),
        ('precision = { auto = true, one_of = ["bf16", "float32"] }', '["bfloat16", "float32"]'),
        ('device = { auto = true, one_of = "cuda" }', '["cuda"]'),
        ("lr = 3e-4", "learning_rate"),
        ('lr = "high"', None),
        ("lora.rnak = 8", "rank"),
        ("max_steps = 10", "steps"),
        ("batch_size = 8", None),
    ],
)
def test_a_value_is_repaired_where_only_one_can_be_meant(line: str, fix: str | None):
    assert fixes(HEAD + f"[train]\n{line}\n") == ([] if fix is None else [fix])


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('name = "my run"', "a name of at most 64 letters a to z, digits, `.`, `_` and `-`"),
        ('data.digest = "md5:1"', 'sha256: and 64 hexadecimal digits or "auto"'),
        ('data.split = ""', "a string that is not empty"),
    ],
)
def test_a_string_of_the_wrong_kind_says_which_kind(line: str, expected: str):
    text = line + '\ndata.source = "d"\nmodel.teacher.source = "t"\n'
    [(message, _)] = problems(text)
    assert message.endswith(f"; expected {expected}")


@pytest.mark.parametrize(
    ("line", "message", "hint", "fix"),
    [
        ('paths.output = "/x"', 'paths.output is the string "/x"; expected a list of strings that are not empty or "auto"', 'it is a list: write ["/x"]', '["/x"]'),
        ("model.student.layers = 3", "model.student.layers is the number 3; expected a list of integers >= 0", "it is a list: write [3]", "[3]"),
        ('model.student.layers = "0, 2"', 'model.student.layers is the string "0, 2"; expected a list of integers >= 0', "it is a list: write [0, 2]", "[0, 2]"),
        ('model.student.layers = ["0", "2"]', 'model.student.layers is the list ["0", "2"]; expected a list of integers >= 0', "write [0, 2]", "[0, 2]"),
        ("model.student.layers = [-1]", "model.student.layers is the list [-1]; expected a list of integers >= 0", None, None),
        ('scheduler.memory_bytes = "16GiB"', 'scheduler.memory_bytes is the string "16GiB"; expected an integer >= 1 or "auto"', "write 17179869184: it counts bytes", "17179869184"),
        ('scheduler.walltime_s = "1-12:00:00"', 'scheduler.walltime_s is the string "1-12:00:00"; expected an integer >= 60 or "auto"', "write 129600: it counts seconds", "129600"),
        ('scheduler.walltime_s = "1h 30m"', 'scheduler.walltime_s is the string "1h 30m"; expected an integer >= 60 or "auto"', "write 5400: it counts seconds", "5400"),
        ('scheduler.walltime_s = "12:30"', 'scheduler.walltime_s is the string "12:30"; expected an integer >= 60 or "auto"', None, None),
        ("scheduler.walltime_s = 12:00:00", 'scheduler.walltime_s is the time 12:00:00; expected an integer >= 60 or "auto"', "write 43200: it counts seconds", "43200"),
        ("software.torch = 2.10", 'software.torch is the number 2.1; expected a word of letters, digits and `_.:@/+-` or "auto"', "put it in quotes", None),
        ('model.teacher.quantization = "int4"', 'model.teacher.quantization is the string "int4"; expected "none", "int8" or "nf4"', None, None),
        ('name = "my run"', 'name is the string "my run"; expected a name of at most 64 letters a to z, digits, `.`, `_` and `-`', 'write for example "my-run"', None),
    ],
    ids=lambda text: str(text)[:36],
)  # fmt: skip
def test_lists_sizes_times_and_versions(line: str, message: str, hint: str | None, fix: str | None):
    text = line + '\ndata.source = "d"\nmodel.teacher.source = "t"\n'
    told = problems(text)
    assert [(it.partition(" ")[2], way) for it, way in told] == [(message, hint)]
    assert fixes(text) == ([] if fix is None else [fix])


def test_a_text_that_is_too_long_says_how_long():
    [(message, hint)] = problems(HEAD + f'prompt = "{"x" * 5000}"\n')
    assert (
        message
        == f'5:10 data.prompt is the string "{"x" * 57}..."; expected a string that is not empty'
    )
    assert hint == "it has 5000 characters; at most 4096 are taken"


def test_a_path_of_windows_is_written_as_it_is():
    assert problems('[data]\nsource = "C:\\data"\n') == [
        (
            "2:10 this is not TOML: a backslash in a string means something else",
            "write 'C:\\data'",
        )
    ]


def test_a_number_that_toml_does_not_have():
    assert problems(HEAD + "[train]\nsteps = 99999999999999999999\n") == [
        (
            '6:9 train.steps is the number 99999999999999999999; expected an integer >= 1 or "auto"',
            "a TOML integer has 64 bits",
        )
    ]


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["train.steps=5", "train.steps=6"], "--set train.steps is given twice"),
        (["=5"], "--set =5 has no key; expected KEY=VALUE"),
    ],
)
def test_settings_that_cannot_be_meant(texts: list[str], message: str):
    with pytest.raises(KavaError) as caught:
        parse_settings(texts)
    assert str(caught.value) == message


def test_the_mark_is_as_wide_as_what_it_marks():
    """A Chinese character has two columns in a terminal."""
    with pytest.raises(KavaError) as caught:
        parse_spec(HEAD + 'split = { a = "日本", b = 3 }\n', "kava.toml", set={})
    pen = Pen(io.StringIO(), {"NO_COLOR": "1"})
    assert problem_text(caught.value.problems[0], pen) == (
        "error[KV0106]: data.split is a table; expected a string that is not empty\n"
        "  --> kava.toml:5:9\n"
        '   5 | split = { a = "日本", b = 3 }\n'
        "     |         ^^^^^^^^^^^^^^^^^^^^^"
    )
