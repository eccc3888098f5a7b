"""Lock the default spec for every example machine once more; say which locks come out otherwise.

python tests/golden/again.py
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]

from golden import MACHINES, compile_for, golden  # noqa: E402

differ = []
for machine in MACHINES:
    with tempfile.TemporaryDirectory() as folder:
        text = compile_for(machine, Path(folder), recall=True).text
    if text.encode() != golden(machine).read_bytes():
        differ.append(machine)
print(f"{len(MACHINES) - len(differ)} of {len(MACHINES)} the same", *differ)
sys.exit(bool(differ))
