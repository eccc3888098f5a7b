"""Numbers as people read them: 312k, 71.2 GiB, 2h10m."""

from __future__ import annotations

import math

BYTES = frozenset({"B", "byte", "bytes"})
SECONDS = frozenset({"s", "second", "seconds"})


def si(value: float, digits: int = 4) -> str:
    """Four significant digits and a decimal prefix: `8260` is `8.26k`, `0.00024` is `2.4e-4`."""
    if not math.isfinite(value):
        return "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"
    if value == 0:
        return "0"
    for factor, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= factor:
            return f"{value / factor:.{digits}g}{letter}"
    return f"{value:.{digits}g}" if abs(value) >= 1e-3 else _scientific(value, digits)


def count(value: int) -> str:
    """A whole number with thin groups: `20 000`. Exact, unlike `si`."""
    return f"{value:,}".replace(",", " ")


def size(n_bytes: float) -> str:
    """Binary sizes, as memory and files are counted: `71.2 GiB`."""
    for exponent, unit in ((4, "TiB"), (3, "GiB"), (2, "MiB"), (1, "KiB")):
        if abs(n_bytes) >= 1024**exponent:
            return f"{n_bytes / 1024**exponent:.3g} {unit}"
    return f"{n_bytes:.0f} B"


def grain(largest: float, unit: str) -> float:
    """What round numbers are round in: GiB for large sizes, otherwise 1."""
    if unit not in BYTES or largest < 1024:
        return 1.0
    return float(1024 ** min(int(math.log(largest, 1024)), 4))


def duration(seconds: float) -> str:
    """Two units at most: `45s`, `3m20s`, `2h10m`, `1d04h`."""
    if seconds < 0:
        return f"-{duration(-seconds)}"
    if not math.isfinite(seconds):
        return "?"
    whole = round(seconds)
    if whole >= 86_400:
        return f"{whole // 86_400}d{whole % 86_400 // 3600:02}h"
    if whole >= 3600:
        return f"{whole // 3600}h{whole % 3600 // 60:02}m"
    return f"{whole // 60}m{whole % 60:02}s" if whole >= 60 else f"{whole}s"


def seconds(value: float) -> str:
    """A short time with its fraction, a long one without: `0.31 s`, `2m05s`."""
    return duration(value) if value >= 10 else f"{value:.2g} s"


def quantity(value: float, unit: str) -> str:
    """A metric's value in its declared unit."""
    if unit in BYTES and math.isfinite(value):
        return size(value)
    if unit in SECONDS and math.isfinite(value):
        return seconds(value)
    return si(value)


def _scientific(value: float, digits: int) -> str:
    mantissa, _, exponent = f"{value:.{digits - 1}e}".partition("e")
    return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"
