"""Whatever files are called and hold, the screen shows text and nothing else happens."""

from __future__ import annotations

from dataclasses import replace

import pytest
from edgellm_tui.collected import CollectionRow, file_facts, file_line
from edgellm_tui.render.passage import hit_content, page_lines, page_path, page_title
from edgellm_tui.render.sources import source_lines
from edgellm_tui.screens.chat_documents import ChooseSource
from edgellm_tui.screens.passage import PassageScreen
from hypothesis import given
from hypothesis import strategies as st

from edgellm.retrieval.values import CollectionInfo, Hit, Place
from edgellm.types import Citation, Evidence
from tests.tui.conftest import app_of, edge_of, opened, say, screen_text, settle
from tests.tui.fakes import FakeEdge, saying
from tests.tui.fakes.clock import NOW
from tests.tui.fakes.documents import indexed, unreadable
from tests.tui.payloads import HOSTILE, is_harmless

NASTY = "".join(HOSTILE)
TEXT = f"needle {NASTY} and more words"
ANY = st.text(alphabet="[]/@=()\\ab$ .'\"\x1b\n\t\u202e", max_size=40)


def hostile_hit(text: str, number: int = 1) -> Hit:
    return Hit(
        chunk_id=number,
        file=f"/x/{text}.pdf",
        page=3,
        headings=(text, text),
        text=f"needle {text}",
        start=0,
        end=len(TEXT),
        score=0.5,
    )


def hostile_citation(text: str) -> Citation:
    hit = hostile_hit(text)
    return Citation(
        n=1, chunk_id=1, file=hit.file, page=3, headings=hit.headings, text=text, start=0, end=len(text), score=1.0
    )


def hostile_edge() -> FakeEdge:
    """A collection whose files, reasons, notices, tags, headings and texts steer terminals and apps."""
    edge = FakeEdge()
    files = [indexed(f"/x/{payload}", kind=payload, title=payload, tags=(payload,)) for payload in HOSTILE]
    files += [unreadable(f"/y/{payload}", f"it is {payload}") for payload in HOSTILE]
    edge.collections.kept = {"nasty": files}
    edge.collections.hits = [hostile_hit(payload, number) for number, payload in enumerate(HOSTILE)]
    edge.collections.texts = dict.fromkeys((hit.file for hit in edge.collections.hits), TEXT)
    edge.collections.defects = list(HOSTILE)
    return edge


async def test_files_reasons_and_passages_on_the_page_are_harmless() -> None:
    async with opened(edge=hostile_edge(), size=(120, 50)) as pilot:
        await pilot.press("ctrl+f")
        await settle(pilot, lambda: "✗ failed" in screen_text(pilot))
        assert is_harmless(screen_text(pilot))
        await pilot.press(*"needle")
        await settle(pilot, lambda: "passages in nasty" in screen_text(pilot))
        assert is_harmless(screen_text(pilot))
        await pilot.press("down", "enter")
        await settle(pilot, lambda: isinstance(pilot.app.screen, PassageScreen))
        assert is_harmless(screen_text(pilot))
        assert "needle" in screen_text(pilot)
        await pilot.press("escape", "escape", "f10")
        await settle(pilot, lambda: "nasty is damaged" in screen_text(pilot))
        assert is_harmless(screen_text(pilot))
        assert pilot.app.is_running


async def test_facts_and_the_question_about_a_file_are_harmless() -> None:
    edge = hostile_edge()
    edge.collections.kept["nasty"] = [unreadable(f"/y/{NASTY}", NASTY)]
    async with opened(edge=edge, size=(120, 50)) as pilot:
        await pilot.press("ctrl+f")
        await settle(pilot, lambda: "✗ failed" in screen_text(pilot))
        app_of(pilot).frame.query_one("#files-list").focus()
        await settle(pilot)
        await pilot.press("enter")
        await settle(pilot, lambda: "Esc closes" in screen_text(pilot))
        assert is_harmless(screen_text(pilot))
        await pilot.press("escape", "f9")
        await settle(pilot, lambda: "Y or Enter: yes" in screen_text(pilot))
        assert is_harmless(screen_text(pilot))


async def test_an_answer_and_its_sources_are_harmless() -> None:
    cited = tuple(hostile_citation(payload) for payload in HOSTILE)
    numbered = [replace(each, n=number) for number, each in enumerate(cited, 1)]
    found = Evidence(collection="nasty", citations=tuple(numbered), unsupported=((0, 30), (31, len(NASTY))))
    script = saying("x")
    script.evidence, script.checked = found, NASTY
    edge = hostile_edge()
    edge.scripts.append(script)
    edge.collections.texts = {each.file: TEXT for each in cited}
    async with opened(edge=edge, size=(120, 60)) as pilot:
        await pilot.press(*"/docs nasty", "enter")
        await settle(pilot, lambda: "from nasty" in screen_text(pilot))
        await say(pilot, "q")
        assert "[?]" in screen_text(pilot)
        assert is_harmless(screen_text(pilot))
        await pilot.press("ctrl+g")
        await settle(pilot, lambda: isinstance(pilot.app.screen, ChooseSource))
        assert is_harmless(screen_text(pilot))
        await pilot.press("1")
        await settle(pilot, lambda: isinstance(pilot.app.screen, PassageScreen))
        assert is_harmless(screen_text(pilot))
        assert edge_of(pilot).asked[-1]["documents"] == "nasty"


@pytest.mark.parametrize("name", ["[/]", "[@click=app.quit]x[/]", "[red"])
async def test_a_collection_of_any_name_stands_on_the_message_box(name: str) -> None:
    async with opened() as pilot:
        app_of(pilot).chat.answer_from(name)
        await settle(pilot, lambda: f"from {name}" in screen_text(pilot))


@given(ANY, ANY)
def test_any_text_is_drawn_harmlessly(text: str, question: str) -> None:
    info = CollectionInfo(name=text, embedder=text, files=1, failed=1, chunks=1, size_bytes=1, updated=NOW)
    page = Place(file=text, page=1, headings=(text,), text=f"{text}{text}", start=0, end=len(text))
    file = unreadable(text or "x", text or "x")
    lines = [
        CollectionRow(info, NOW).line(),
        file_line(file, "", 60),
        *file_facts(file, NOW),
        hit_content(hostile_hit(text), question, 60),
        *page_lines(page, [(0, len(text))], question, 40)[0],
        page_title(page),
        page_path(page),
        *source_lines(Evidence(collection=text, citations=(hostile_citation(text),), removed=1), 60),
    ]
    for line in lines:
        assert is_harmless(line.plain)
        line.render_segments()
