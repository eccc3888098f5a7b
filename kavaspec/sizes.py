"""Sizes and times as people write and read them: `24GiB`, `16GB`, `79.1 GiB`, `4h`."""

from __future__ import annotations

import re

from kavaspec.plain import Plain, show

_BYTES: dict[str, int] = {
    "B": 1,
    **{f"{letter}iB": 1024**power for power, letter in enumerate("KMGT", 1)},
    **{f"{letter}B": 1000**power for power, letter in enumerate("kMGT", 1)},
    "KB": 1000,
}
_SIZE = re.compile(r"(\d{1,15}(?:\.\d{1,15})?)\s*([KMGT]iB|[kKMGT]?B)")


def read_bytes(text: str) -> int | None:
    """`80GiB` or `16GB` as a number of bytes, or None when it is not a size."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        return None
    whole, _, part = match[1].partition(".")
    scale = int("1" + "0" * len(part))
    return (int(whole + part) * _BYTES[match[2]] + scale // 2) // scale


_CLOCK = re.compile(r"(?:(\d{1,4})-)?(\d{1,5}):([0-5]\d):([0-5]\d)")
_TIMES = re.compile(
    r"(?:(\d{1,5})\s*d\w*)?\s*(?:(\d{1,6})\s*h\w*)?\s*(?:(\d{1,7})\s*m\w*)?\s*(?:(\d{1,9})\s*s\w*)?"
)


def read_seconds(text: str) -> int | None:
    """`12:00:00`, `1-00:00:00` or `1h 30m` in seconds, or None. `12:30` may be either, so it is none."""
    match = _CLOCK.fullmatch(text.strip()) or _TIMES.fullmatch(text.strip())
    if match is None or not any(match.groups()):
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


def spelled(value: Plain, unit: str) -> str:
    """A number in its unit for people, or nothing where the number says it: `79.1 GiB`, `24h`."""
    if isinstance(value, bool) or not isinstance(value, int):
        return ""
    if unit == "bytes" and value >= 1024:
        return _size(value)
    if unit == "seconds" and value >= 60:
        return _duration(value)
    return ""


def in_bytes(count: int) -> str:
    """`12.4 GiB`; `512 bytes`."""
    return spelled(count, "bytes") or f"{count} bytes"


def in_gib(count: int) -> str:
    """`7.47 GiB`, to be held against others."""
    return f"{count / 2**30:.2f} GiB"


def with_size(value: Plain, unit: str) -> str:
    """The value, and in brackets what people call it: `85899345920 (80 GiB)`."""
    name = spelled(value, unit)
    return f"{show(value)} ({name})" if name else show(value)


def _size(count: int) -> str:
    power = min((count.bit_length() - 1) // 10, 4)
    return f"{count / 1024**power:.1f}".removesuffix(".0") + f" {' KMGT'[power]}iB"


def _duration(seconds: int) -> str:
    hours, minutes = seconds // 3600, seconds % 3600 // 60
    parts = [f"{hours}h"] if hours else []
    parts += [f"{minutes}m"] if minutes else []
    parts += [f"{seconds % 60}s"] if seconds % 60 else []
    return " ".join(parts)
