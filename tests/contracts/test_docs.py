"""The documents tell the truth: links lead somewhere, sessions run again, every code and command is named."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from kavaspec.cli import COMMANDS, main
from kavaspec.errors import Exit
from kavaspec.spec.model import SpecModel

ROOT = Path(__file__).parents[2]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("docs/**/*.md"))]
README = (ROOT / "README.md").read_text(encoding="utf-8")
ARCHITECTURE = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path):
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8")):
        if not target.startswith(("http://", "https://")):
            assert (page.parent / target).exists(), target


def test_every_test_and_file_that_the_architecture_names_exists():
    named = re.findall(r"`((?:tests|kavaspec|runtime|tui)/[\w./-]+\.(?:py|json))`", ARCHITECTURE)
    assert len(named) > 15
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_every_exit_code_is_in_the_readme():
    rows = dict(re.findall(r"^\| (\d+) \| (.+?) \|$", README, flags=re.MULTILINE))
    told = {int(code) for code in rows}
    assert {int(code) for code in Exit} - {10, 11, 12} <= told


def test_every_command_is_in_the_readme():
    assert [name for name in COMMANDS if f"kavaspec {name}" not in README] == []


SESSIONS = re.findall(r"<!-- again: (\S+) -->\n```console\n(.*?)```", README, flags=re.DOTALL)


def test_there_are_sessions():
    assert len(SESSIONS) >= 2


@pytest.mark.parametrize(("folder", "session"), SESSIONS, ids=lambda text: text[:20])
def test_sessions_print_the_same_again(
    folder: str, session: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    """`<!-- again: FOLDER -->` before a session: its commands print exactly this in that folder."""
    monkeypatch.chdir(ROOT / folder)
    monkeypatch.setenv("NO_COLOR", "1")
    printed = ""
    for command in re.findall(r"^\$ kavaspec (.+)$", session, flags=re.MULTILINE):
        main(shlex.split(command))
        captured = capsys.readouterr()
        printed += f"$ kavaspec {command}\n{captured.out}{captured.err}"
    assert printed == session


def test_the_first_rule_of_the_guide_is_a_rule():
    """The code in CONTRIBUTING compiles and decides what it says."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^ {3}```python\n(.*?)^ {3}```", text, flags=re.DOTALL | re.MULTILINE)
    [code] = [block for block in blocks if "RULE = Rule(" in block]
    scope: dict[str, object] = {}
    exec(re.sub(r"^ {3}", "", code, flags=re.MULTILINE), scope)
    rule = scope["RULE"]
    assert rule.decide("cuda").value is True  # type: ignore[attr-defined]
    assert rule.decide("cpu").value is False  # type: ignore[attr-defined]


def test_the_spec_that_init_writes_and_the_default_name_only_keys():
    from kavaspec.cli.init import START
    from kavaspec.spec.load import parse_spec

    for text in (START, (ROOT / "kava.toml").read_text(encoding="utf-8")):
        assert parse_spec(text, "kava.toml", set={}).experiment
    assert SpecModel.model_fields


@pytest.mark.parametrize("lock", sorted(ROOT.glob("examples/**/*.lock")), ids=lambda it: it.stem)
def test_every_lock_that_is_shown_is_fresh(lock: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["check", str(lock)]) == 0, capsys.readouterr().out
