"""The line that decides a key by hand: it stands where the spec has the table, in whatever way it has it."""

import pytest
import tomli

from kavaspec.paste import paste
from kavaspec.spec.load import parse_spec

START = """\
name = "demo"

model.student.source = "builtin:tiny-student"
model.student.init = "random"
objective.kind = "ce"
data = { source = "builtin:arithmetic" }
"""


def pasted(text, key, value, target=None):
    spec = parse_spec(START + text, "kava.toml", set={})
    way = paste(spec, key, value, target=target)
    return way, way.into(spec.text)


@pytest.mark.parametrize(
    ("text", "key", "value", "line", "at"),
    [
        ("[train]\nsteps = 5\n", "train.threads", 4, "threads = 4", "under [train], kava.toml:7"),
        ("[train]\nsteps = 5\n", "train.steps", 9, "steps = 9", "instead of kava.toml:8"),
        ("[train]\nsteps = 5 # five\n", "train.steps", 9, "steps = 9", "instead of kava.toml:8"),
        ("", "train.threads", 4, "[train]\nthreads = 4", "at the end of kava.toml"),
        (
            "[train.lora]\nrank = 2\n",
            "train.threads",
            4,
            "[train]\nthreads = 4",
            "at the end of kava.toml",
        ),
        (
            "[train]\nlora.rank = 2\n",
            "train.lora.alpha",
            8.0,
            "lora.alpha = 8.0",
            "beside kava.toml:8",
        ),
        ("", "model.student.layers", (0, 1), "model.student.layers = [0, 1]", "beside kava.toml:3"),
        ("", "train.clip", None, "[train]\nclip = { unset = true }", "at the end of kava.toml"),
        ("", "data.window", 4, "--set data.window=4", "on the command line of lock"),
        ("", "name", "x", 'name = "x"', "instead of kava.toml:1"),
        (
            "[train]\nlora.targets = [\n  'a',\n  'b',\n]\nsteps = 5\n",
            "train.lora.targets",
            ("c",),
            'lora.targets = ["c"]',
            "instead of kava.toml:8",
        ),
    ],
    ids=lambda value: str(value)[:30].replace("\n", " "),
)
def test_the_line_and_its_place(text, key, value, line, at):
    way, _ = pasted(text, key, value)
    assert (way.text, way.at) == (line, at)


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("[train]\nsteps = 5\n", "train.threads", 4),
        ("[train]\nsteps = 5", "eval.every", 4),
        ("[train]\nlora.rank = 2\n", "train.lora.alpha", 8.0),
        ("[train]\nlora.targets = [\n  'a',\n  'b',\n]\nsteps = 5\n", "train.lora.targets", ("c",)),
    ],
)
def test_the_spec_then_says_this_and_nothing_else(text, key, value):
    _, after = pasted(text, key, value)
    spec = parse_spec(after, "kava.toml", set={})
    before = parse_spec(START + text, "kava.toml", set={})
    for name in (*spec.experiment, *spec.targets["here"].asked):
        said = spec.asked(name, "here")
        assert said == before.asked(name, "here") or (name, said.value, said.by) == (
            key,
            value,
            "spec",
        )


def test_with_several_targets_only_the_one_is_decided():
    text = '[targets.a]\nfacts = "a.yaml"\n\n[targets."b.c"]\nfacts = "b.yaml"\n'
    way, after = pasted(text, "train.threads", 4, target="b.c")
    assert way.text == '[targets."b.c".train]\nthreads = 4'
    assert tomli.loads(after)["targets"]["b.c"]["train"] == {"threads": 4}
    spec = parse_spec(after, "kava.toml", set={})
    assert spec.asked("train.threads", "a").auto
    assert spec.asked("train.threads", "b.c").by == "target"


def test_without_a_text_there_is_no_place():
    spec = parse_spec(START, "kava.toml", set={})
    object.__setattr__(spec, "text", "")
    way = paste(spec, "train.threads", 4, target=None)
    assert (way.text, way.at, way.lines) == ("[train]\nthreads = 4", "in kava.toml", None)
    assert way.into("anything") == "anything"
