"""`python -m kavaspec` is `kavaspec`."""

from __future__ import annotations

import sys

from kavaspec.cli import main

if __name__ == "__main__":
    sys.exit(main())
