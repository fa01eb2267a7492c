"""The sessions page: list, search, resume, rename, delete, export."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from edgellm_tui.export import new_file_name
from textual.pilot import Pilot
from textual.widgets import Input, OptionList

from edgellm.errors import StoreError
from tests.tui.conftest import app_of, edge_of, opened, say, screen_text, settle
from tests.tui.fakes import FakeEdge, saying


async def seeded() -> FakeEdge:
    edge = FakeEdge()
    await edge.sessions.talk("Plan a week in Kerala", "Start in Kochi.", model="qwen3-4b")
    await edge.sessions.talk("Why is the sky blue?", "Rayleigh scattering.", model="qwen3-4b")
    return edge


async def to_sessions(pilot: Pilot[None], listed: str) -> None:
    """The sessions page, once it says how many there are."""
    await pilot.press("f3")
    await settle(pilot, lambda: listed in screen_text(pilot))


async def rename(pilot: Pilot[None], title: str) -> None:
    """Give the highlighted session a title."""
    await pilot.press("f5")
    await settle(pilot, lambda: bool(pilot.app.screen.query("#dialog-line")))
    pilot.app.screen.query_one(Input).value = title
    await pilot.press("enter")


async def test_sessions_are_listed_searched_and_resumed() -> None:
    async with opened(edge=await seeded()) as pilot:
        await to_sessions(pilot, "2 conversations")
        await pilot.press(*"rayleigh")
        await settle(pilot, lambda: "1 found" in screen_text(pilot))
        assert "Rayleigh scattering." in screen_text(pilot)
        await pilot.press("enter")
        await settle(pilot, lambda: app_of(pilot).chat.conversation.title == "Why is the sky blue?")
        assert app_of(pilot).chat.conversation.model == "qwen3-4b"
        assert app_of(pilot).chat.prompt.has_focus


async def test_enter_right_after_the_words_opens_what_they_find() -> None:
    async with opened(edge=await seeded()) as pilot:
        await to_sessions(pilot, "2 conversations")
        await pilot.press(*"kochi", "enter")
        await settle(pilot, lambda: app_of(pilot).chat.conversation.session is not None)
        assert app_of(pilot).chat.conversation.title == "Plan a week in Kerala"


async def test_a_hit_is_shown_where_it_is_and_marked_until_the_reader_goes_on() -> None:
    edge = FakeEdge()
    answers = [f"answer {number}\n\n" + "filler\n\n" * 10 for number in range(200)]
    answers[90] = "filler\n\n" * 80 + "here is a Needle in it\n\n" + "filler\n\n" * 80
    await edge.sessions.talk(*answers)
    async with opened(edge=edge) as pilot:
        await to_sessions(pilot, "1 conversation")
        await pilot.press(*"needle")
        await settle(pilot, lambda: "1 found" in screen_text(pilot))
        await pilot.press("enter")
        chat = app_of(pilot).chat
        await settle(pilot, lambda: "here is a Needle in it" in screen_text(pilot) and chat.display)
        y = next(
            y for y in range(chat.transcript.virtual_size.height) if "Needle" in chat.transcript.flow.line(y).plain
        )
        line = chat.transcript.flow.line(y)
        assert [line.plain[span.start : span.end] for span in line.spans if span.style == "match"] == ["Needle"]
        assert chat.transcript.selected is chat.conversation.turns[90]
        assert chat.prompt.has_focus
        await pilot.press(*"go on", "enter")
        await settle(pilot, lambda: "You said: go on" in screen_text(pilot))
        assert chat.transcript.selected is None
        assert not any(span.style == "match" for span in chat.transcript.flow.line(y).spans)


async def test_a_hit_in_the_open_conversation_is_shown_too() -> None:
    async with opened(saying("needle"), saying("filler\n\n" * 60)) as pilot:
        await say(pilot, "first")
        await say(pilot, "second")
        await to_sessions(pilot, "1 conversation")
        await pilot.press(*"needle")
        await settle(pilot, lambda: "1 found" in screen_text(pilot))
        await pilot.press("enter")
        await settle(pilot, lambda: app_of(pilot).chat.display and "needle" in screen_text(pilot))


async def test_a_long_list_of_sessions_scrolls_with_the_arrows() -> None:
    edge = FakeEdge()
    for number in range(60):
        session = await edge.sessions.create(model="m")
        edge.sessions.sessions[session.id] = replace(session, title=f"session {number}")
    async with opened(edge=edge) as pilot:
        await to_sessions(pilot, "60 conversations")
        await pilot.press(*["down"] * 30)
        await settle(pilot, lambda: pilot.app.screen.query_one(OptionList).highlighted == 30)
        assert "session 29" in screen_text(pilot)


async def test_a_session_is_renamed() -> None:
    async with opened(edge=await seeded()) as pilot:
        await to_sessions(pilot, "2 conversations")
        await rename(pilot, "Blue")
        await settle(pilot, lambda: "Blue" in [s.title for s in edge_of(pilot).sessions.sessions.values()])


@pytest.mark.parametrize(("key", "left"), [("n", 2), ("y", 1)])
async def test_a_session_is_deleted_only_after_a_question(key: str, left: int) -> None:
    async with opened(edge=await seeded()) as pilot:
        await to_sessions(pilot, "2 conversations")
        await pilot.press("f9")
        await settle(pilot, lambda: "Delete this conversation?" in screen_text(pilot))
        await pilot.press(key)
        await settle(pilot, lambda: len(edge_of(pilot).sessions.sessions) == left)


async def test_deleting_and_renaming_the_open_conversation_shows_in_the_chat() -> None:
    async with opened(saying("a")) as pilot:
        await say(pilot, "q")
        conversation = app_of(pilot).chat.conversation
        await to_sessions(pilot, "1 conversation")
        await rename(pilot, "Blue")
        await settle(pilot, lambda: conversation.title == "Blue")
        await pilot.press("f9")
        await settle(pilot, lambda: "Delete this conversation?" in screen_text(pilot))
        await pilot.press("y")
        await settle(pilot, lambda: conversation.session is None)
        await pilot.press("f2")
        await say(pilot, "next")
        assert "You said: next" in screen_text(pilot)


@pytest.mark.parametrize(("key", "ending"), [("f6", "md"), ("f10", "json")])
async def test_a_session_is_exported(key: str, ending: str) -> None:
    async with opened(edge=await seeded()) as pilot:
        await to_sessions(pilot, "2 conversations")
        await pilot.press(key)
        await settle(pilot, lambda: any(path.suffix == f".{ending}" for path in Path.cwd().iterdir()))


async def test_export_never_overwrites() -> None:
    Path("mine.md").write_text("keep")
    async with opened(saying("a")) as pilot:
        await say(pilot, "q")
        await pilot.press(*"/export mine.md", "enter")
        await settle(pilot, lambda: "exists" in screen_text(pilot))
        assert Path("mine.md").read_text() == "keep"


async def test_an_export_that_was_refused_is_not_called_done(monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(edge=await seeded(), size=(120, 30)) as pilot:
        await to_sessions(pilot, "2 conversations")
        await pilot.press("f6")
        await settle(pilot, lambda: "Exported to" in screen_text(pilot))
        pilot.app.clear_notifications()

        async def broken(*_: object) -> str:
            raise StoreError("The store is busy.")

        monkeypatch.setattr(edge_of(pilot).sessions, "export", broken)
        await pilot.press("f6")
        await settle(pilot, lambda: "The store is busy." in screen_text(pilot))
        assert "Exported to" not in screen_text(pilot)


async def test_exported_again_it_is_another_file() -> None:
    async with opened(edge=await seeded()) as pilot:
        await to_sessions(pilot, "2 conversations")
        await pilot.press("f6")
        await settle(pilot, lambda: len(list(Path.cwd().iterdir())) == 1)
        await pilot.press("f6")
        await settle(pilot, lambda: len(list(Path.cwd().iterdir())) == 2)
        assert {path.name for path in Path.cwd().iterdir()} == {"Why-is-the-sky-blue.md", "Why-is-the-sky-blue-2.md"}


def test_a_title_that_was_cut_gives_a_name_without_dots() -> None:
    assert new_file_name("A long title that goes on…", "json") == "A-long-title-that-goes-on.json"


@pytest.mark.parametrize("name", ["~nobody-has-this-name/x.md", "x" * 300 + ".md", "no/such/folder/\0.md"])
async def test_a_name_that_no_file_can_have_is_refused(name: str) -> None:
    async with opened(saying("a"), size=(120, 30)) as pilot:
        await say(pilot, "q")
        app_of(pilot).chat.export(name)
        await settle(pilot, lambda: "That did not work" in screen_text(pilot))


async def test_what_was_found_stands_below_its_title_in_every_line() -> None:
    edge = FakeEdge()
    await edge.sessions.talk("Fish", "A long answer, as answers go: needle, " + "and on it goes with words " * 9)
    async with opened(edge=edge, size=(60, 24)) as pilot:
        await to_sessions(pilot, "1 conversation")
        await pilot.press(*"needle")
        await settle(pilot, lambda: "1 found" in screen_text(pilot) and "goes with" in screen_text(pilot))
        found = [line for line in screen_text(pilot).splitlines() if "words" in line or "needle," in line]
        assert len(found) > 1
        assert all(line.startswith(" " * 13) for line in found)
        await pilot.resize_terminal(100, 24)
        await settle(pilot, lambda: "needle, and on it goes with words and on" in screen_text(pilot))
