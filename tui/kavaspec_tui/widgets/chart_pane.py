"""One metric of a run, drawn anew when it or the way to look at it changed."""

from __future__ import annotations

from dataclasses import replace

from textual import events
from textual.message import Message

from kavaspec_tui.chart import LABEL, Look, Subject, draw
from kavaspec_tui.widgets.painted import Painted


class ChartPane(Painted, can_focus=True):
    """Shows one subject."""

    class Pointed(Message):
        """The mouse was clicked, or its wheel turned, over a part of the x-axis."""

        def __init__(self, share: float, zoom: float | None) -> None:
            super().__init__()
            self.share, self.zoom = share, zoom

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.subject: Subject | None = None
        self.look = Look()

    def show_subject(self, subject: Subject | None, look: Look) -> None:
        """Draw this."""
        self.subject, self.look = subject, look
        self._draw()

    def _draw(self) -> None:
        width, height = self.content_size
        subject = self.subject
        if subject is not None and self.has_focus:  # not by the colour of a border alone
            subject = replace(subject, name=f"▸ {subject.name}")
        self.show([] if subject is None else draw(subject, self.look, width, height))

    def on_focus(self) -> None:
        self._draw()

    def on_blur(self) -> None:
        self._draw()

    def on_resize(self) -> None:
        self._draw()

    def _recolour(self) -> None:
        super()._recolour()
        self._draw()

    def on_click(self, event: events.Click) -> None:
        self._point(event, None)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        self._point(event, 0.8)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        self._point(event, 1.25)

    def _point(self, event: events.MouseEvent, zoom: float | None) -> None:
        event.stop()
        plane = self.content_size.width - LABEL
        at = event.get_content_offset_capture(self).x - LABEL
        if plane > 0:
            self.post_message(self.Pointed(min(max(at / plane, 0.0), 1.0), zoom))
