"""The dashboard in a real terminal: started, used, resized, left."""

import os
import shlex
import shutil
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest

from tests.tui import made_up

ROOT = Path(__file__).parents[2]
PATIENCE_S = 60.0

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        shutil.which("tmux") is None and not os.environ.get("CI"),
        reason="tmux is not installed (on CI that is a failure)",
    ),
]
DECISIONS = """
from kavaspec_tui.app import Dashboard
from tests.tui import made_up
Dashboard(decisions={"here": made_up.explanations()}, title="kava.lock").run()
"""
RUN = """
import sys
from pathlib import Path
from kavaspec_tui.app import can_draw, open_run
assert can_draw({}) is None
open_run(Path(sys.argv[1]), None)
"""


class Terminal:
    """One tmux server of our own, with one window."""

    def __init__(self, width: int, height: int, environment: dict[str, str]) -> None:
        self.socket = f"kavaspec-{uuid.uuid4().hex[:12]}"
        self.environment = {
            **os.environ,
            "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tui'}",
            **environment,
        }
        self.tmux(
            "-f",
            os.devnull,
            "new-session",
            "-d",
            "-s",
            "kava",
            "-x",
            str(width),
            "-y",
            str(height),
            "sh",
        )
        self.wait_for("$", "#")

    def tmux(self, *words: str) -> str:
        done = subprocess.run(
            ["tmux", "-L", self.socket, *words],
            env={**self.environment, "TMUX": ""},
            capture_output=True,
            encoding="utf-8",
            check=True,
        )
        return done.stdout

    def python(self, code: str, *arguments: str) -> None:
        """Run it, then say with which code it ended and whether the terminal is as it was."""
        command = shlex.join([sys.executable, "-c", code.strip(), *arguments])
        after = 'test "$(stty -g)" = "$(cat before)" && echo as before'
        self.type(f"stty -g > before; clear; {command}; echo left with $?; {after}")

    def type(self, text: str) -> None:
        self.tmux("send-keys", "-t", "kava", "-l", text)
        self.press("Enter")

    def press(self, *keys: str) -> None:
        self.tmux("send-keys", "-t", "kava", *keys)

    def resize(self, width: int, height: int) -> None:
        self.tmux("resize-window", "-t", "kava", "-x", str(width), "-y", str(height))

    def text(self) -> str:
        return self.tmux("capture-pane", "-p", "-t", "kava")

    def wait_for(self, *any_of: str) -> str:
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            text = self.text()
            if any(one in text for one in any_of):
                return text
            time.sleep(0.05)
        raise AssertionError(f"{any_of} did not appear in\n{self.text()}")

    def close(self) -> None:
        self.tmux("kill-server")


@pytest.fixture
def terminal(tmp_path, monkeypatch):
    opened = []
    monkeypatch.chdir(tmp_path)

    def open_one(width: int, height: int, **environment: str) -> Terminal:
        values = {"LC_ALL": "C.UTF-8", "TERM": "xterm-256color", "COLORTERM": "truecolor"}
        opened.append(Terminal(width, height, values | environment))
        return opened[-1]

    yield open_one
    for one in opened:
        one.close()


def test_decisions_at_80x24_then_wide(terminal):
    one = terminal(80, 24)
    one.python(DECISIONS)
    text = one.wait_for("107 decisions")
    assert len(text.splitlines()) <= 24
    assert "R data.digest" in text
    one.press("/")
    one.wait_for("key, value, rule")
    one.press("m", "i", "c", "r", "o", "Enter")
    one.wait_for("train.micro_batch = 8")
    one.resize(140, 40)
    wide = one.wait_for("from        train.global_batch = 32, spec")
    side_by_side = next(line for line in wide.splitlines() if "~R train.micro_batch" in line)
    assert "Rows that one process computes at once." in side_by_side
    one.press("q")
    one.wait_for("left with 0")
    one.wait_for("as before")


def test_a_run_is_followed_while_it_grows(terminal, tmp_path):
    moved = time.time() - made_up.T0 - 60

    def lines(upto: float):
        return [
            type(line)(seq=line.seq, t=line.t + moved, event=line.event)
            for line in made_up.lines(upto=upto)
        ]

    folder = made_up.run_folder(tmp_path / "kava", lines(60))
    one = terminal(100, 30)
    one.python(RUN, str(folder))
    one.wait_for("280/600")
    assert any("⠀" < character <= "⣿" for character in one.text())
    with (folder / "events.jsonl").open("a", encoding="utf-8", newline="\n") as file:
        file.write(made_up.written(lines(61)[len(lines(60)) :]))
    one.wait_for("285/600")
    one.resize(20, 5)
    one.wait_for("LIVE", "SLOW", "SILENT")
    one.resize(80, 24)
    one.press("z", "x", "h")
    one.wait_for("Robust range")
    one.press("Escape")  # alone: followed at once by a letter it would be alt and that letter
    one.wait_for("x time", "x tokens")
    one.press("q")
    one.wait_for("left with 0")
    one.wait_for("as before")


def test_a_terminal_of_another_locale_gets_ascii(terminal, tmp_path):
    folder = made_up.run_folder(tmp_path / "kava")
    one = terminal(80, 24, LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    one.python(RUN, str(folder))
    text = one.wait_for("600/600")
    assert "\\u" not in text
    assert text.isascii()
    one.press("q")
    one.wait_for("left with 0")


def test_a_hang_up_ends_the_dashboard(terminal, tmp_path):
    folder = made_up.run_folder(tmp_path / "kava")
    one = terminal(80, 24)
    pid = tmp_path / "pid"
    code = f"import os; open({str(pid)!r}, 'w').write(str(os.getpid()))\n{RUN.strip()}"
    one.python(code, str(folder))
    one.wait_for("600/600")
    one.tmux("kill-session", "-t", "kava")
    end = time.monotonic() + PATIENCE_S
    while _lives(int(pid.read_text())):
        assert time.monotonic() < end, "it still runs"
        time.sleep(0.05)
    one.tmux(
        "-f", os.devnull, "new-session", "-d", "-s", "kava"
    )  # so that the fixture can close it


def _lives(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"
