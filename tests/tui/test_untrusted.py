"""Whatever models, files, names and errors contain, the screen shows text and nothing else happens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from edgellm_tui.render.entry import entry_lines
from edgellm_tui.render.explain import choice_lines, prompt_boxes, story
from edgellm_tui.screens.dialog import AskLine, AskText, Confirm, Dialog, Pick, Reading, Row
from edgellm_tui.turns import Phase, Turn, asked, awaited
from edgellm_tui.widgets.completions import Choice, Completions
from edgellm_tui.widgets.dock import Dock, JobLine
from edgellm_tui.widgets.header import Header
from hypothesis import given, settings
from hypothesis import strategies as st
from textual.app import App, ComposeResult
from textual.content import Content
from textual.events import Paste

from edgellm.errors import HubRefused
from edgellm.safetext import clean_line
from edgellm.types import Alternative, Delta, TokenTrace
from tests.tui.conftest import app_of, edge_of, opened, say, screen_text, settle
from tests.tui.fakes import FakeEdge, Script, card, installed
from tests.tui.payloads import ESCAPES, HOSTILE, is_harmless

BRACKETS = st.text(alphabet="[]/@=()\\ab$ .'\"\x1b", max_size=40)


def split(text: str) -> list[Delta]:
    return [Delta(text=character) for character in text]


async def test_an_answer_split_into_single_characters_is_harmless() -> None:
    async with opened(Script(split("\n\n".join(ESCAPES))), size=(80, 70)) as pilot:
        await say(pilot, "q")
        assert is_harmless(screen_text(pilot))
        assert "␛]52;c;ZXZpbA==␇" in screen_text(pilot)


async def test_reasoning_errors_and_notices_are_harmless() -> None:
    nasty = "".join(HOSTILE)
    script = Script([Delta(reasoning=nasty), Delta(text="x")], error=HubRefused(nasty, hint=nasty))
    async with opened(script, size=(120, 50)) as pilot:
        await say(pilot, "q")
        await pilot.press("ctrl+o")
        await settle(pilot)
        assert is_harmless(screen_text(pilot))
        assert pilot.app.is_running


async def test_names_and_titles_on_every_page_are_harmless() -> None:
    edge = FakeEdge()
    for payload in HOSTILE:
        session = await edge.sessions.create(title=payload, model=payload)
        edge.sessions.append(session.id, "user", f"needle {payload}", None)
        edge.models.catalogue.append(card(f"c{len(edge.models.catalogue)}", payload, good_at=payload, licence=payload))
    edge.models.installed = [installed(payload, 1, payload, removable=True) for payload in HOSTILE]
    async with opened(edge=edge, size=(120, 50)) as pilot:
        await pilot.press("f3")
        await settle(pilot, lambda: "conversations" in screen_text(pilot))
        assert is_harmless(screen_text(pilot))
        await pilot.press(*"needle")
        await settle(pilot, lambda: "found" in screen_text(pilot))
        assert is_harmless(screen_text(pilot))
        await pilot.press("f9")
        await settle(pilot, lambda: "Delete this" in screen_text(pilot))
        assert is_harmless(screen_text(pilot))
        await pilot.press("escape", "f4")
        await settle(pilot, lambda: "Filter" in screen_text(pilot))
        await pilot.press("down", "down")
        await settle(pilot)
        assert is_harmless(screen_text(pilot))
        await pilot.press("f2", "ctrl+t")
        await settle(pilot, lambda: "Model for this" in screen_text(pilot))
        assert is_harmless(screen_text(pilot))
        assert pilot.app.is_running


async def test_file_names_and_pasted_text_are_harmless() -> None:
    Path("a\x1b]52;c;x\x07b[.txt").write_text("x")
    async with opened() as pilot:
        await pilot.press("@", "a")
        await settle(pilot, lambda: "@a" in screen_text(pilot))
        assert is_harmless(screen_text(pilot))
        app_of(pilot).chat.prompt.fill("".join(HOSTILE))
        await settle(pilot)
        assert is_harmless(app_of(pilot).chat.prompt.text)
        await pilot.press("ctrl+n")
        assert is_harmless(screen_text(pilot))


async def test_a_click_action_in_an_answer_is_only_text() -> None:
    async with opened(Script(split("[@click=app.quit]press me[/]"))) as pilot:
        await say(pilot, "q")
        assert "[@click=app.quit]press me[/]" in screen_text(pilot)
        for y in range(24):
            for x in (6, 20):
                assert "@click" not in str(pilot.app.screen.get_style_at(x, y).meta.get("@click", "")) or y == 0


MARKUP_KINDS = ("[/", "[@click=app.quit]press[/]", "[red on blue]x[/red on blue]")
"""One that cannot be parsed, one that would act, one that would only look different."""
DIALOGS: tuple[Callable[[str], Dialog[Any]], ...] = (
    lambda text: Confirm(text, text),
    lambda text: AskLine(text, text),
    lambda text: AskText(text, text),
    lambda text: Reading(text, [Content("x")]),
    lambda text: Pick(text, [Row("x", Content("x"))]),
)


async def test_header_dock_menu_and_dialogs_show_any_text() -> None:
    everything = "".join(HOSTILE)
    async with opened(size=(100, 30)) as pilot:
        app = app_of(pilot)
        for payload in (everything, *MARKUP_KINDS):
            app.frame.query_one(Header).title = payload
            app.frame.query_one(Dock).jobs = (JobLine("j", payload, note=payload, outcome="failed:"),)
            app.frame.query_one(Completions).offer([Choice(payload, payload, payload)])
            app.notify(clean_line(payload), title=clean_line(payload), markup=False)
            await pilot.pause()
            assert is_harmless(screen_text(pilot))
        for number, payload in enumerate((*[everything] * len(DIALOGS), *MARKUP_KINDS)):
            await app.push_screen(DIALOGS[number % len(DIALOGS)](payload))
            await pilot.pause()
            assert is_harmless(screen_text(pilot))
            await app.pop_screen()
        assert edge_of(pilot).asked == []


@given(BRACKETS, BRACKETS)
@settings(max_examples=100, deadline=None)
def test_turns_render_any_brackets(text: str, other: str) -> None:
    answer = awaited(other)
    answer.grow(text, other)
    answer.notice(other)
    answer.finish()
    answer.reasoning_open = True
    waiting = replace_phase(awaited(text))
    for turn in (answer, asked(text), waiting):
        for line in entry_lines(turn, 60, is_selected=True):
            assert is_harmless(line.plain)
            line.render_segments()


def replace_phase(turn: Turn) -> Turn:
    turn.advance(Phase.LOADING, 0.5, turn.model)
    return turn


@given(st.lists(BRACKETS, min_size=1, max_size=5))
@settings(max_examples=75, deadline=None)
def test_tokens_render_any_brackets(texts: list[str]) -> None:
    options = tuple(Alternative(token=i, text=text, logprob=-1.0) for i, text in enumerate(texts))
    trace = TokenTrace(token=0, text=texts[0], logprob=-1.0, entropy=2.0, alternatives=options)
    lines = [*prompt_boxes(texts, 40), *choice_lines(trace, 60)]
    assert all(is_harmless(line.plain) for line in lines)
    assert is_harmless(story([trace, replace(trace, token=9)], 1, 0.7))


class _Shown(App[None]):
    """Widgets that take text, with hostile text in each."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = text

    def compose(self) -> ComposeResult:
        header = Header({"chat": "Chat"})
        header.title = header.model = self._text
        yield header
        yield Completions(id="menu")

    def on_mount(self) -> None:
        self.query_one(Completions).offer([Choice(self._text, self._text, self._text)])


@pytest.mark.parametrize("text", ["[/]", "[@click=app.quit]x[/]", "[red", "a]b[c"])
async def test_widgets_alone_survive_brackets(text: str) -> None:
    app = _Shown(text)
    async with app.run_test(size=(80, 10)) as pilot:
        await pilot.pause()
        assert app.is_running


async def test_a_paste_arrives_once_and_keeps_its_lines() -> None:
    async with opened() as pilot:
        prompt = app_of(pilot).chat.prompt
        pilot.app.post_message(Paste("one\rtwo\r\nthree\nfour \x1b[31mred"))
        await settle(pilot, lambda: "four" in prompt.text)
        assert prompt.text.splitlines() == ["one", "two", "three", "four ␛[31mred"]


@pytest.mark.parametrize("dialog", [AskLine("t"), AskText("t")])
async def test_what_is_pasted_into_a_dialog_is_cleaned(dialog: Dialog[str]) -> None:
    async with opened() as pilot:
        await pilot.app.push_screen(dialog)
        await pilot.pause()
        pilot.app.post_message(Paste("red \x1b[31m \u202e"))
        field = dialog.query_one("#dialog-line, #dialog-text")
        text = "value" if isinstance(dialog, AskLine) else "text"
        await settle(pilot, lambda: "red" in getattr(field, text))
        assert getattr(field, text) == "red ␛[31m ⟨U+202E⟩"
