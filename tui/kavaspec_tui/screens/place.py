"""What all screens have in common: they fill themselves, can be copied, and be saved as text."""

from __future__ import annotations

from typing import ClassVar

from textual.geometry import Size
from textual.screen import Screen


class Place(Screen[None]):
    """A screen that is filled from data by `refill`, again after every change of size."""

    noun: ClassVar[str]
    """Names the file that it is saved to."""

    def on_resize(self) -> None:
        self.call_after_refresh(self.refill)

    def on_screen_resume(self) -> None:
        self.call_after_refresh(self.refill)

    def refill(self) -> None:
        """Fill the widgets for the size they have now."""

    def copied(self) -> str:
        """What `c` puts on the clipboard: the value and the command that shows it."""
        return self.as_text()

    def as_text(self) -> str:
        """The screen as lines of text."""
        strips = self._compositor.render_strips(Size(*self.size))
        return "\n".join(strip.text.rstrip() for strip in strips).rstrip() + "\n"
