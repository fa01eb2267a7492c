"""The one registry of commands is consistent, and every action exists."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from edgellm_tui.app import EdgeApp
from edgellm_tui.commands import COMMANDS, Scope, command, slash_commands
from edgellm_tui.keys import short, shown
from edgellm_tui.screens.blind import BlindScreen
from edgellm_tui.screens.chat import ChatPage
from edgellm_tui.screens.compare import CompareScreen
from edgellm_tui.screens.data import DataPage
from edgellm_tui.screens.documents import DocumentsPage
from edgellm_tui.screens.evaluate import EvaluatePage
from edgellm_tui.screens.evaluation import EvaluationScreen
from edgellm_tui.screens.explain import ExplainScreen
from edgellm_tui.screens.help import HelpScreen
from edgellm_tui.screens.improve import ImprovePage
from edgellm_tui.screens.models import ModelsPage
from edgellm_tui.screens.monitor import MonitorPage
from edgellm_tui.screens.passage import PassageScreen
from edgellm_tui.screens.queue import QueuePage
from edgellm_tui.screens.report import ReportScreen
from edgellm_tui.screens.review import ReviewScreen
from edgellm_tui.screens.rows import RowBrowser
from edgellm_tui.screens.server import ServerPage
from edgellm_tui.screens.sessions import SessionsPage
from edgellm_tui.screens.train import TrainPage
from edgellm_tui.widgets.prompt import Prompt
from edgellm_tui.widgets.transcript import Transcript

OWNERS: dict[Scope, type] = {
    "app": EdgeApp,
    "chat": ChatPage,
    "prompt": Prompt,
    "transcript": Transcript,
    "sessions": SessionsPage,
    "models": ModelsPage,
    "train": TrainPage,
    "compare": CompareScreen,
    "data": DataPage,
    "documents": DocumentsPage,
    "server": ServerPage,
    "improve": ImprovePage,
    "monitor": MonitorPage,
    "evaluate": EvaluatePage,
    "evaluation": EvaluationScreen,
    "blind": BlindScreen,
    "queue": QueuePage,
    "passage": PassageScreen,
    "report": ReportScreen,
    "rows": RowBrowser,
    "review": ReviewScreen,
    "explain": ExplainScreen,
}
STOLEN = {"ctrl+b", "ctrl+m", "ctrl+i", "ctrl+h", "ctrl+s", "ctrl+z", "ctrl+[", "ctrl+\\"}
"""Keys that terminals or tmux keep for themselves, or that are other keys in disguise."""


def test_ids_and_slash_names_are_unique() -> None:
    assert max(Counter(c.id for c in COMMANDS).values()) == 1
    names = [name for c in COMMANDS for name in c.slash.split()]
    assert max(Counter(names).values()) == 1
    assert slash_commands()["new"] is command("chat.new")


@pytest.mark.parametrize("scope", OWNERS)
def test_keys_are_unique_in_a_scope_and_safe_in_terminals(scope: Scope) -> None:
    keys = [key for c in COMMANDS if c.scope == scope for key in c.keys.split(",") if key]
    assert max(Counter(keys).values()) == 1
    assert not STOLEN & set(keys)


@pytest.mark.parametrize("entry", COMMANDS, ids=lambda c: c.id)
def test_every_action_exists(entry: object) -> None:
    found = next(c for c in COMMANDS if c is entry)
    match = re.fullmatch(r"(?:(app)\.)?(\w+)(?:\((.*)\))?", found.action)
    assert match is not None
    owner = EdgeApp if match[1] else OWNERS[found.scope]
    assert hasattr(owner, f"action_{match[2]}")
    if found.scope == "transcript" and match[2] == "page":
        inner = (match[3] or "").strip("'").split("(")[0]
        assert hasattr(ChatPage, f"action_{inner}")


def test_slash_commands_with_arguments_have_their_method() -> None:
    for command_id, method in ChatPage.SLASH_WITH_ARGUMENT.items():
        assert command(command_id).argument
        assert callable(getattr(ChatPage, method))
    takes = {c.id for c in COMMANDS if c.slash and c.argument}
    assert takes == set(ChatPage.SLASH_WITH_ARGUMENT)


def test_help_names_every_command_and_the_users_keys() -> None:
    text = "\n".join(line.plain for line in HelpScreen({"chat.new": "ctrl+g"})._lines)
    for entry in COMMANDS:
        assert entry.title in text
    assert "Ctrl+G /new" in text


@pytest.mark.parametrize(
    ("key", "long", "brief"),
    [("ctrl+n", "Ctrl+N", "^N"), ("escape", "Esc", "Esc"), ("plus", "+", "+"), ("k", "k", "k")],
)
def test_keys_are_shown_as_printed(key: str, long: str, brief: str) -> None:
    assert shown(key) == long
    assert short(key) == brief
