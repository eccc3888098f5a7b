"""The documents tell the truth: links lead somewhere, sessions run again, every code and command is named."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
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
    assert {int(code) for code in Exit} <= told


def test_every_command_is_in_the_readme():
    assert [name for name in COMMANDS if f"kavaspec {name}" not in README] == []


SESSION = re.compile(
    r"<!-- again( in a copy of)?: (\S+) -->\n```console\n(.*?)```", flags=re.DOTALL
)


@dataclass(frozen=True, kw_only=True)
class Session:
    """One ```console block of a page, with the folder in which its commands run again."""

    page: Path
    folder: str
    copied: bool
    """Whether it runs in a throw-away copy, where any command is welcome."""
    text: str

    @property
    def name(self) -> str:
        return f"{self.page.stem}: {self.text.splitlines()[0][2:50]}"


SESSIONS = [
    Session(page=page, folder=folder, copied=bool(copied), text=text)
    for page in PAGES
    for copied, folder, text in SESSION.findall(page.read_text(encoding="utf-8"))
]


def test_there_are_sessions():
    assert len([session for session in SESSIONS if session.page.name == "README.md"]) >= 2


@pytest.mark.parametrize(
    "session",
    [
        pytest.param(it, marks=pytest.mark.slow if "kavaspec lock" in it.text and it.copied else ())
        for it in SESSIONS
    ],
    ids=lambda session: session.name,
)
def test_sessions_print_the_same_again(
    session: Session,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
):
    """`<!-- again: FOLDER -->` before a session: its commands print exactly this in that folder.

    With UPDATE_DOCS=1 the page is written anew instead.
    """
    if session.copied:
        shutil.copytree(ROOT / session.folder, tmp_path / "here")
        printed = _in_a_shell(session.text, tmp_path / "here")
    else:
        monkeypatch.chdir(ROOT / session.folder)
        monkeypatch.setenv("NO_COLOR", "1")
        printed = _in_this_process(session.text, capsys)
    if os.environ.get("UPDATE_DOCS"):
        page = session.page.read_text(encoding="utf-8")
        session.page.write_text(page.replace(session.text, printed), encoding="utf-8")
    else:
        assert printed == session.text


def _in_this_process(text: str, capsys: pytest.CaptureFixture[str]) -> str:
    """Only `kavaspec` commands, which may not write: the folder is the repository's own."""
    printed = ""
    for command in re.findall(r"^\$ kavaspec (.+)$", text, flags=re.MULTILINE):
        main(shlex.split(command))
        captured = capsys.readouterr()
        printed += f"$ kavaspec {command}\n{captured.out}{captured.err}"
    return printed


def _in_a_shell(text: str, folder: Path) -> str:
    """Every `$ ` line in turn, by one bash, as a reader would type them."""
    commands = re.findall(r"^\$ (.+)$", text, flags=re.MULTILINE)
    script = "\n".join(f"printf '%s\\n' {shlex.quote('$ ' + line)}\n{line}" for line in commands)
    kavaspec = f'kavaspec() {{ {shlex.quote(sys.executable)} -m kavaspec "$@"; }}\n'
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder.parent),
        "NO_COLOR": "1",
        "LC_ALL": "C.UTF-8",
        "PYTHONPATH": os.pathsep.join(str(ROOT / part) for part in ("", "runtime", "tui")),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_AUTHOR_NAME": "Ada",
        "GIT_AUTHOR_EMAIL": "ada@example.org",
        "GIT_COMMITTER_NAME": "Ada",
        "GIT_COMMITTER_EMAIL": "ada@example.org",
        "GIT_AUTHOR_DATE": "2026-01-01T00:00:00Z",
        "GIT_COMMITTER_DATE": "2026-01-01T00:00:00Z",
    }
    done = subprocess.run(  # the script is a page of this repository
        ["bash", "-c", kavaspec + script],
        cwd=folder,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        timeout=300,
    )
    return done.stdout.decode()


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
