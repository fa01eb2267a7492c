"""The terminal app: one frame, its pages, and what concerns all of them."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterable
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.app import App, SystemCommand
from textual.binding import BindingType
from textual.screen import Screen

from edgellm.errors import EdgeLLMError
from edgellm.safetext import clean_line
from edgellm_tui import themes
from edgellm_tui.commands import COMMANDS, Command, bindings
from edgellm_tui.errors import explain, title
from edgellm_tui.hangup import end_with_terminal
from edgellm_tui.jobs import JobWatch
from edgellm_tui.keys import shown
from edgellm_tui.messages import (
    ConversationChanged,
    FetchModel,
    JobBegan,
    JobsChanged,
    ModelsChanged,
    OpenSession,
    Refused,
    SessionChanged,
    UseModel,
    UseTheme,
)
from edgellm_tui.ports import Edge, Preferences
from edgellm_tui.screens.frame import Frame
from edgellm_tui.terminal_input import accept_any_bytes
from edgellm_tui.vitals import read_vitals
from edgellm_tui.widgets.dock import Dock
from edgellm_tui.widgets.header import Header
from edgellm_tui.widgets.status import VitalsLine

if TYPE_CHECKING:
    from edgellm_tui.screens.chat import ChatPage

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
        for theme in (themes.DARK, themes.LIGHT):
            self.register_theme(theme)
        self.theme = self._wanted_theme(preferences.theme)

    def _wanted_theme(self, name: str) -> str:
        return name if name in self.available_themes else themes.automatic(os.environ)

    def get_default_screen(self) -> Screen[None]:
        """The frame."""
        return Frame(id="frame")

    async def on_mount(self) -> None:
        """Keys as the user wants them."""
        known = {command.id for command in COMMANDS}
        self.set_keymap({name: keys for name, keys in self.preferences.keys.items() if name in known})
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
        self.chat.answer_with(event.name)
        self.notify(f"{clean_line(event.name)} answers from now on", timeout=3, markup=False)

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
            for page in self.frame.query("ModelsPage, TrainPage").results():
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

    # Actions

    async def action_page(self, name: str) -> None:
        """Show a page."""
        if self.screen is self.frame:
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
            self.exit()
        else:
            self._interrupted_at = now
            self.notify("Ctrl+C again quits", timeout=TWICE_WITHIN_S, markup=False)

    @work(exclusive=True, group="dialog")
    async def action_choose_theme(self) -> None:
        """Choose a theme; the list previews it."""
        from edgellm_tui.screens.theme import ThemePick

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
            await self.frame.show("chat")
            await self.chat.run_action(command.action)
        else:
            await self.run_action(command.action)


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
        end_with_terminal(sys.stdin.fileno())
        accept_any_bytes()
    app.run()
    return app.return_code or 0
