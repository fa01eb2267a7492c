"""A command of the app: one entry is its key, its line in the palette and its slash name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Scope = Literal[
    "app",
    "chat",
    "prompt",
    "transcript",
    "sessions",
    "models",
    "train",
    "compare",
    "data",
    "documents",
    "server",
    "improve",
    "monitor",
    "evaluate",
    "evaluation",
    "blind",
    "queue",
    "passage",
    "report",
    "rows",
    "review",
    "explain",
]

SCOPES: dict[Scope, str] = {
    "app": "Everywhere",
    "chat": "Chat",
    "prompt": "In the message box",
    "transcript": "On a message (Tab moves there)",
    "sessions": "Sessions",
    "models": "Models",
    "train": "Training",
    "compare": "Before and after",
    "data": "Data",
    "documents": "Documents",
    "server": "Server",
    "improve": "Improve",
    "monitor": "Monitor",
    "evaluate": "Evaluation",
    "evaluation": "One evaluation",
    "blind": "Blind comparison",
    "queue": "Review queue",
    "passage": "A passage on its page",
    "report": "Before a dataset is built",
    "rows": "Rows of a dataset",
    "review": "Review of drafts",
    "explain": "How the model writes",
}
"""Where keys are valid, with the heading of the help page."""


@dataclass(frozen=True, slots=True)
class Command:
    """Something the user can do. `id` is its name in the settings' key map."""

    id: str
    title: str
    scope: Scope
    action: str
    """Textual action, resolved on the widget of its scope."""
    keys: str = ""
    """Default keys, separated by commas."""
    label: str = ""
    """Short name in the footer; empty keeps it out."""
    slash: str = ""
    """Slash commands, separated by spaces."""
    argument: str = ""
    """What a slash command may be followed by, for its completion."""
    priority: bool = False
    in_palette: bool = True
