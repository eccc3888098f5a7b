"""The recipes of docs/ci.md are YAML, and every kavaspec command in them is a command."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import yaml

from kavaspec.cli import COMMANDS, main

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/ci.md").read_text(encoding="utf-8")
RECIPES = re.findall(r"```yaml\n(.*?)```", PAGE, flags=re.DOTALL)
HOOKS = (ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8")


def test_there_are_recipes():
    assert len(RECIPES) == 3


@pytest.mark.parametrize("text", [*RECIPES, HOOKS], ids=["github", "gitlab", "config", "hooks"])
def test_a_recipe_is_yaml(text: str):
    assert yaml.safe_load(text)


@pytest.mark.parametrize(
    "line", re.findall(r"(?m)(?:entry: |- run: |- |^ +)(kavaspec (?:check|diff).*)$", PAGE + HOOKS)
)
def test_every_command_exists_with_its_options(line: str, capsys: pytest.CaptureFixture[str]):
    words = shlex.split(re.split(r"\|\||>", line)[0])
    assert words[1] in COMMANDS
    assert main([words[1], "--help"]) == 0
    known = capsys.readouterr().out
    assert [word for word in words if word.startswith("--") and word not in known] == []


def test_the_hook_of_the_page_is_the_hook_of_the_repository():
    [ours] = yaml.safe_load(HOOKS)
    [theirs] = yaml.safe_load(RECIPES[2])["repos"][0]["hooks"]
    same = ("id", "entry", "files", "require_serial")
    assert {key: ours[key] for key in same} == {key: theirs[key] for key in same}
