import os
import time

import pytest


@pytest.fixture(autouse=True)
def frozen(monkeypatch):
    """The same clock, time zone and colours on every machine."""
    monkeypatch.setattr(time, "localtime", time.gmtime)
    monkeypatch.setenv("TEXTUAL_ANIMATIONS", "none")
    for name in ("NO_COLOR", "SSH_CONNECTION", "KAVASPEC_A11Y"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def golden():
    """Compare with a file beside the tests; `UPDATE_GOLDEN=1` writes it."""

    def compare(name: str, text: str) -> None:
        path = os.path.join(os.path.dirname(__file__), "golden", f"{name}.txt")
        if os.environ.get("UPDATE_GOLDEN"):
            with open(path, "w", encoding="utf-8", newline="\n") as file:
                file.write(text)
        with open(path, encoding="utf-8") as file:
            assert text == file.read()

    return compare
