import io
import subprocess
import sys

import pytest

from kavaspec_tui import terminal


class Stream(io.StringIO):
    def __init__(self, tty, encoding="utf-8"):
        super().__init__()
        self.tty, self.named = tty, encoding

    def isatty(self):
        return self.tty

    @property
    def encoding(self):
        return self.named


@pytest.fixture
def streams(monkeypatch):
    def replace(stdin=True, stdout=True, stderr=True, encoding="utf-8"):
        monkeypatch.setattr(sys, "__stdin__", Stream(stdin))
        monkeypatch.setattr(sys, "__stdout__", Stream(stdout))
        monkeypatch.setattr(sys, "__stderr__", Stream(stderr, encoding))

    return replace


def test_a_terminal_can_be_drawn_on(streams):
    streams()
    assert terminal.can_draw({"TERM": "xterm"}) is None


@pytest.mark.parametrize("name", ["input", "output", "error"])
def test_a_redirected_stream_is_named(streams, name):
    streams(**{{"input": "stdin", "output": "stdout", "error": "stderr"}[name]: False})
    assert terminal.can_draw({}) == f"standard {name} is not a terminal"


def test_a_dumb_terminal_and_a_wish_for_text(streams):
    streams()
    assert terminal.can_draw({"TERM": "dumb"}) == "TERM=dumb: this terminal cannot move its cursor"
    assert (
        terminal.can_draw({"KAVASPEC_A11Y": "1"})
        == "KAVASPEC_A11Y is set: plain text was asked for"
    )


def test_a_closed_stream_is_no_terminal(streams):
    streams()
    sys.__stdin__.close()
    sys.__stdin__.isatty = lambda: io.StringIO.isatty(sys.__stdin__)
    assert terminal.can_draw({}) == "standard input is not a terminal"


@pytest.mark.parametrize(
    ("encoding", "ascii_only"),
    [("utf-8", False), ("UTF8", False), ("ascii", True), ("latin-1", True)],
)
def test_only_a_unicode_locale_gets_more_than_ascii(streams, encoding, ascii_only):
    streams(encoding=encoding)
    assert terminal.is_ascii_only() is ascii_only


def test_over_ssh_half_as_many_refreshes():
    assert terminal.refresh_hz({}) == 2 * terminal.refresh_hz({"SSH_CONNECTION": "1.2.3.4"})


@pytest.mark.parametrize("module", ["state", "views.run", "views.decisions", "plain", "live"])
def test_everything_but_the_screens_works_without_textual(module):
    code = f"import sys, kavaspec_tui.{module}; sys.exit('textual' in sys.modules or 'torch' in sys.modules)"
    path = [entry for entry in sys.path if entry]
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:0] = {path!r}; {code}"], check=False
    )
    assert done.returncode == 0
