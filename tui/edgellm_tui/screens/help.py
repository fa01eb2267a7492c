"""All keys and commands, from the one registry."""

from __future__ import annotations

from collections.abc import Mapping

from textual.content import Content

from edgellm_tui.commands import SCOPES, Command, Scope, in_scopes
from edgellm_tui.keys import shown
from edgellm_tui.screens.dialog import Reading

_KEY_CELLS = 24
_NOTES = (
    "A message that begins with / is sent with a space before it.",
    "Keys can be changed: table [keys] of the settings file, by the names of commands (page.chat, prompt.send, ...).",
)


class HelpScreen(Reading):
    """F1."""

    def __init__(self, keys: Mapping[str, str]) -> None:
        self._keys = keys
        super().__init__("Keys and commands", self._help_lines())

    def _help_lines(self) -> list[Content]:
        """Every command under the heading of its scope."""
        lines: list[Content] = []
        for scope, heading in SCOPES.items():
            lines += [Content.styled(heading, "bold $primary"), *self._scope_lines(scope), Content("")]
        return lines + [Content.styled(line, "$foreground 60%") for line in _NOTES]

    def _scope_lines(self, scope: Scope) -> list[Content]:
        return [self._line(command) for command in in_scopes(scope)]

    def _line(self, command: Command) -> Content:
        keys = self._keys.get(command.id, command.keys)
        pressed = " ".join(shown(key) for key in keys.split(",") if key)
        slash = " ".join(f"/{name}" for name in command.slash.split())
        left = " ".join(filter(None, (pressed, slash)))
        if len(left) > _KEY_CELLS:
            left += "\n  ".ljust(_KEY_CELLS + 3)
        parts = [(left.ljust(_KEY_CELLS), "$text-accent"), (f" {command.title}", "$foreground")]
        return Content.assemble("  ", *parts)
