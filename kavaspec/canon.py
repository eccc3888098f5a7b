"""Canonical bytes of plain values: what seals and ids are made of.

Types are tagged, so that `1`, `1.0`, `true` and `"1"` differ; keys are sorted by code point; text
is NFC; floats are written exactly, in hexadecimal. No formatting, locale or Python version can
change the bytes.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Mapping

from kavaspec.plain import Plain


def canon(value: Plain) -> bytes:
    """The one spelling of a plain value."""
    if value is None:
        return b"n;"
    if isinstance(value, bool):
        return b"b:1;" if value else b"b:0;"
    if isinstance(value, int):
        return b"i:%d;" % value
    if isinstance(value, float):
        return b"f:%s;" % (value + 0.0).hex().encode()  # + 0.0 makes -0.0 the same as 0.0
    if isinstance(value, str):
        text = unicodedata.normalize("NFC", value).encode()
        return b"s%d:%s;" % (len(text), text)
    if isinstance(value, Mapping):
        items = sorted((canon(key), canon(item)) for key, item in value.items())
        return b"m%d{%s}" % (len(items), b"".join(key + item for key, item in items))
    return b"l%d[%s]" % (len(value), b"".join(map(canon, value)))


def digest(purpose: str, value: Plain) -> str:
    """SHA-256, in hexadecimal, of a value for one purpose; two purposes never share a digest."""
    return hashlib.sha256(purpose.encode() + b"\0" + canon(value)).hexdigest()
