"""Answers from documents in the chat: the switch, the sources, the page of a source."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from edgellm_tui.late import LateEdge
from edgellm_tui.screens.chat_documents import ChooseSource
from edgellm_tui.screens.passage import PassageScreen
from textual.pilot import Pilot

from edgellm.errors import CollectionNotFound
from edgellm.types import Evidence, Loading
from tests.tui.conftest import app_of, edge_of, opened, say, screen_text, settle
from tests.tui.fakes import FakeEdge, Script, held, saying
from tests.tui.fakes.documents import CREW, FERRIES, FREE, TICKET, citation, evidence, indexed

RAW = "A single ticket costs nine crowns [1][7]. Dogs may bark."
CHECKED = "A single ticket costs nine crowns [1]. Dogs may bark."
DOGS = (CHECKED.index("Dogs"), len(CHECKED))
ONE = evidence(citation(1, TICKET), unsupported=(DOGS,), removed=1)
TWO = evidence(citation(1, TICKET), citation(1, FREE), citation(2, "Four deckhands work in two shifts.", CREW))


def answering(found: Evidence = ONE, checked: str = CHECKED, raw: str = RAW) -> FakeEdge:
    """EdgeLLM with the ferries, whose next answer rests on something."""
    edge = FakeEdge(replace(saying(raw), evidence=found, checked=checked))
    edge.collections.kept = {"ferries": list(FERRIES), "laws": [indexed("/srv/act.docx")]}
    return edge


async def command(pilot: Pilot[None], text: str) -> None:
    app_of(pilot).chat.prompt.focus()
    app_of(pilot).chat.prompt.insert(text)
    await pilot.press("enter")


async def grounded(pilot: Pilot[None], question: str = "What does it cost?") -> None:
    """Ask the ferries."""
    await command(pilot, "/docs ferries")
    await settle(pilot, lambda: "╭─ from ferries" in screen_text(pilot))
    await say(pilot, question)


def asked_of(pilot: Pilot[None]) -> list[Any]:
    return [asked.get("documents") for asked in edge_of(pilot).asked]


# The switch


async def test_docs_turns_answers_from_a_collection_on_and_off() -> None:
    async with opened(edge=answering()) as pilot:
        await say(pilot, "before")
        await grounded(pilot)
        await command(pilot, "/docs")
        await settle(pilot, lambda: "from ferries" not in screen_text(pilot))
        await say(pilot, "after")
        await command(pilot, "/docs laws")
        await settle(pilot, lambda: "╭─ from laws" in screen_text(pilot))
        await command(pilot, "/docs off")
        await settle(pilot, lambda: "from laws" not in screen_text(pilot))
        await say(pilot, "at last")
        assert asked_of(pilot) == [None, "ferries", None, None]


async def test_docs_alone_offers_the_collections_while_none_is_on() -> None:
    async with opened(edge=answering()) as pilot:
        await command(pilot, "/docs")
        await settle(pilot, lambda: "Answer from which documents?" in screen_text(pilot))
        await pilot.press("down", "enter")
        await settle(pilot, lambda: "╭─ from laws" in screen_text(pilot))


async def test_docs_without_a_collection_says_where_one_is_made() -> None:
    async with opened() as pilot:
        await command(pilot, "/docs")
        await settle(pilot, lambda: "There is no collection yet; F5 on the documents page" in screen_text(pilot))


async def test_an_unknown_collection_is_refused_and_what_was_on_stays() -> None:
    async with opened(edge=answering()) as pilot:
        await grounded(pilot)
        await command(pilot, "/docs ferris")
        await settle(pilot, lambda: "There is no collection 'ferris'. Did you mean 'ferries'?" in screen_text(pilot))
        await say(pilot, "again")
        assert asked_of(pilot) == ["ferries", "ferries"]


async def test_the_message_after_the_command_goes_to_the_collection() -> None:
    async with opened(edge=answering()) as pilot:
        await command(pilot, "/docs ferries")
        await command(pilot, "What does it cost?")
        await settle(pilot, lambda: bool(edge_of(pilot).asked))
        assert asked_of(pilot) == ["ferries"]


async def test_a_new_conversation_has_no_documents_and_answering_again_has() -> None:
    async with opened(edge=answering()) as pilot:
        await grounded(pilot)
        await pilot.press("f5")
        await settle(pilot, lambda: "You said: None" in screen_text(pilot))
        await pilot.press("ctrl+n")
        await settle(pilot, lambda: "from ferries" not in screen_text(pilot))
        await say(pilot, "hello")
        assert asked_of(pilot) == ["ferries", "ferries", None]


async def test_while_it_is_searched_the_status_says_so() -> None:
    gate = asyncio.Event()
    edge = answering()
    chat = edge.chat

    async def slow(prompt: Any, **options: Any) -> Any:
        await gate.wait()
        return await chat(prompt, **options)

    edge.chat = slow  # type: ignore[method-assign]
    async with opened(edge=edge) as pilot:
        await command(pilot, "/docs ferries")
        await command(pilot, "What does it cost?")
        await settle(pilot, lambda: "Searching ferries…" in screen_text(pilot))
        gate.set()
        await settle(pilot, lambda: "Sources in ferries" in screen_text(pilot))
        assert "Searching" not in screen_text(pilot)


async def test_loading_the_model_takes_the_place_of_searching() -> None:
    script = Script([Loading(model="m", fraction=0.5)], gate=asyncio.Event())
    script.events = [*script.events, *saying("x").events]
    edge = answering()
    edge.scripts[:] = [script]
    async with opened(edge=edge) as pilot:
        await command(pilot, "/docs ferries")
        await command(pilot, "q")
        await settle(pilot, lambda: "Loading m" in screen_text(pilot))
        assert "Searching" not in screen_text(pilot)
        script.release()
        await settle(pilot, lambda: not app_of(pilot).chat.conversation.is_answering)


# Under the answer


@pytest.mark.parametrize("size", [(80, 24), (200, 60)])
async def test_sources_stand_under_the_answer_and_doubts_in_it(size: tuple[int, int]) -> None:
    async with opened(edge=answering(), size=size) as pilot:
        await grounded(pilot)
        shown = screen_text(pilot)
        for part in (
            "A single ticket costs nine crowns [1]. Dogs may bark. [?]",
            "Sources in ferries",
            "[1] fares.pdf, page 3, Ferry > Fares",
            "[?] a sentence that no passage supports",
            "1 citation was taken out: no passage says it",
        ):
            assert part in shown
        assert "[7]" not in shown


async def test_what_streams_is_raw_until_it_was_checked() -> None:
    script = replace(held(RAW, pieces=2), evidence=ONE, checked=CHECKED)
    edge = answering()
    edge.scripts[:] = [script]
    async with opened(edge=edge) as pilot:
        await command(pilot, "/docs ferries")
        await command(pilot, "q")
        await settle(pilot, lambda: "A single ticket" in screen_text(pilot))
        assert "Sources" not in screen_text(pilot)
        script.release()
        await settle(pilot, lambda: "Sources in ferries" in screen_text(pilot))
        assert app_of(pilot).chat.conversation.turns[-1].text.source == CHECKED


async def test_weak_evidence_is_said() -> None:
    weak = evidence(is_weak=True)
    async with opened(edge=answering(weak, "The documents do not say.", "The documents do not say.")) as pilot:
        await grounded(pilot)
        assert "! Nothing in ferries comes near the question; no model was asked." in screen_text(pilot)
        assert "^G Sources" not in screen_text(pilot)


async def test_how_an_answer_from_documents_was_written_is_explained_with_its_passages() -> None:
    async with opened(edge=answering()) as pilot:
        await grounded(pilot)
        await pilot.press("f6")
        await settle(pilot, lambda: "How the model writes" in screen_text(pilot))
        assert asked_of(pilot) == ["ferries", "ferries"]


async def test_an_answer_without_documents_has_no_sources_and_no_key() -> None:
    async with opened(edge=answering()) as pilot:
        await say(pilot, "hello")
        assert "Sources" not in screen_text(pilot)
        await pilot.press("ctrl+g", "tab", "s")
        await settle(pilot)
        assert app_of(pilot).screen is app_of(pilot).frame


async def test_a_correction_has_no_doubts_and_keeps_its_sources() -> None:
    async with opened(edge=answering()) as pilot:
        await grounded(pilot)
        await pilot.press("f11")
        await settle(pilot, lambda: bool(pilot.app.screen.query("#dialog-text")))
        await pilot.press("ctrl+a", *"Dogs", "ctrl+s")
        await settle(pilot, lambda: "✎ corrected" in screen_text(pilot))
        assert "Dogs [?]" not in screen_text(pilot)
        assert "[1] fares.pdf" in screen_text(pilot)


# The page of a source


async def test_one_key_opens_the_only_source_at_the_sentence() -> None:
    async with opened(edge=answering()) as pilot:
        await grounded(pilot)
        assert "^G Sources" in screen_text(pilot)
        await pilot.press("ctrl+g")
        await settle(pilot, lambda: "▌ A single ticket costs nine crowns." in screen_text(pilot))
        screen = pilot.app.screen
        assert isinstance(screen, PassageScreen)
        assert " fares.pdf, page 3, Ferry > Fares" in screen_text(pilot)
        await pilot.press("escape")
        await settle(pilot, lambda: "Sources in ferries" in screen_text(pilot))


async def test_a_digit_chooses_among_several_sources() -> None:
    async with opened(edge=answering(TWO)) as pilot:
        await grounded(pilot)
        await pilot.press("tab", "s")
        await settle(pilot, lambda: isinstance(pilot.app.screen, ChooseSource))
        await pilot.press("7")
        await settle(pilot)
        assert isinstance(pilot.app.screen, ChooseSource)
        await pilot.press("2")
        await settle(pilot, lambda: "▌ Four deckhands work in two shifts." in screen_text(pilot))
        await pilot.press("q", "ctrl+g")
        await settle(pilot, lambda: isinstance(pilot.app.screen, ChooseSource))
        await pilot.press("escape")
        await settle(pilot, lambda: pilot.app.screen is app_of(pilot).frame)
        await pilot.press("ctrl+g", "enter")
        await settle(pilot, lambda: "▌ A single ticket costs nine crowns." in screen_text(pilot))


async def test_every_sentence_that_an_answer_cites_of_a_passage_is_marked() -> None:
    async with opened(edge=answering(evidence(citation(1, TICKET), citation(1, FREE)))) as pilot:
        await grounded(pilot)
        await pilot.press("ctrl+g")
        await settle(pilot, lambda: isinstance(pilot.app.screen, PassageScreen))
        screen = pilot.app.screen
        assert isinstance(screen, PassageScreen)
        assert [screen._page.text[begin:end] for begin, end in screen._marks] == [TICKET, FREE]


async def test_the_keys_are_about_the_chosen_answer() -> None:
    edge = answering(TWO)
    async with opened(edge=edge) as pilot:
        await grounded(pilot)
        await command(pilot, "/docs off")
        await say(pilot, "no documents")
        await settle(pilot, lambda: "^G Sources" not in screen_text(pilot))
        await pilot.press("tab")
        await settle(pilot, lambda: "s Sources" not in screen_text(pilot))
        await pilot.press("up", "up")
        await settle(pilot, lambda: "s Sources" in screen_text(pilot))
        await pilot.press("s")
        await settle(pilot, lambda: isinstance(pilot.app.screen, ChooseSource))


async def test_a_stored_answer_opens_its_sources_and_its_conversation_goes_on_with_them() -> None:
    async with opened(edge=answering()) as pilot:
        await grounded(pilot)
        await pilot.press("ctrl+n", "f3")
        await settle(pilot, lambda: "1 conversation" in screen_text(pilot))
        await pilot.press("enter")
        await settle(pilot, lambda: "Dogs may bark. [?]" in screen_text(pilot))
        assert "[1] fares.pdf, page 3, Ferry > Fares" in screen_text(pilot)
        assert "╭─ from ferries" in screen_text(pilot)
        await pilot.press("ctrl+g")
        await settle(pilot, lambda: "▌ A single ticket costs nine crowns." in screen_text(pilot))


async def test_a_file_that_has_changed_since_is_told() -> None:
    edge = answering(evidence(citation(1, "Four deckhands work in two shifts.", CREW)))
    async with opened(edge=edge) as pilot:
        await grounded(pilot)
        edge.collections.texts[CREW] = "Five deckhands work in three shifts. The rota changes on Mondays."
        await pilot.press("ctrl+g")
        await settle(pilot, lambda: "has changed since" in screen_text(pilot))
        assert "Five deckhands" in screen_text(pilot)


async def test_a_source_that_is_gone_is_told() -> None:
    edge = answering()
    async with opened(edge=edge) as pilot:
        await grounded(pilot)
        edge.collections.failure = CollectionNotFound("There is no collection 'ferries'.")
        await pilot.press("ctrl+g")
        await settle(pilot, lambda: "There is no collection 'ferries'." in screen_text(pilot))


async def test_no_color_leaves_signs_for_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with opened(edge=answering()) as pilot:
        await grounded(pilot)
        assert "Dogs may bark. [?]" in screen_text(pilot)
        await pilot.press("ctrl+g")
        await settle(pilot, lambda: "▌ A single ticket costs nine crowns." in screen_text(pilot))
        strips = pilot.app.screen._compositor.render_strips()
        styles = [segment.style for strip in strips for segment in strip if "single ticket" in segment.text]
        assert styles
        assert all(style is not None and style.reverse and style.color is None for style in styles)


async def test_collections_wait_for_edgellm_to_be_opened() -> None:
    edge = LateEdge(lambda: answering())
    assert [info.name for info in await edge.collections.list()] == ["ferries", "laws"]
    assert [file.name for file in await edge.documents("ferries").files()] == [file.name for file in FERRIES]
    with pytest.raises(CollectionNotFound):
        await edge.documents("none").files()
    await edge.close()
