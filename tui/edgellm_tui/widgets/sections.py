"""The parts of a page, of which one is shown: a line of names."""

from __future__ import annotations

from collections.abc import Mapping

from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.style import Style
from textual.widget import Widget


class Sections(Widget):
    """Names beside each other, the chosen one marked; a click chooses another."""

    chosen: reactive[str] = reactive("")

    class Chosen(Message):
        """Another part is to be shown."""

        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

    def __init__(self, titles: Mapping[str, str], chosen: str, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.auto_links = False
        self._titles = titles
        self.set_reactive(Sections.chosen, chosen)

    def step(self, step: int) -> None:
        """Choose a neighbour; after the last comes the first."""
        names = list(self._titles)
        self.action_choose(names[(names.index(self.chosen) + step) % len(names)])

    def action_choose(self, name: str) -> None:
        """Choose a part."""
        self.chosen = name
        self.post_message(self.Chosen(name))

    def render(self) -> Content:
        """One line."""
        return Content("   ").join([self._tab(name, title) for name, title in self._titles.items()])

    def _tab(self, name: str, title: str) -> Content:
        look = "bold $primary underline" if name == self.chosen else "$foreground 55%"
        return Content.styled(title, look).stylize(Style.from_meta({"@click": f"choose({name!r})"}))
