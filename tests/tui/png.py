"""Pictures of a terminal, exact to the cell: braille is drawn from its bits, so no font can spoil it.

tmux capture-pane -epN | python tests/tui/png.py OUT.png        a real terminal
picture(app, path)                                             a Textual app under test
"""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont
from rich.ansi import AnsiDecoder
from rich.cells import cell_len
from rich.color import Color
from rich.console import Console
from rich.style import Style
from textual.app import App
from textual.geometry import Size

CELL_WIDTH, CELL_HEIGHT = 9, 18
FOREGROUND, BACKGROUND = (224, 224, 224), (12, 12, 12)
DOTS = ((0, 0, 1), (0, 1, 2), (0, 2, 4), (1, 0, 8), (1, 1, 16), (1, 2, 32), (0, 3, 64), (1, 3, 128))
Colour = tuple[int, int, int]
Pieces = list[tuple[str, Style | None]]


def paint(lines: list[Pieces], path: Path, *, width: int) -> None:
    image = Image.new("RGB", (width * CELL_WIDTH, len(lines) * CELL_HEIGHT), BACKGROUND)
    draw = ImageDraw.Draw(image)
    fonts = {bold: _font(bold) for bold in (False, True)}
    for y, pieces in enumerate(lines):
        x = 0
        for text, style in pieces:
            for character in text:
                _cell(draw, x, y, character, style, fonts)
                x += cell_len(character)
    image.save(path)


def _font(bold: bool) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    name = "DejaVuSansMono-Bold.ttf" if bold else "DejaVuSansMono.ttf"
    try:
        return ImageFont.truetype(name, 14)
    except OSError:  # no such font here: a picture with ugly letters is better than none
        return ImageFont.load_default()


def _cell(draw, x: int, y: int, character: str, style: Style | None, fonts) -> None:
    left, top = x * CELL_WIDTH, y * CELL_HEIGHT
    colour, behind = _colours(style)
    width = cell_len(character) * CELL_WIDTH
    if width and behind != BACKGROUND:
        draw.rectangle([left, top, left + width - 1, top + CELL_HEIGHT - 1], fill=behind)
    bits = ord(character) - 0x2800
    if 0 <= bits <= 0xFF:
        for column, row, bit in DOTS:
            if bits & bit:
                dot_x, dot_y = left + 1 + column * 4, top + 1 + row * 4 + row // 2
                draw.rectangle([dot_x, dot_y, dot_x + 2, dot_y + 2], fill=colour)
    elif character.strip():
        draw.text((left, top), character, font=fonts[bool(style and style.bold)], fill=colour)


def _colours(style: Style | None) -> tuple[Colour, Colour]:
    colour = _rgb(style.color if style else None, FOREGROUND)
    behind = _rgb(style.bgcolor if style else None, BACKGROUND)
    if style and style.reverse:
        colour, behind = behind, colour
    if style and style.dim:
        colour = tuple((a + b) // 2 for a, b in zip(colour, behind, strict=True))
    return colour, behind


def _rgb(colour: Color | None, default: Colour) -> Colour:
    if colour is None or colour.is_default:
        return default
    true = colour.get_truecolor()
    return true.red, true.green, true.blue


def from_ansi(text: str, path: Path) -> None:
    console = Console(width=1000, color_system="truecolor")
    decoded = AnsiDecoder().decode(text.rstrip("\n"))
    lines = [[(s.text, s.style) for s in line.render(console)] for line in decoded]
    width = max((sum(cell_len(t) for t, _ in line) for line in lines), default=1)
    paint(lines, path, width=width)


def picture(app: App, path: Path) -> None:
    strips = app.screen._compositor.render_strips(Size(*app.screen.size))
    lines = [[(segment.text, segment.style) for segment in strip] for strip in strips]
    paint(lines, path, width=app.screen.size.width)


if __name__ == "__main__":
    from_ansi(sys.stdin.read(), Path(sys.argv[1]))
