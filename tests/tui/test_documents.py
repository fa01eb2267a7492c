"""The documents page: collections, files, asking, the viewer, removing and verifying."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from edgellm_tui.collected import MOST_FILES
from edgellm_tui.screens.passage import PassageScreen
from textual.pilot import Pilot

from edgellm.errors import CollectionNotFound, InvalidInput, StoreError
from edgellm.events import Finished
from edgellm.retrieval.values import Hit
from tests.tui.conftest import app_of, edge_of, opened, say, screen_text, settle
from tests.tui.document_pages import SCANNED, documents_page, with_ferries
from tests.tui.fakes import FakeEdge
from tests.tui.fakes.documents import FARES, FERRIES, FOLDER, indexed

SIZES = [(80, 24), (200, 60)]


async def ask(pilot: Pilot[None], question: str, shows: str) -> None:
    await pilot.press(*("space" if letter == " " else letter for letter in question))
    await settle(pilot, lambda: shows in screen_text(pilot))


@pytest.mark.parametrize("size", SIZES)
async def test_collections_with_their_numbers_and_files_with_their_state(size: tuple[int, int]) -> None:
    scan, partly = SCANNED, indexed(f"{FOLDER}/old.pdf", notices=("page 2 is a scanned picture",))
    async with opened(edge=with_ferries(scan, partly), size=size) as pilot:
        await documents_page(pilot)
        lines = [" ".join(line.replace("│", " ").split()) for line in screen_text(pilot).splitlines()]
        shown = "\n".join(lines)
        for part in (
            "Collection Files Failed Passages Size",
            "ferries 3 1 26 1.4 MB",
            "all-MiniLM-L6-v2 · ",
            "File Kind Pages Passages Status",
            "scan.pdf ✗ failed",
            "its pages are scanned pictures",
            "crew/rota.md markdown 2 ready",
            "fares.pdf pdf 4 12 ready",
            "old.pdf pdf 4 12 ! partly",
        ):
            assert part in shown
        assert shown.index("scan.pdf") < shown.index("crew/rota.md")
        await pilot.press("down")
        await settle(pilot, lambda: "act.docx" in screen_text(pilot))
        assert "fares.pdf" not in screen_text(pilot)


async def test_the_empty_page_says_what_to_do() -> None:
    async with opened() as pilot:
        await documents_page(pilot, "There is no collection yet.")
        assert "Press F5" in screen_text(pilot)
        await pilot.press("f6", "f9", "f10", "f12", "enter")
        await settle(pilot)
        assert app_of(pilot).screen is app_of(pilot).frame
        assert app_of(pilot).frame.page == "documents"
        await ask(pilot, "fare", "There is no collection to ask. Press F5")
        await pilot.press("escape", "escape")
        await settle(pilot, lambda: app_of(pilot).frame.page == "chat")


async def test_a_collection_without_files_and_one_that_is_damaged_say_so_in_their_place() -> None:
    edge = with_ferries()
    edge.collections.kept["ferries"] = []
    async with opened(edge=edge) as pilot:
        await documents_page(pilot, "There is no file in it. Press F5")
        edge.collections.failure = StoreError("The collection is damaged.")
        await pilot.press("down")
        await settle(pilot, lambda: "The collection is damaged." in screen_text(pilot))


async def test_a_collection_that_cannot_be_opened_says_why_in_its_row() -> None:
    edge = with_ferries()
    edge.collections.broken = {"laws": "The collection is from a newer EdgeLLM."}
    async with opened(edge=edge, size=(200, 60)) as pilot:
        await documents_page(pilot)
        shown = screen_text(pilot)
        assert "✗ The collection is from a newer EdgeLLM." in shown
        assert shown.count("all-MiniLM-L6-v2") == 1


async def test_a_list_that_cannot_be_read_is_told() -> None:
    edge = FakeEdge()

    async def broken() -> list[object]:
        raise StoreError("The folder cannot be read.")

    edge.collections.list = broken  # type: ignore[method-assign,assignment]
    async with opened(edge=edge) as pilot:
        await documents_page(pilot, "The folder cannot be read.")


async def test_a_long_list_of_files_ends_with_how_many_there_are_more() -> None:
    edge = with_ferries(*(indexed(f"{FOLDER}/{number:04}.txt") for number in range(MOST_FILES)))
    async with opened(edge=edge) as pilot:
        page = await documents_page(pilot, "0001.txt")
        assert page.files.list.option_count == MOST_FILES + 1
        assert "and 2 more" in str(page.files.list.get_option_at_index(MOST_FILES).prompt)


# Asking


@pytest.mark.parametrize("size", SIZES)
async def test_a_question_shows_passages_with_place_score_and_marked_words(size: tuple[int, int]) -> None:
    async with opened(edge=with_ferries(), size=size) as pilot:
        page = await documents_page(pilot)
        await ask(pilot, "ticket crowns", "1 passage in ferries")
        assert "0.033   fares.pdf, page 3, Ferry > Fares" in screen_text(pilot)
        content = page.hits.list.get_option_at_index(0).prompt
        marked = {str(content)[span.start : span.end] for span in content.spans if "underline" in str(span.style)}  # type: ignore[union-attr]
        assert marked == {"ticket", "crowns"}
        assert edge_of(pilot).collections.searched[-1] == ("ferries", "ticket crowns")
        assert set(edge_of(pilot).collections.modes) == {"fused"}, "a pause in typing waits for no reranker"


async def test_lines_leave_room_for_the_scroll_bar_of_a_long_list_and_a_long_page() -> None:
    edge = with_ferries()
    long = "x " + "y" * 4000
    hit = Hit(chunk_id=1, file=FARES, page=3, headings=("x",), text=long, start=0, end=len(long), score=0.5)
    edge.collections.hits, edge.collections.texts = [hit] * 20, {FARES: long}
    async with opened(edge=edge) as pilot:
        page = await documents_page(pilot)
        await ask(pilot, "x", "20 passages in ferries")
        found = page.hits.list
        await settle(pilot, lambda: found.show_vertical_scrollbar)
        lines = sum(len(str(option.prompt).splitlines()) for option in found.options)
        assert found.virtual_size.height == lines, "no line is broken a second time"
        await pilot.press("enter")
        await settle(pilot, lambda: "▌ yyy" in screen_text(pilot))
        viewer = pilot.app.screen
        assert isinstance(viewer, PassageScreen)
        await settle(pilot, lambda: viewer.scroll.show_vertical_scrollbar)
        assert max(map(len, str(viewer.text.content).splitlines())) <= viewer.text.size.width


async def test_enter_opens_the_page_at_the_passage_and_escape_leads_back() -> None:
    async with opened(edge=with_ferries()) as pilot:
        await documents_page(pilot)
        await pilot.press(*"ticket", "enter")  # also while it is still being searched
        await settle(pilot, lambda: isinstance(pilot.app.screen, PassageScreen))
        await settle(pilot, lambda: "▌ A single ticket costs nine crowns." in screen_text(pilot))
        assert "Paragraph 15" in screen_text(pilot)
        assert "Paragraph 2" not in screen_text(pilot)
        await pilot.press("escape")
        await settle(pilot, lambda: "1 passage in ferries" in screen_text(pilot))
        await pilot.press("escape")
        await settle(pilot, lambda: "crew/rota.md" in screen_text(pilot))


async def test_arrows_choose_among_what_was_found() -> None:
    async with opened(edge=with_ferries()) as pilot:
        page = await documents_page(pilot)
        await ask(pilot, "remark", "8 passages in ferries")
        await pilot.press("down", "down")
        assert page.hits.list.highlighted == 2
        assert page.list.highlighted == 0
        await pilot.press("enter")
        await settle(pilot, lambda: "▌ Remark 3 is about luggage." in screen_text(pilot))


async def test_a_question_typed_before_the_collections_are_read_waits_for_them() -> None:
    edge = with_ferries()
    listed = edge.collections.list

    async def slow() -> Any:
        await asyncio.sleep(0.5)
        return await listed()

    edge.collections.list = slow  # type: ignore[method-assign]
    async with opened(edge=edge) as pilot:
        await pilot.press("ctrl+f", *"ticket", "enter")
        await settle(pilot, lambda: isinstance(pilot.app.screen, PassageScreen))
        assert edge.collections.searched[-1] == ("ferries", "ticket")


async def test_nothing_found_says_what_to_do() -> None:
    async with opened(edge=with_ferries()) as pilot:
        await documents_page(pilot)
        await ask(pilot, "zebra", "Nothing is found. Ask in other words")
        await pilot.press("enter")
        await settle(pilot)
        assert app_of(pilot).screen is app_of(pilot).frame


async def test_a_search_that_fails_says_why_in_its_place() -> None:
    edge = with_ferries()
    async with opened(edge=edge) as pilot:
        await documents_page(pilot)
        edge.collections.failure = InvalidInput("The embedder is not here.", hint="Fetch it.")
        await ask(pilot, "fare", "The embedder is not here. Fetch it.")


async def test_the_page_of_a_passage_is_broken_anew_when_the_screen_changes() -> None:
    async with opened(edge=with_ferries(), size=(120, 40)) as pilot:
        await documents_page(pilot)
        await ask(pilot, "ticket", "1 passage")
        await pilot.press("enter")
        await settle(pilot, lambda: "Dogs pay half." in screen_text(pilot))
        await pilot.resize_terminal(40, 24)
        await settle(pilot, lambda: "▌ crowns. Children below six travel " in screen_text(pilot))


# Removing, verifying, using


async def test_removing_a_collection_asks_first() -> None:
    async with opened(edge=with_ferries()) as pilot:
        kept = edge_of(pilot).collections.kept
        await documents_page(pilot)
        await pilot.press("f9")
        await settle(pilot, lambda: "Delete the collection ferries?" in screen_text(pilot))
        await pilot.press("n")
        await settle(pilot)
        assert "ferries" in kept
        await pilot.press("f9")
        await settle(pilot, lambda: "Delete the collection ferries?" in screen_text(pilot))
        await pilot.press("y")
        await settle(pilot, lambda: "act.docx" in screen_text(pilot))
        assert list(kept) == ["laws"]


async def test_a_file_is_read_about_and_removed_where_files_have_the_focus() -> None:
    async with opened(edge=with_ferries(SCANNED)) as pilot:
        page = await documents_page(pilot)
        page.files.list.focus()
        await settle(pilot)
        await pilot.press("enter")
        await settle(pilot, lambda: "✗ its pages are scanned pictures" in screen_text(pilot))
        await pilot.press("escape", "f9")
        await settle(pilot, lambda: "Remove /home/me/ferry/scan.pdf from" in screen_text(pilot))
        await pilot.press("y")
        await settle(pilot, lambda: "scan.pdf" not in screen_text(pilot))
        assert edge_of(pilot).collections.kept["ferries"] == list(FERRIES)


async def test_verifying_tells_the_defects_or_that_there_are_none() -> None:
    edge = with_ferries()
    async with opened(edge=edge) as pilot:
        await documents_page(pilot)
        await pilot.press("f10")
        await settle(pilot, lambda: "ferries is sound" in screen_text(pilot))
        edge.collections.defects = ["12 chunks of fares.pdf have no vector"]
        await pilot.press("f10")
        await settle(pilot, lambda: "12 chunks of fares.pdf have no vector" in screen_text(pilot))
        await pilot.press("escape")
        edge.collections.failure = CollectionNotFound("There is no collection 'ferries'.")
        await pilot.press("f10")
        await settle(pilot, lambda: "There is no collection 'ferries'." in screen_text(pilot))


async def test_enter_chats_from_the_highlighted_collection() -> None:
    async with opened(edge=with_ferries()) as pilot:
        await documents_page(pilot)
        await pilot.press("down", "enter")
        await settle(pilot, lambda: "╭─ from laws" in screen_text(pilot))
        assert app_of(pilot).frame.page == "chat"
        await say(pilot, "hello")
        assert edge_of(pilot).asked[-1]["documents"] == "laws"


async def test_the_page_is_renewed_when_a_job_ends_that_was_begun_elsewhere() -> None:
    async with opened(edge=with_ferries()) as pilot:
        edge = edge_of(pilot)
        await documents_page(pilot)
        job = await edge.jobs.start("ingest", "Read into harbours", {})
        app_of(pilot).jobs.watch(job)
        edge.collections.kept["harbours"] = [indexed("/x/y.pdf")]
        edge.jobs.say(job.id, Finished())
        await settle(pilot, lambda: "harbours  " in screen_text(pilot))
