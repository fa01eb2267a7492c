"""A conversation line by line: prompts at a cursor, commands that begin with a slash."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from edgellm.cli.answer import ENDINGS, follow, in_one_line
from edgellm.cli.diagnostics import Code
from edgellm.cli.ids import SHOWN
from edgellm.cli.sessions import export_to
from edgellm.cli.style import bold, dim
from edgellm.cli.talk import Talk
from edgellm.cli.world import World
from edgellm.errors import EdgeLLMError

if TYPE_CHECKING:
    from edgellm.sdk.facade import EdgeLLM

CURSOR = "> "
MORE = ". "
SHOWN_MESSAGES = 4
"""How much of a resumed session is shown again."""


class Goodbye(Exception):
    """The conversation is over: the user wants to leave, or a signal came while the model wrote."""

    def __init__(self, code: Code = Code.DONE) -> None:
        super().__init__()
        self.code = code


class LineChat:
    """Reads lines, sends prompts, obeys commands; a failed answer does not end it."""

    def __init__(self, world: World, edge: EdgeLLM, talk: Talk) -> None:
        self._world = world
        self._edge = edge
        self._talk = talk

    def run(self) -> Code:
        """Talk until Ctrl+D, `/bye`, or Ctrl+C twice at the cursor. Raises: ModelNotFound before the first prompt."""
        with suppress(ImportError):  # not every build of Python has it
            import readline  # noqa: F401  deferred; gives `input` line editing and recall

        self._edge.models.resolve(self._talk.model_name)
        self._greet()
        ended_by = Code.DONE
        was_interrupted = False
        while True:
            try:
                said = self._read()
                was_interrupted = False
                self._take(said.strip())
            except EOFError:
                break
            except Goodbye as end:
                ended_by = end.code
                break
            except KeyboardInterrupt:
                self._world.out.write("\n")
                if was_interrupted:
                    ended_by = Code.INTERRUPTED
                    break
                was_interrupted = True
                self._world.err.note("Ctrl+C once more leaves, so does Ctrl+D.")
            except BrokenPipeError:
                raise
            except (EdgeLLMError, OSError) as error:
                self._world.err.report(error, self._world.error_log)
        self._farewell()
        return ended_by

    def _read(self) -> str:
        """One prompt; a line that ends with a backslash goes on in the next."""
        lines = [self._line(CURSOR)]
        while lines[-1].endswith("\\"):
            lines[-1] = lines[-1][:-1]
            lines.append(self._line(MORE))
        return "\n".join(lines)

    def _line(self, cursor: str) -> str:
        try:
            return input(cursor)
        except UnicodeDecodeError:
            self._world.err.note("That was not UTF-8 text.")
            return ""
        except EOFError:
            self._world.out.write("\n")
            raise

    def _take(self, said: str) -> None:
        if said.startswith("/"):
            name, _, rest = said.partition(" ")
            if name in COMMANDS:
                COMMANDS[name].run(self, rest.strip())
            else:
                self._world.err.note(f"There is no {name}; /help lists what there is.")
        elif said:
            with self._talk.asking(said) as stream:
                reply, ended_by = follow(stream, self._world)
            self._world.err.note(in_one_line(reply))
            if ended_by not in (Code.DONE, Code.INTERRUPTED):
                raise Goodbye(ended_by)

    def _greet(self) -> None:
        out = self._world.out
        out.line(bold(self._talk.model_name), dim("  /help lists commands, Ctrl+C stops an answer, Ctrl+D ends"))
        if self._talk.session_id:
            for message in self._edge.sessions.messages(self._talk.session_id)[-SHOWN_MESSAGES:]:
                if message.role == "user":
                    out.line(dim(CURSOR), message.content)
                else:
                    out.text(message.content)
                if ending := ENDINGS.get(message.finish_reason or ""):
                    out.line(dim(f"({ending})"))

    def _farewell(self) -> None:
        if self._talk.session_id:
            self._world.err.note(f"Kept. Go on with: edgellm chat --session {self._talk.session_id[:SHOWN]}")

    def help(self, _: str) -> None:
        """List the commands."""
        shown = {f"{name} {command.argument}".rstrip(): command.line for name, command in COMMANDS.items()}
        wide = max(map(len, shown))
        for usage, line in shown.items():
            self._world.out.line(bold(usage.ljust(wide)), "  ", line)
        self._world.out.line(dim("A line that ends with \\ goes on in the next one."))

    def model(self, name: str) -> None:
        """Show the model, or change it."""
        if name:
            self._talk.model = self._edge.models.resolve(name)
        self._world.out.line(self._talk.model_name)

    def system(self, text: str) -> None:
        """Show the instruction, or begin anew with another one."""
        if text:
            self._talk.system = text
            self.new("")
        self._world.out.line(self._talk.system or dim("no instruction"))

    def new(self, _: str) -> None:
        """Begin another conversation."""
        self._talk.begin_anew()
        self._world.err.note("A new conversation.")

    def save(self, target: str) -> None:
        """Write the conversation into a file."""
        if self._talk.session_id is None:
            self._world.err.note("Nothing is kept of this conversation so far.")
        elif not target:
            self._world.err.note("Name a file: /save rivers.md")
        else:
            path = export_to(self._edge, self._talk.session_id, Path(os.path.expanduser(target)))
            self._world.err.note(f"written to {path}")

    def bye(self, _: str) -> None:
        """Leave."""
        raise Goodbye


class Command:
    """A slash command: what it takes, what it does."""

    def __init__(self, argument: str, line: str, run: Callable[[LineChat, str], None]) -> None:
        self.argument = argument
        self.line = line
        self.run = run


COMMANDS = {
    "/help": Command("", "list these commands", LineChat.help),
    "/model": Command("[NAME]", "show the model, or change it", LineChat.model),
    "/system": Command("[TEXT]", "show the instruction, or begin anew with another one", LineChat.system),
    "/new": Command("", "begin another conversation", LineChat.new),
    "/save": Command("FILE", "write the conversation as Markdown, or as JSON if the name ends so", LineChat.save),
    "/bye": Command("", "leave", LineChat.bye),
}
