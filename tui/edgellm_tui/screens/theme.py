"""The theme list, trying each theme on as the highlight moves."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content

from edgellm_tui.screens.dialog import Pick, Row


class ThemePick(Pick):
    """Previews; the caller puts the old theme back when nothing is chosen."""

    def __init__(self, names: Sequence[str], current: str) -> None:
        ours = [name for name in names if name.startswith("edge-")]
        rest = [name for name in names if name not in ours]
        rows = [Row("auto", Content("auto: as the terminal")), *(Row(name, Content(name)) for name in ours + rest)]
        super().__init__("Theme", rows, current)

    def highlighted(self, value: str) -> None:
        """Try it on."""
        if value in self.app.available_themes:
            self.app.theme = value
