"""How long property tests look: `KAVASPEC_EFFORT=50` tries fifty times as many examples."""

import os


def effort(examples: int) -> int:
    """The number of examples to try."""
    return int(examples * float(os.environ.get("KAVASPEC_EFFORT", "1")))
