"""Every action of the app, once: what the palette, the keys, the slash commands and the help page show."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from textual.binding import Binding, BindingType

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


COMMANDS: tuple[Command, ...] = (
    Command("app.help", "Keys and commands", "app", "app.help", "f1", "Help", "help", priority=True),
    Command(
        "app.palette",
        "Command palette",
        "app",
        "app.command_palette",
        "ctrl+p",
        "Commands",
        priority=True,
        in_palette=False,
    ),
    Command("page.chat", "Chat", "app", "app.page('chat')", "f2", priority=True),
    Command(
        "page.sessions",
        "Sessions: search and resume",
        "app",
        "app.page('sessions')",
        "f3,ctrl+r",
        "Sessions",
        "sessions",
        priority=True,
    ),
    Command(
        "page.models", "Models: choose and fetch", "app", "app.page('models')", "f4", "Models", "models", priority=True
    ),
    Command("page.train", "Train: teach a model", "app", "app.page('train')", "f7", "Train", "train", priority=True),
    Command(
        "page.data", "Data: what a model learns from", "app", "app.page('data')", "f8", "Data", "data", priority=True
    ),
    Command(
        "page.documents",
        "Documents: what answers can come from",
        "app",
        "app.page('documents')",
        "ctrl+f",
        "Documents",
        "documents",
        priority=True,
    ),
    Command(
        "page.server",
        "Server: models for other programs",
        "app",
        "app.page('server')",
        "ctrl+x",
        "Server",
        "server",
        priority=True,
    ),
    Command("app.theme", "Choose a theme", "app", "app.choose_theme", "", slash="theme", argument="[NAME]"),
    Command("app.cancel_job", "Cancel the newest job", "app", "app.cancel_job", "", slash="cancel"),
    Command(
        "app.interrupt", "Copy, stop, or twice: quit", "app", "app.interrupt", "ctrl+c", priority=True, in_palette=False
    ),
    Command("app.quit", "Quit", "app", "app.quit", "ctrl+q", slash="quit exit", priority=True),
    Command("chat.new", "New conversation", "chat", "new", "ctrl+n", "New", "new"),
    Command("chat.clear", "Clear the screen and begin again", "chat", "new", "", slash="clear"),
    Command("chat.sources", "Open a source of the answer", "chat", "sources", "ctrl+g", "Sources", in_palette=False),
    Command(
        "chat.documents",
        "Answer from documents, or no longer",
        "chat",
        "documents",
        "",
        slash="docs",
        argument="[COLLECTION|off]",
    ),
    Command("chat.stop", "Stop the answer, keep what is written", "chat", "stop", "escape", "Stop", in_palette=False),
    Command("chat.model", "Switch the model", "chat", "switch_model", "ctrl+t", "Model", "model", "[NAME]"),
    Command("chat.system", "System prompt", "chat", "system_prompt", "ctrl+l", slash="system", argument="[TEXT]"),
    Command("chat.sampling", "Sampling: temperature and the like", "chat", "sampling", "f12", slash="sampling"),
    Command("chat.regenerate", "Answer again, as a branch", "chat", "regenerate", "f5", slash="regenerate retry"),
    Command("chat.reasoning", "Show or hide the reasoning", "chat", "reasoning", "ctrl+o", slash="think"),
    Command("chat.rate_up", "The last answer is good", "chat", "rate(1)", "f9", slash="good"),
    Command("chat.rate_down", "The last answer is poor", "chat", "rate(-1)", "f10", slash="poor"),
    Command("chat.correct", "Correct the last answer", "chat", "correct", "f11", slash="correct"),
    Command(
        "chat.explain",
        "How the model writes: token by token",
        "chat",
        "explain",
        "f6",
        slash="explain",
        argument="[TEXT]",
    ),
    Command("chat.copy", "Copy the last answer", "chat", "copy", "ctrl+y", slash="copy", argument="[BLOCK]"),
    Command("chat.rename", "Rename this conversation", "chat", "rename", "", slash="rename", argument="[TITLE]"),
    Command(
        "chat.export",
        "Export to a file: Markdown or JSON",
        "chat",
        "export",
        "",
        slash="export",
        argument="[FILE.md|FILE.json]",
    ),
    Command("chat.stats", "Speed, memory and cache", "chat", "stats", "", slash="stats"),
    Command("prompt.send", "Send", "prompt", "send", "enter", "Send", in_palette=False),
    Command("prompt.newline", "New line", "prompt", "newline", "shift+enter,ctrl+j,alt+enter", in_palette=False),
    Command("prompt.edit_last", "Edit the last message (in an empty box)", "prompt", "up", "up", in_palette=False),
    Command(
        "prompt.leave", "Go to the messages; complete a command", "prompt", "tab", "tab", "Messages", in_palette=False
    ),
    Command("prompt.end", "Quit (in an empty box)", "prompt", "delete_or_quit", "ctrl+d", in_palette=False),
    Command("message.previous", "Message above", "transcript", "previous", "up,k", in_palette=False),
    Command("message.next", "Message below", "transcript", "next", "down,j", in_palette=False),
    Command(
        "message.sources",
        "Open a source of the answer",
        "transcript",
        "page('sources')",
        "s",
        "Sources",
        in_palette=False,
    ),
    Command("message.copy", "Copy the message", "transcript", "page('copy')", "c,y", "Copy", in_palette=False),
    Command(
        "message.code",
        "Copy a code block, then the next",
        "transcript",
        "page('copy_code')",
        "b",
        "Code",
        in_palette=False,
    ),
    Command(
        "message.edit", "Edit a question: a new branch", "transcript", "page('edit')", "e", "Edit", in_palette=False
    ),
    Command(
        "message.regenerate",
        "Answer again, as a branch",
        "transcript",
        "page('regenerate')",
        "r",
        "Again",
        in_palette=False,
    ),
    Command(
        "message.rate_up", "Good answer", "transcript", "page('rate(1)')", "plus,equals_sign", "Good", in_palette=False
    ),
    Command("message.rate_down", "Poor answer", "transcript", "page('rate(-1)')", "minus", "Poor", in_palette=False),
    Command("message.correct", "Correct the answer", "transcript", "page('correct')", "f", "Correct", in_palette=False),
    Command("message.branch_left", "Branch before", "transcript", "page('branch(-1)')", "left,h", in_palette=False),
    Command(
        "message.branch_right", "Branch after", "transcript", "page('branch(1)')", "right,l", "Branch", in_palette=False
    ),
    Command(
        "message.reasoning", "Show or hide the reasoning", "transcript", "page('reasoning')", "o", in_palette=False
    ),
    Command(
        "message.explain",
        "How this answer was written",
        "transcript",
        "page('explain')",
        "x",
        "Explain",
        in_palette=False,
    ),
    Command(
        "message.back",
        "Back to the message box",
        "transcript",
        "page('prompt')",
        "tab,escape,i,enter",
        "Back",
        in_palette=False,
    ),
    Command("sessions.open", "Resume", "sessions", "open", "enter", "Resume", in_palette=False),
    Command("sessions.rename", "Rename", "sessions", "rename", "f5", "Rename", in_palette=False),
    Command(
        "sessions.export_markdown",
        "Export as Markdown",
        "sessions",
        "export('md')",
        "f6",
        "Export",
        in_palette=False,
    ),
    Command("sessions.export_json", "Export as JSON", "sessions", "export('json')", "f10", "JSON", in_palette=False),
    Command("sessions.delete", "Delete", "sessions", "delete", "f9,ctrl+delete", "Delete", in_palette=False),
    Command("sessions.leave", "Clear the search; back to chat", "sessions", "leave", "escape", in_palette=False),
    Command(
        "models.use", "Chat with it; fetch it if it is not here", "models", "use", "enter", "Use", in_palette=False
    ),
    Command("models.fetch", "Fetch from the hub", "models", "fetch", "f5", "Fetch", in_palette=False),
    Command("models.unload", "Free its memory", "models", "unload", "f6", "Unload", in_palette=False),
    Command("models.remove", "Delete its file", "models", "remove", "f9", "Remove", in_palette=False),
    Command("models.export", "Export: files for other programs", "models", "export", "f10", "Export", in_palette=False),
    Command(
        "models.exported", "What was exported and measured", "models", "exported", "f12", "Exported", in_palette=False
    ),
    Command("models.leave", "Clear the filter; back to chat", "models", "leave", "escape", in_palette=False),
    Command(
        "train.compare",
        "Ask the model before and after",
        "train",
        "compare",
        "enter,b",
        "Before and after",
        in_palette=False,
    ),
    Command("train.new", "New run", "train", "new", "n", "New", in_palette=False),
    Command("train.stop", "Stop: it can be resumed", "train", "stop", "s", "Stop", in_palette=False),
    Command("train.resume", "Resume from the last checkpoint", "train", "resume", "r", "Resume", in_palette=False),
    Command("train.leave", "Back to chat", "train", "leave", "escape", in_palette=False),
    Command("compare.ask", "Ask both", "compare", "ask", "enter", "Ask both", in_palette=False),
    Command("compare.up", "Answers: a page up", "compare", "scroll(-1)", "pageup", in_palette=False),
    Command("compare.down", "Answers: a page down", "compare", "scroll(1)", "pagedown", in_palette=False),
    Command("compare.leave", "Back", "compare", "app.pop_screen", "escape", "Close", in_palette=False),
    Command("data.rows", "Look at its rows", "data", "rows", "enter,r", "Rows", in_palette=False),
    Command("data.add", "Add files, or your own chats", "data", "add", "a", "Add files", in_palette=False),
    Command("data.draft", "Draft examples from texts", "data", "draft", "f", "Draft", in_palette=False),
    Command("data.review", "Review drafts", "data", "review", "v", "Review", in_palette=False),
    Command("data.delete", "Delete", "data", "delete", "d,delete", "Delete", in_palette=False),
    Command("data.leave", "Back to chat", "data", "leave", "escape", in_palette=False),
    Command(
        "documents.open", "Chat from it; open what was found", "documents", "open", "enter", "Open", in_palette=False
    ),
    Command("documents.add", "Add files or a folder", "documents", "add", "f5", "Add", in_palette=False),
    Command("documents.sync", "Sync with its folder again", "documents", "sync", "f6", "Sync", in_palette=False),
    Command(
        "documents.remove", "Remove the file or the collection", "documents", "remove", "f9", "Remove", in_palette=False
    ),
    Command("documents.verify", "Verify the collection", "documents", "verify", "f10", "Verify", in_palette=False),
    Command("documents.leave", "Clear the question; back to chat", "documents", "leave", "escape", in_palette=False),
    Command(
        "server.start_stop", "Start or stop the server", "server", "start_stop", "s", "Start/stop", in_palette=False
    ),
    Command("server.new_key", "New key", "server", "new", "n", "New key", in_palette=False),
    Command("server.revoke", "Revoke the key", "server", "revoke", "d,delete", "Revoke", in_palette=False),
    Command("server.verify", "Check the audit log", "server", "verify", "v", "Check audit", in_palette=False),
    Command("server.copy", "Copy the server's address", "server", "copy", "c,y", "Copy address", in_palette=False),
    Command("server.details", "All about the line", "server", "details", "enter", "Details", in_palette=False),
    Command("server.previous", "List before", "server", "section(-1)", "left,h", in_palette=False),
    Command(
        "server.next",
        "List after: requests, keys, usage, audit",
        "server",
        "section(1)",
        "right,l",
        "Lists",
        in_palette=False,
    ),
    Command("server.leave", "Back to chat", "server", "leave", "escape", in_palette=False),
    Command("passage.leave", "Close", "passage", "leave", "escape,q", "Close", in_palette=False),
    Command("report.build", "Build the dataset", "report", "build", "enter", "Build", in_palette=False),
    Command("report.add", "Add another file", "report", "add", "a", "Add", in_palette=False),
    Command("report.columns", "Say which column is what", "report", "columns", "c", "Columns", in_palette=False),
    Command("report.measure", "Measure lengths with a model", "report", "measure", "m", "Measure", in_palette=False),
    Command("report.leave", "Leave, building nothing", "report", "leave", "escape,q", "Close", in_palette=False),
    Command("rows.previous", "Split before", "rows", "view(-1)", "left,h", "Split", in_palette=False),
    Command("rows.next", "Split after; last come the dropped rows", "rows", "view(1)", "right,l", in_palette=False),
    Command("rows.filter", "Find words in the rows", "rows", "filter", "slash", "Find", in_palette=False),
    Command("rows.page_before", "Page before", "rows", "page(-1)", "pageup,p", in_palette=False),
    Command("rows.page_after", "Page after", "rows", "page(1)", "pagedown,n", "Page", in_palette=False),
    Command("rows.read", "Scroll the row; back to the list", "rows", "read", "tab", "Scroll", in_palette=False),
    Command("rows.leave", "Clear the search; close", "rows", "leave", "escape,q", "Close", in_palette=False),
    Command("review.accept", "Accept the pair", "review", "decide('accepted')", "a", "Accept", in_palette=False),
    Command("review.edit", "Accept it in other words", "review", "edit", "e", "Edit", in_palette=False),
    Command("review.reject", "Reject the pair", "review", "decide('rejected')", "r", "Reject", in_palette=False),
    Command("review.undo", "Undo the last decision", "review", "undo", "u", "Undo", in_palette=False),
    Command(
        "review.leave", "Close; what was decided is kept", "review", "leave", "escape,q", "Close", in_palette=False
    ),
    Command("explain.previous", "Token before", "explain", "step(-1)", "left,h", "Back", in_palette=False),
    Command("explain.next", "Token after", "explain", "step(1)", "right,l,space", "Step", in_palette=False),
    Command("explain.first", "First token", "explain", "jump(0)", "home", in_palette=False),
    Command("explain.last", "Last token", "explain", "jump(-1)", "end", in_palette=False),
    Command(
        "explain.least_sure",
        "Where the model was least sure",
        "explain",
        "least_sure",
        "u",
        "Least sure",
        in_palette=False,
    ),
    Command("explain.leave", "Back", "explain", "app.pop_screen", "escape,q", "Close", in_palette=False),
)


def bindings(scope: Scope) -> list[BindingType]:
    """Textual bindings of a scope; their ids make them rebindable."""
    return [
        Binding(c.keys, c.action, c.label or c.title, show=bool(c.label), priority=c.priority, id=c.id)
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
