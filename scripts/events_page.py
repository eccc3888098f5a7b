"""Writes docs/events.md: every kind of event with its fields, from the types that write and read them.

python scripts/events_page.py
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT)] if str(ROOT) not in sys.path else []

from kavaspec import events  # noqa: E402

PAGE = ROOT / "docs" / "events.md"
RELEASED = "tests/events/v1.jsonl"
HEAD = f"""\
# Events

A run says what it does in `events.jsonl` of its run folder, one JSON object on each line; `kavaspec run --json` prints the
same lines. This page is written from `kavaspec/events.py` by `scripts/events_page.py`.

```json
{{"v":1,"seq":12,"t":1790000000.123,"ev":"step","step":40,"tokens":51200,"metrics":{{"loss":1.2}}}}
```

Every line has

| field | type | means |
|---|---|---|
| `v` | whole number | version of this format: {events.VERSION} |
| `seq` | whole number | number of the line in this file, from 0 |
| `t` | number | seconds since 1970, by the clock of the machine that trains; it may jump |
| `ev` | text | the kind |

## What may change

- Lines are appended and never changed. A resumed run appends to the same file: after a `resume`, steps may come again.
- A later version may add kinds, fields and words; readers pass over what they do not know. A field without "may be missing"
  is in every line of its kind for as long as `v` is {events.VERSION}. Nothing is renamed, and no unit changes, without another `v`.
- JSON has no NaN or infinity: where a number is one, the text `"nan"`, `"inf"` or `"-inf"` stands instead.
- The last line may be torn when a writer was killed; the next attempt begins on a new line.

[{RELEASED}](../{RELEASED}) holds lines of the first released version; a test reads them for ever.
"""


def page() -> str:
    """The text of the page."""
    told = _written()
    parts = [HEAD]
    for name, kind in events.KINDS.items():
        parts.append("\n".join(_kind(name, told[kind.__name__])))
    parts.append("\n".join(_kind("metrics", told["Metric"], title="Each of `run.metrics`")))
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def _kind(name: str, node: ast.ClassDef, *, title: str = "") -> Iterator[str]:
    yield f"## {title or f'`{name}`'}"
    yield ""
    yield _one_line(ast.get_docstring(node) or "")
    yield ""
    yield "| field | type | means |"
    yield "|---|---|---|"
    body = node.body
    for at, item in enumerate(body):
        if not isinstance(item, ast.AnnAssign) or "ClassVar" in ast.unparse(item.annotation):
            continue
        assert isinstance(item.target, ast.Name)
        after = body[at + 1] if at + 1 < len(body) else None
        means = ""
        if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
            means = _one_line(str(after.value.value))
        means += (" " if means else "") + ("May be missing." if item.value is not None else "")
        shown = _type(ast.unparse(item.annotation)).replace("|", "\\|")
        yield f"| `{item.target.id}` | {shown} | {means.strip()} |"


def _type(written: str) -> str:
    if written.startswith("Literal["):
        words = ast.literal_eval(
            written.removeprefix("Literal").replace("[", "(").replace("]", ",)")
        )
        return "one of " + ", ".join(f'`"{word}"`' for word in words)
    known = {"int": "whole number", "float": "number", "str": "text"}
    known |= {"Mapping[str, float]": "object of numbers", "tuple[Metric, ...]": "list of metrics"}
    return known[written]


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _written() -> dict[str, ast.ClassDef]:
    tree = ast.parse(Path(str(events.__file__)).read_text(encoding="utf-8"))
    return {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(f"wrote {PAGE.relative_to(ROOT)}")
