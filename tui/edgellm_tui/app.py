"""The terminal app: one frame, its pages, and what concerns all of them."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.app import App, SystemCommand
from textual.binding import BindingType
from textual.events import CursorPosition, Event, Key
from textual.filter import LineFilter, Monochrome, NoColor
from textual.screen import Screen, SystemModalScreen

from edgellm.errors import EdgeLLMError
from edgellm.safetext import clean_line
from edgellm_tui import themes
from edgellm_tui.commands import COMMANDS, Command, bindings
from edgellm_tui.errors import explain, title
from edgellm_tui.hangup import end_when_told
from edgellm_tui.jobs import JobWatch
from edgellm_tui.key_order import Follower, KeyOrder
from edgellm_tui.keys import as_sent, shown
from edgellm_tui.messages import (
    ConversationChanged,
    FetchModel,
    JobBegan,
    JobsChanged,
    ModelsChanged,
    OpenSession,
    Refused,
    SessionChanged,
    UseDocuments,
    UseModel,
    UseTheme,
)
from edgellm_tui.plain import Plain
from edgellm_tui.ports import Edge, Preferences
from edgellm_tui.screens.frame import Frame
from edgellm_tui.terminal_input import accept_any_bytes
from edgellm_tui.vitals import read_vitals
from edgellm_tui.widgets.dock import Dock
from edgellm_tui.widgets.header import Header
from edgellm_tui.widgets.status import VitalsLine

if TYPE_CHECKING:
    from edgellm_tui.screens.chat import ChatPage

ENDING_S = 5.0
"""An answer that cannot be stopped and stored within this time is left as it is when the app ends."""
TWICE_WITHIN_S = 2.0
"""Ctrl+C pressed again within this time quits."""


class EdgeApp(App[None]):
    """EdgeLLM in a terminal."""

    CSS_PATH = "app.tcss"
    TITLE = "EdgeLLM"
    ENABLE_COMMAND_PALETTE = True
    COMMAND_PALETTE_BINDING = "ctrl+p"
    BINDINGS: ClassVar[list[BindingType]] = bindings("app")

    def __init__(self, edge: Edge, preferences: Preferences) -> None:
        super().__init__()
        self.edge = edge
        self.preferences = preferences
        self.jobs = JobWatch(edge, preferences, self)
        self._drawn = asyncio.Event()
        """Set once the first screen is drawn; EdgeLLM is opened after that, for it takes a core to import."""
        self._interrupted_at = -TWICE_WITHIN_S
        self._is_ending = False
        self._key_order = KeyOrder(self, super().on_event)
        for theme in (themes.DARK, themes.LIGHT):
            self.register_theme(theme)
        self.no_color = bool(os.environ.get("NO_COLOR"))  # empty means nothing, by no-color.org
        self._plain = Plain()
        self.theme = self._wanted_theme(preferences.theme)

    async def on_event(self, event: Event) -> None:
        """A key from the terminal takes its turn; everything else goes its way.

        Shift+F3 is sent as `CSI 1;2R`, which also says where the cursor is: the app never asks for that.
        """
        if isinstance(event, CursorPosition) and (event.y, event.x) == (0, 1):
            event = Key("shift+f3", None)
        if isinstance(event, Key) and not event.is_forwarded:
            await self._key_order.take(event)
        else:
            await super().on_event(event)

    @on(Follower)
    def _dealt_with(self, event: Follower) -> None:
        self.call_later(self._key_order.arrived, event)  # behind the change of focus that the key asked for

    def get_line_filters(self) -> Sequence[LineFilter]:
        """What is applied to every line: with NO_COLOR, no colour is left."""
        found = [each for each in super().get_line_filters() if not isinstance(each, Monochrome | NoColor)]
        return [*found, self._plain] if self.no_color else found

    def _wanted_theme(self, name: str) -> str:
        if self.no_color:
            return themes.DARK.name
        return name if name in self.available_themes else themes.automatic(os.environ)

    def get_default_screen(self) -> Screen[None]:
        """The frame."""
        return Frame(id="frame")

    async def on_mount(self) -> None:
        """Keys as the user wants them."""
        known = {command.id for command in COMMANDS}
        self.set_keymap({name: as_sent(keys) for name, keys in self.preferences.keys.items() if name in known})
        self.call_after_refresh(self._drawn.set)
        self._find_jobs()
        # No key is taken from the queue before the message box has the focus: none is lost or changes places.
        await self.frame._mounted_event.wait()

    @work
    async def _find_jobs(self) -> None:
        """Take up what is running."""
        await self._drawn.wait()
        await self.jobs.find_running()

    async def on_unmount(self) -> None:
        """Conversations are saved and workers end with the app."""
        await self.edge.close()

    @property
    def is_open(self) -> bool:
        """Whether there is still a screen to draw on; answers and jobs may end while the app closes."""
        return self.is_running and bool(self.screen_stack)

    @property
    def frame(self) -> Frame:
        """The frame, below any dialog."""
        frame = self.screen_stack[0]
        assert isinstance(frame, Frame)
        return frame

    @property
    def chat(self) -> ChatPage:
        """The chat page; it is always there."""
        page: ChatPage = self.frame.query_one("#chat")  # type: ignore[assignment]
        return page

    # What pages report

    @on(Refused)
    def _refused(self, event: Refused) -> None:
        self.notify(explain(event.error), title=title(event.error), severity="error", timeout=8, markup=False)

    @on(ConversationChanged)
    def _conversation_changed(self) -> None:
        if not self.is_open:
            return
        header = self.frame.query_one(Header)
        header.title = self.chat.conversation.title
        header.model = self.chat.conversation.model
        self._renew_vitals()

    @work(exclusive=True, group="vitals")
    async def _renew_vitals(self) -> None:
        await self._drawn.wait()
        conversation = self.chat.conversation
        vitals = await read_vitals(self.edge, conversation)
        if self.is_open:
            self.frame.query_one(VitalsLine).vitals = vitals

    @on(OpenSession)
    async def _open_session(self, event: OpenSession) -> None:
        await self.action_page("chat")
        self.chat.open_session(event.session_id, event.message_id, event.words)

    @on(UseModel)
    async def _use_model(self, event: UseModel) -> None:
        await self.action_page("chat")
        await self.chat.use_model(event.name)

    @on(UseDocuments)
    async def _use_documents(self, event: UseDocuments) -> None:
        await self.action_page("chat")
        await self.chat.use_documents(event.collection)

    @on(UseTheme)
    async def _use_theme(self, event: UseTheme) -> None:
        await self.use_theme(event.name)

    @on(SessionChanged)
    @work
    async def _session_changed(self, event: SessionChanged) -> None:
        try:
            await self.chat.conversation.renew(event.session_id)
        except EdgeLLMError as error:
            self.post_message(Refused(error))

    @on(ModelsChanged)
    def _models_changed(self) -> None:
        if self.is_open:
            for page in self.frame.query("ModelsPage, TrainPage, EvaluatePage, DocumentsPage").results():
                if page.display:
                    page.renew()  # type: ignore[attr-defined]

    @on(FetchModel)
    @work
    async def _fetch_model(self, event: FetchModel) -> None:
        await self.jobs.fetch(event.reference, event.title)

    @on(JobBegan)
    def _job_began(self, event: JobBegan) -> None:
        self.jobs.watch(event.job)

    @on(JobsChanged)
    def _jobs_changed(self, event: JobsChanged) -> None:
        if self.is_open:
            self.frame.query_one(Dock).jobs = event.jobs
            for page in self.frame.query("DocumentsPage").results():
                if page.display:
                    page.keep_up(event.jobs)  # type: ignore[attr-defined]

    # Actions

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        """The pages and the palette are offered where nothing that was typed or chosen would be lost."""
        if action in ("page", "command_palette"):
            return all(_is_left_at_once(screen) for screen in self.screen_stack[1:])
        return True

    async def action_page(self, name: str) -> None:
        """Show a page; what is only looked at above the pages is left."""
        if self.check_action("page", (name,)):
            self.frame.pop_until_active()
            await self.frame.show(name)

    def action_help(self) -> None:
        """Show all keys and commands, or put them away."""
        from edgellm_tui.screens.help import HelpScreen

        if isinstance(self.screen, HelpScreen):
            self.screen.dismiss(None)
        else:
            self.push_screen(HelpScreen(self.preferences.keys))

    def action_interrupt(self) -> None:
        """Copy what is selected; else stop the answer; else, twice, quit."""
        selected = self.screen.get_selected_text() or getattr(self.focused, "selected_text", "")
        now = monotonic()
        if selected:
            self.copy_to_clipboard(selected)
            self.screen.clear_selection()
            self.notify("Copied", timeout=2, markup=False)
        elif self.chat.conversation.stop():
            return
        elif now - self._interrupted_at < TWICE_WITHIN_S:
            self.end_by(0)
        else:
            self._interrupted_at = now
            self.notify("Ctrl+C again quits", timeout=TWICE_WITHIN_S, markup=False)

    async def action_quit(self) -> None:
        """End; what is being answered is kept."""
        self.end_by(0)

    def end_by(self, signal_number: int) -> None:
        """End, with the exit code that stands for this signal; 0 is the user."""
        if not self._is_ending:
            self._is_ending = True
            self._end(128 + signal_number if signal_number else 0)

    @work
    async def _end(self, exit_code: int) -> None:
        """Stop the answer on its way as Esc does, wait until it is stored, and exit."""
        if self.is_open:
            with suppress(TimeoutError):
                await asyncio.wait_for(self.chat.conversation.close(), ENDING_S)
        self.exit(return_code=exit_code)

    @work(exclusive=True, group="dialog")
    async def action_choose_theme(self) -> None:
        """Choose a theme; the list previews it."""
        from edgellm_tui.screens.theme import ThemePick

        if self.no_color:
            self.notify("NO_COLOR is set: there are no colours to choose", markup=False)
            return
        before = self.theme
        chosen = await self.push_screen_wait(ThemePick(sorted(self.available_themes), before))
        if chosen is None:
            self.theme = before
        else:
            await self.use_theme(chosen)

    async def use_theme(self, name: str) -> None:
        """Wear a theme and remember it; `auto` follows the terminal."""
        if name != "auto" and name not in self.available_themes:
            self.notify(f"There is no theme {clean_line(name)}", severity="warning", markup=False)
            return
        self.theme = self._wanted_theme(name)
        try:
            await asyncio.to_thread(self.preferences.save, "theme", name)
        except EdgeLLMError as error:
            self.post_message(Refused(error))

    @work
    async def action_cancel_job(self, job_id: str | None = None) -> None:
        """Cancel a job, the newest one by default."""
        await self.jobs.cancel(job_id)

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:  # noqa: ARG002
        """The palette: every command of the registry that makes sense without a chosen message."""
        for command in COMMANDS:
            if command.in_palette:
                yield SystemCommand(command.title, self._palette_help(command), partial(self._run, command))

    def _palette_help(self, command: Command) -> str:
        slash = f"/{command.slash.split()[0]}" if command.slash else ""
        keys = self.preferences.keys.get(command.id, command.keys)
        return "   ".join([*(shown(key) for key in keys.split(",") if key), slash]).strip()

    async def _run(self, command: Command) -> None:
        if command.scope == "chat":
            await self.action_page("chat")
            await self.chat.run_action(command.action)
        else:
            await self.run_action(command.action)


def _is_left_at_once(screen: Screen[object]) -> bool:
    """Whether something is only looked at, like the help or the palette."""
    return getattr(screen, "IS_LEFT_AT_ONCE", isinstance(screen, SystemModalScreen))


def make_app(edge: Edge, preferences: Preferences) -> EdgeApp:
    """The app on an EdgeLLM; tests hand in a scripted one."""
    return EdgeApp(edge, preferences)


def run() -> int:
    """Open the app in this terminal until the user leaves it. Returns the exit code."""
    from edgellm_tui.late import LateEdge
    from edgellm_tui.preferences import load_preferences

    return run_here(make_app(LateEdge(), load_preferences()))


def run_here(app: EdgeApp) -> int:
    """Run the app in this terminal, no longer than there is one. Returns the exit code."""
    if sys.stdin.isatty():
        accept_any_bytes()
    asyncio.run(_run_until_told(app))
    return app.return_code or 0


async def _run_until_told(app: EdgeApp) -> None:
    end_when_told(app.end_by, sys.stdin.fileno() if sys.stdin.isatty() else None)
    await app.run_async()
