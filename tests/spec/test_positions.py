"""Every key of a TOML text has a place, whichever way it is written."""

from __future__ import annotations

import tomli
from hypothesis import given
from hypothesis import strategies as st

from kavaspec.spec.positions import spans

TEXT = """\
top = 1
[a.b]
plain = "é" # comment
"quoted key".c = 2
inline = { x = 1, y.z = [1,
  2] }
[[list]]
w = 1
"""


def places(text: str) -> dict[str, tuple[int, int, int]]:
    """Dotted key -> line, column and width of its last name."""
    found = spans(text, "kava.toml")
    return {".".join(p): (s.key.line, s.key.column, s.key.width) for p, s in found.items()}


def test_every_way_to_write_a_key():
    assert places(TEXT) == {
        "top": (1, 1, 3),
        "a": (2, 2, 1),
        "a.b": (2, 4, 1),
        "a.b.plain": (3, 1, 5),
        "a.b.quoted key": (4, 1, 12),
        "a.b.quoted key.c": (4, 14, 1),
        "a.b.inline": (5, 1, 6),
        "a.b.inline.x": (5, 12, 1),
        "a.b.inline.y": (5, 19, 1),
        "a.b.inline.y.z": (5, 21, 1),
        "list": (7, 3, 4),
        "list.w": (8, 1, 1),
    }


def test_a_value_has_a_place_of_its_own():
    value = spans(TEXT, "kava.toml")["a", "b", "plain"].value
    assert (value.line, value.column, value.width, value.text) == (3, 9, 3, 'plain = "é" # comment')


NAMES = st.text("abc-_1", min_size=1, max_size=5) | st.text(min_size=1, max_size=4)
TREES = st.recursive(
    st.integers() | st.booleans() | st.text(max_size=5),
    lambda inner: st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(NAMES, TREES, max_size=4))
def test_every_key_of_any_document_is_found(tree: dict[str, object]):
    import tomlkit

    text = tomlkit.dumps(tree)
    found = set(spans(text, "kava.toml"))

    def paths(table: dict[str, object], prefix: tuple[str, ...] = ()) -> set[tuple[str, ...]]:
        here = {(*prefix, name) for name in table}
        for name, item in table.items():
            if isinstance(item, dict):
                here |= paths(item, (*prefix, name))
        return here

    assert paths(tomli.loads(text)) <= found
