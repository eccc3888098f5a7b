"""How many examples were tried: said at the end, where more than the usual effort was asked for."""

from __future__ import annotations

import pytest

from tests.effort import effort
from tests.properties.commands import TRIED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if TRIED and effort(100) > 100:
        terminalreporter.section("commands tried")
        for name, count in sorted(TRIED.items()):
            terminalreporter.line(f"{count:8} {name}")
        terminalreporter.line(f"{TRIED.total():8} in all")
