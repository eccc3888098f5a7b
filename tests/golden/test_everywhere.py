"""The golden locks have the same bytes under every locale, hash seed and Python.

Other Pythons are those that `KAVASPEC_PYTHONS` names (a list like PATH's): each needs kavaspec and
its dependencies, without the extras. `scripts/pythons` makes them and runs this file.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).with_name("again.py")


LOCALES = ("C", "POSIX", "C.UTF-8", "tr_TR.UTF-8", "de_DE.UTF-8")
"""Turkish has its own lower case of I; German writes 1,5."""


def kept() -> dict[str, str]:
    """What a program needs of this environment; nothing of it is a locale that is set."""
    return {name: os.environ[name] for name in ("PATH", "HOME", "LOCPATH") if name in os.environ}


def lock_all(python: str, **env: str) -> str:
    ran = subprocess.run(
        [python, "-P", str(SCRIPT)],
        env={**kept(), **env},
        capture_output=True,
        encoding="utf-8",
        cwd="/",
    )
    return ran.stdout + ran.stderr


@pytest.mark.parametrize("seed", range(10))
def test_under_every_hash_seed(seed: int):
    assert lock_all(sys.executable, PYTHONHASHSEED=str(seed)) == "10 of 10 the same\n"


@pytest.mark.parametrize("locale", LOCALES)
def test_under_every_locale(locale: str):
    """Where one is not installed, Python falls back to C: what a user without it gets."""
    asks = "import locale; print(locale.setlocale(locale.LC_ALL, ''))"
    env = kept() | {"LANG": locale, "LC_ALL": locale}
    there = subprocess.run([sys.executable, "-c", asks], env=env, capture_output=True).returncode
    print(f"{locale} is {'not installed: only the variable is set' if there else 'installed'}")
    said = lock_all(sys.executable, LANG=locale, LC_ALL=locale, PYTHONHASHSEED="7")
    assert said == "10 of 10 the same\n"


def pythons() -> list[str]:
    named = os.environ.get("KAVASPEC_PYTHONS", "")
    return [sys.executable, *filter(None, named.split(os.pathsep))]


@pytest.mark.parametrize("python", pythons())
def test_under_every_python(python: str):
    version = subprocess.run([python, "-V"], capture_output=True, text=True, check=True).stdout
    assert re.fullmatch(r"Python 3\.1[1-9]\.\d+\n", version)
    assert lock_all(python, PYTHONHASHSEED="0") == "10 of 10 the same\n"
