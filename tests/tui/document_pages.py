"""The documents page, opened on two collections."""

from __future__ import annotations

from edgellm_tui.screens.documents import DocumentsPage
from textual.pilot import Pilot

from tests.tui.conftest import app_of, screen_text, settle
from tests.tui.fakes import FakeEdge
from tests.tui.fakes.documents import FERRIES, FOLDER, indexed, unreadable

SCANNED = unreadable(f"{FOLDER}/scan.pdf", "its pages are scanned pictures")


def with_ferries(*more: object) -> FakeEdge:
    """EdgeLLM with two collections."""
    edge = FakeEdge()
    edge.collections.kept = {"ferries": [*FERRIES, *more], "laws": [indexed("/srv/act.docx", kind="docx")]}  # type: ignore[list-item]
    return edge


async def documents_page(pilot: Pilot[None], shows: str = "fares.pdf") -> DocumentsPage:
    await pilot.press("ctrl+f")
    await settle(pilot, lambda: shows in screen_text(pilot))
    return app_of(pilot).frame.query_one(DocumentsPage)
