"""Every action of the app, once: what the palette, the keys, the slash commands and the help page show."""

from __future__ import annotations

from collections.abc import Iterable

from textual.binding import Binding, BindingType

from edgellm_tui.app_commands import APP_COMMANDS
from edgellm_tui.command import SCOPES, Command, Scope
from edgellm_tui.keys import as_sent
from edgellm_tui.page_commands import PAGE_COMMANDS

__all__ = ["COMMANDS", "SCOPES", "Command", "Scope", "bindings", "command", "in_scopes", "slash_commands"]

COMMANDS = (*APP_COMMANDS, *PAGE_COMMANDS)


def bindings(scope: Scope) -> list[BindingType]:
    """Textual bindings of a scope; their ids make them rebindable."""
    return [
        Binding(as_sent(c.keys), c.action, c.label or c.title, show=bool(c.label), priority=c.priority, id=c.id)
        for c in COMMANDS
        if c.scope == scope and c.keys
    ]


def slash_commands() -> dict[str, Command]:
    """Slash name (without the slash) to command."""
    return {name: command for command in COMMANDS for name in command.slash.split()}


def in_scopes(*scopes: Scope) -> Iterable[Command]:
    """Commands of some scopes, in order."""
    return (command for command in COMMANDS if command.scope in scopes)


def command(command_id: str) -> Command:
    """One command by id."""
    return next(c for c in COMMANDS if c.id == command_id)
