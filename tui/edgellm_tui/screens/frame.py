"""The frame: header, one page at a time, job dock, keys and numbers."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import Container, Horizontal
from textual.screen import Screen
from textual.widget import Widget

from edgellm_tui.widgets.dock import Dock
from edgellm_tui.widgets.header import Header
from edgellm_tui.widgets.status import KeyLine, VitalsLine

if TYPE_CHECKING:
    from edgellm_tui.app import EdgeApp

PAGES: dict[str, tuple[str, str]] = {
    "chat": ("Chat", "edgellm_tui.screens.chat:ChatPage"),
    "sessions": ("Sessions", "edgellm_tui.screens.sessions:SessionsPage"),
    "models": ("Models", "edgellm_tui.screens.models:ModelsPage"),
    "train": ("Train", "edgellm_tui.screens.train:TrainPage"),
    "data": ("Data", "edgellm_tui.screens.data:DataPage"),
    "documents": ("Docs", "edgellm_tui.screens.documents:DocumentsPage"),
    "evaluate": ("Evaluate", "edgellm_tui.screens.evaluate:EvaluatePage"),
    "queue": ("Review", "edgellm_tui.screens.queue:QueuePage"),
    "improve": ("Improve", "edgellm_tui.screens.improve:ImprovePage"),
    "monitor": ("Monitor", "edgellm_tui.screens.monitor:MonitorPage"),
    "server": ("Server", "edgellm_tui.screens.server:ServerPage"),
}
"""Page name to title and class; a page is imported and built when it is first shown."""


class Frame(Screen[None]):
    """Holds the pages; every page fills the same place."""

    HORIZONTAL_BREAKPOINTS: list[tuple[int, str]] | None = [(0, "-narrow"), (120, "-wide")]  # noqa: RUF012 - Textual declares it so
    AUTO_FOCUS = "#prompt"
    app: EdgeApp

    def compose(self) -> ComposeResult:
        """Top to bottom."""
        yield Header({name: title for name, (title, _) in PAGES.items()}, id="header")
        with Container(id="body"):
            yield self._build("chat")
        yield Dock(id="dock")
        with Horizontal(id="footer"):
            yield KeyLine(id="keys")
            yield VitalsLine(id="vitals")

    @property
    def page(self) -> str:
        """Name of the page on screen."""
        return self.query_one(Header).page

    async def show(self, name: str) -> Widget:
        """Bring a page to the front, building it the first time; returns it."""
        body = self.query_one("#body")
        page = next((child for child in body.children if child.id == name), None)
        if page is None:
            page = self._build(name)
            await body.mount(page)
        for child in body.children:
            child.display = child is page
        self.query_one(Header).page = name
        page.focus_default()  # type: ignore[attr-defined]
        return page

    def _build(self, name: str) -> Widget:
        module, _, kind = PAGES[name][1].partition(":")
        page: Widget = getattr(import_module(module), kind)(self.app.edge, self.app.preferences, id=name)
        return page
