"""What a question is limited to is read out of what was typed."""

from __future__ import annotations

from edgellm_tui.asked import asked
from edgellm_tui.screens.documents import LIMITS, DocumentsPage

from edgellm.retrieval.values import Filters
from tests.tui.conftest import app_of, edge_of, opened, screen_text, settle
from tests.tui.document_pages import documents_page, with_ferries


def test_limits_are_taken_out_of_the_question() -> None:
    found = asked(" what  does kind:pdf a ticket tag:law tag:new since:2026-01-31 until:2026-02-01 cost?")
    assert found.question == "what does a ticket cost?"
    assert found.filters == Filters(kinds=("pdf",), tags=("law", "new"), since="2026-01-31", until="2026-02-01")


def test_a_part_of_a_name_is_enough_and_patterns_stay() -> None:
    assert asked("file:fares x file:2026/*.md").filters.files == ("*fares*", "2026/*.md")


def test_a_value_with_blanks_stands_in_quotes() -> None:
    found = asked('tag:"ferry law" what file:"my fares.pdf" kind:"pdf')
    assert found.question == "what"
    assert found.filters == Filters(files=("*my fares.pdf*",), kinds=("pdf",), tags=("ferry law",))
    assert found.limits == ('tag:"ferry law"', 'file:"my fares.pdf"', 'kind:"pdf')


def test_other_words_with_colons_are_words() -> None:
    text = 'std::kind:pdf http://kind:x kind: pdf file:///etc/hosts file:"'
    assert asked(text).question == text
    assert asked(text).filters == Filters()


async def test_the_page_searches_within_the_limits() -> None:
    async with opened(edge=with_ferries()) as pilot:
        page = await documents_page(pilot)
        assert isinstance(page, DocumentsPage)
        page.field.value = "kind:markdown"
        await settle(pilot, lambda: LIMITS[:40] in screen_text(pilot))
        page.field.value = "kind:markdown deckhands tickets"
        await settle(pilot, lambda: "1 passage in ferries with kind:markdown" in screen_text(pilot))
        assert edge_of(pilot).collections.searched[-1] == ("ferries", "deckhands tickets")
        page.field.value = "see file:line"
        await settle(pilot, lambda: "Nothing is found with file:line." in screen_text(pilot))
        await pilot.press("escape")
        await settle(pilot, lambda: "fares.pdf" in screen_text(pilot))
        assert app_of(pilot).frame.query_one(DocumentsPage).split.display
