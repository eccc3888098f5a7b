"""kava.toml in, a Spec out; or every problem of the file, each at its place."""

from __future__ import annotations

from pathlib import Path

import pytest

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
        ("train.lora = 3", "5:14 train.lora is the number 3; expected a table", "write [train.lora]"),
        ("train.learning_rate = nan", "5:23 train.learning_rate is the number nan; expected a number > 0", None),
        ("train.steps = 2024-01-01", '5:15 train.steps is the date 2024-01-01; expected an integer >= 1 or "auto"', None),
        ("train.micro_batch = { auto = true, mx = 8 }", "5:36 train.micro_batch: mx is not a limit of auto", "did you mean max?"),
        ('train.micro_batch = { auto = true, max = "8" }', '5:42 train.micro_batch: max is the string "8"; expected an integer', "leave max out"),
        ('train.precision = { auto = true, one_of = ["bf16"] }', '5:43 train.precision: one_of is a list; the string "bf16" is not "float32", "bfloat16" or "float16"', "leave one_of out"),
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
    assert message == "data.source is missing"
    assert hint is not None
    assert hint.startswith(
        "add to [data]:  source = ...   # Where to find it: `builtin:arithmetic`"
    )


def test_a_key_of_another_objective_is_refused():
    text = '[data]\nsource = "d"\n[objective]\nkind = "ce"\n[objective.kv]\nloss = "mse"\n'
    assert problems(text) == [
        ('6:1 objective.kv.loss means nothing with objective.kind = "ce"', "remove it")
    ]


def test_text_that_is_not_toml_is_shown_where_it_breaks():
    [(message, _)] = problems('[data]\nsource = "d\n')
    assert message.startswith("2:12 this is not TOML: ")


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
    assert caught.value.problems[0].hint == (
        "write one with `kavaspec init`, or name it: `kavaspec lock PATH`"
    )


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
    ("text", "message"),
    [
        ("[train]\nsteps = 1\n\nsteps = 2\n", "8:1 train.steps is given twice: here and at kava.toml:6:1"),
        ("[train]\nsteps = 1\n[train]\nseed = 2\n", "7:2 train is given twice: here and at kava.toml:5:2"),
        ("train.a = 1\nlora = { rank = 1, rank = 2 }\n", "6:20 data.lora.rank is given twice: here and at kava.toml:6:10"),
    ],
    ids=["key", "table", "inline"],
)  # fmt: skip
def test_what_is_given_twice_is_named_with_both_places(text: str, message: str):
    assert problems(HEAD + text) == [(message, "keep one of them")]


@pytest.mark.parametrize(
    ("line", "message", "hint", "fix"),
    [
        ("compile = True", "6:11 this is not TOML: True is no value", "write true", "true"),
        ("clip = None   # no limit", "6:8 this is not TOML: None is no value", "write { unset = true }", "{ unset = true }"),
        ("steps = None", "6:9 this is not TOML: None is no value", "leave the key out", None),
        ("precision = bfloat16", "6:13 this is not TOML: bfloat16 is no value", 'put it in quotes: "bfloat16"', '"bfloat16"'),
        ("precision = bf16", "6:13 this is not TOML: bf16 is no value", 'put it in quotes: "bf16"', None),
        ("micro_batch = auto", "6:15 this is not TOML: auto is no value", 'put it in quotes: "auto"', '"auto"'),
        ("steps: 3", "6:6 this is not TOML: expected '=' after a key in a key/value pair", "write KEY = VALUE", None),
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
    ],
)
def test_a_value_is_repaired_where_only_one_can_be_meant(line: str, fix: str | None):
    assert fixes(HEAD + f"[train]\n{line}\n") == ([] if fix is None else [fix])


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('name = "my run"', "a name of at most 64 letters, digits, `.`, `_` and `-`"),
        ('data.digest = "md5:1"', 'sha256: and 64 hexadecimal digits or "auto"'),
        ('data.split = ""', "a string that is not empty"),
    ],
)
def test_a_string_of_the_wrong_kind_says_which_kind(line: str, expected: str):
    text = line + '\ndata.source = "d"\nmodel.teacher.source = "t"\n'
    [(message, _)] = problems(text)
    assert message.endswith(f"; expected {expected}")


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
