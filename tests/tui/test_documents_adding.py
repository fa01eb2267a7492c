"""Files are read into a collection: the form, the job, and what it says in the end."""

from __future__ import annotations

from pathlib import Path

import pytest
from edgellm_tui.adding import outcome, outcome_of_reindex, proposed_name
from edgellm_tui.paths import documents
from edgellm_tui.screens.document_dialogs import AddDocuments
from textual.pilot import Pilot

from edgellm.errors import InvalidInput
from edgellm.events import Failed, Finished, Progressed
from edgellm.retrieval.shelf import checked_collection_name
from tests.tui.conftest import edge_of, opened, screen_text, settle
from tests.tui.document_pages import SCANNED, documents_page, with_ferries
from tests.tui.fakes import FakeEdge
from tests.tui.fakes.documents import indexed


async def fill(pilot: Pilot[None], path: str) -> AddDocuments:
    await pilot.press("f5")
    await settle(pilot, lambda: isinstance(pilot.app.screen, AddDocuments))
    dialog = pilot.app.screen
    assert isinstance(dialog, AddDocuments)
    dialog.path.value = path
    return dialog


async def test_a_folder_is_added_as_a_job_and_what_failed_is_said(tmp_path: Path) -> None:
    folder = tmp_path / "my papers"
    folder.mkdir()
    async with opened(size=(120, 40)) as pilot:
        edge = edge_of(pilot)
        await documents_page(pilot, "There is no collection yet.")
        await fill(pilot, str(folder))
        await pilot.press("enter")
        await settle(pilot, lambda: bool(edge.collections.added))
        asked = edge.collections.added[0]
        assert asked == {"collection": "my-papers", "paths": [str(folder)], "sync": False, "tags": ()}
        edge.jobs.say("j1", Progressed(done=1, total=3, note=str(folder / "a.pdf")))
        await settle(pilot, lambda: "1 of 3 files" in screen_text(pilot))
        edge.collections.kept["my-papers"] = [indexed(str(folder / "a.pdf")), SCANNED]
        edge.jobs.say("j1", Finished(result={"added": 1, "failed": [{"file": "scan.pdf", "reason": "x"}]}))
        await settle(pilot, lambda: "1 added, 1 could not be read: the list says why" in screen_text(pilot))
        await settle(pilot, lambda: "its pages are scanned pictures" in screen_text(pilot))


async def test_the_new_collection_is_highlighted_when_it_is_there(tmp_path: Path) -> None:
    async with opened(edge=with_ferries()) as pilot:
        edge, page = edge_of(pilot), await documents_page(pilot)
        dialog = await fill(pilot, str(tmp_path))
        dialog.name_field.value = "new"
        await pilot.press("enter")
        await settle(pilot, lambda: bool(edge.collections.added))
        edge.collections.kept["new"] = [indexed("/x/new.txt")]
        edge.jobs.say("j1", Finished(result={"added": 1}))
        await settle(pilot, lambda: page.chosen is not None and page.chosen.name == "new")


async def test_files_are_shown_as_they_are_read_and_the_highlight_stays(tmp_path: Path) -> None:
    async with opened(size=(120, 40)) as pilot:
        edge, page = edge_of(pilot), await documents_page(pilot, "There is no collection yet.")
        dialog = await fill(pilot, str(tmp_path))
        dialog.name_field.value = "new"
        await pilot.press("enter")
        await settle(pilot, lambda: bool(edge.collections.added))
        edge.collections.kept["new"] = [indexed("/x/m.txt"), indexed("/x/n.txt")]
        edge.jobs.say("j1", Progressed(done=2, total=200, rate=0.3))
        await settle(pilot, lambda: "n.txt" in screen_text(pilot))
        assert "2 of 200 files · 18 files/min" in screen_text(pilot)
        page.files.list.highlighted = 1
        edge.collections.kept["new"] = [indexed("/x/a.txt"), *edge.collections.kept["new"]]
        edge.jobs.say("j1", Progressed(done=3, total=200))
        await settle(pilot, lambda: "a.txt" in screen_text(pilot))
        assert page.files.chosen is not None
        assert page.files.chosen.name == "/x/n.txt"


async def test_a_job_that_ends_leaves_the_highlight_where_it_was_moved_to(tmp_path: Path) -> None:
    async with opened(edge=with_ferries()) as pilot:
        edge, page = edge_of(pilot), await documents_page(pilot)
        dialog = await fill(pilot, str(tmp_path))
        dialog.name_field.value = "new"
        await pilot.press("enter")
        await settle(pilot, lambda: bool(edge.collections.added))
        await pilot.press("down")
        await settle(pilot, lambda: page.chosen is not None and page.chosen.name == "laws")
        edge.collections.kept["new"] = [indexed("/x/new.txt")]
        edge.jobs.say("j1", Finished(result={"added": 1}))
        await settle(pilot, lambda: page.list.option_count == 3)
        assert page.chosen is not None
        assert page.chosen.name == "laws"


async def test_a_job_that_fails_is_told_by_the_dock(tmp_path: Path) -> None:
    async with opened(edge=with_ferries()) as pilot:
        await documents_page(pilot)
        await fill(pilot, str(tmp_path))
        await pilot.press("enter")
        await settle(pilot, lambda: bool(edge_of(pilot).collections.added))
        edge_of(pilot).jobs.say("j1", Failed(error="DiskFull", message="No space is left."))
        await settle(pilot, lambda: "failed: No space is left." in screen_text(pilot))


async def test_tags_and_what_becomes_of_files_that_are_gone_are_handed_on(tmp_path: Path) -> None:
    async with opened(edge=with_ferries()) as pilot:
        await documents_page(pilot)
        await fill(pilot, str(tmp_path))
        await pilot.press("down")
        assert pilot.app.focused is not None
        assert pilot.app.focused.id == "add-name"
        await pilot.press("down", *"law,", "space", *"2026", "down", "right", "enter")
        await settle(pilot, lambda: bool(edge_of(pilot).collections.added))
        asked = edge_of(pilot).collections.added[0]
        assert (asked["collection"], asked["tags"], asked["sync"]) == ("ferries", ("law", "2026"), True)


async def test_the_path_is_completed_and_a_wrong_one_is_refused() -> None:
    Path("papers/deep").mkdir(parents=True)
    Path("papers/notes.odd").touch()
    async with opened() as pilot:
        await documents_page(pilot, "There is no collection yet.")
        dialog = await fill(pilot, "pap")
        await settle(pilot, lambda: "▸ papers/" in screen_text(pilot))
        await pilot.press("tab")
        await settle(pilot, lambda: "papers/notes.odd" in screen_text(pilot))
        assert dialog.path.value == "papers/"
        await pilot.press("tab")
        assert dialog.path.value == "papers/notes.odd"
        await settle(pilot, lambda: not dialog.menu.display)
        await pilot.press("x", "enter")
        await settle(pilot, lambda: "There is no file or folder 'papers/notes.oddx'." in screen_text(pilot))
        dialog.path.value = ""
        await pilot.press("enter")
        await settle(pilot, lambda: "There is nothing to read yet." in screen_text(pilot))
        assert edge_of(pilot).collections.added == []
        await pilot.press("tab")
        assert pilot.app.focused is dialog.name_field


async def test_a_name_that_no_collection_can_have_is_told(tmp_path: Path) -> None:
    edge = FakeEdge()
    edge.collections.failure = InvalidInput("'a/b' cannot be a collection's name.")
    async with opened(edge=edge) as pilot:
        await documents_page(pilot, "There is no collection yet.")
        await fill(pilot, str(tmp_path))
        await pilot.press("enter")
        await settle(pilot, lambda: "'a/b' cannot be a collection's name." in screen_text(pilot))


async def test_sync_asks_and_reads_again_what_was_added() -> None:
    async with opened(edge=with_ferries()) as pilot:
        edge = edge_of(pilot)
        await documents_page(pilot)
        await pilot.press("f6")
        await settle(pilot, lambda: "Bring ferries up to date?" in screen_text(pilot))
        await pilot.press("n")
        assert edge.collections.synced == []
        await pilot.press("f6")
        await settle(pilot, lambda: "Bring ferries up to date?" in screen_text(pilot))
        await pilot.press("y")
        await settle(pilot, lambda: edge.collections.synced == ["ferries"])
        edge.jobs.say("j1", Finished(result={"changed": 2, "removed": 1}))
        await settle(pilot, lambda: "2 changed, 1 removed" in screen_text(pilot))


async def test_a_folder_that_is_gone_is_told() -> None:
    edge = with_ferries()
    async with opened(edge=edge) as pilot:
        await documents_page(pilot)
        edge.collections.failure = InvalidInput("There is no file or folder '/home/me/ferry'.")
        await pilot.press("f6")
        await settle(pilot, lambda: "Bring ferries up to date?" in screen_text(pilot))
        await pilot.press("y")
        await settle(pilot, lambda: "There is no file or folder '/home/me/ferry'." in screen_text(pilot))


async def embed_again(pilot: Pilot[None], *keys: str) -> None:
    await pilot.press("f12")
    await settle(pilot, lambda: "Make the vectors of ferries anew" in screen_text(pilot))
    assert "again by all-MiniLM-L6-v2" in screen_text(pilot)
    await pilot.press(*keys)


async def test_vectors_are_made_anew_by_the_embedder_of_the_collection() -> None:
    async with opened(edge=with_ferries(), size=(120, 40)) as pilot:
        edge = edge_of(pilot)
        await documents_page(pilot)
        await embed_again(pilot, "enter")
        await settle(pilot, lambda: edge.collections.embedded == [("ferries", "")])
        edge.jobs.say("j1", Finished(result={"embedder": "all-MiniLM-L6-v2", "chunks": 1240, "cut": 0}))
        await settle(pilot, lambda: "1,240 passages have vectors of all-MiniLM-L6-v2" in screen_text(pilot))


async def test_vectors_are_made_anew_by_an_embedder_that_is_named() -> None:
    async with opened(edge=with_ferries()) as pilot:
        await documents_page(pilot)
        await embed_again(pilot, *"gte", "minus", *"small", "enter")
        await settle(pilot, lambda: edge_of(pilot).collections.embedded == [("ferries", "gte-small")])


async def test_without_an_answer_the_vectors_stay() -> None:
    async with opened(edge=with_ferries()) as pilot:
        await documents_page(pilot)
        await embed_again(pilot, *"gte", "escape")
        await settle(pilot, lambda: "Make the vectors of ferries anew" not in screen_text(pilot))
        assert edge_of(pilot).collections.embedded == []


def test_passages_that_the_new_embedder_cuts_are_a_warning() -> None:
    told, cut = outcome_of_reindex({"embedder": "\x1b[2Jx", "chunks": 7, "cut": 2})
    assert told == "7 passages have vectors of ␛[2Jx; 2 are longer than it reads: their ends are found by words only"
    assert cut == 2


def test_a_folder_offers_files_of_any_kind_and_folders() -> None:
    Path("papers/deep").mkdir(parents=True)
    Path("papers/.hidden").touch()
    Path("papers/a\x1b[2J.txt").touch()
    Path("papers/odd.xyz").touch()
    assert [each.path for each in documents("papers/")] == ["papers/odd.xyz", "papers/deep/"]
    assert documents("nowhere/") == []


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/a/My Papers", "My-Papers"),
        ("/a/fares.v2.pdf", "fares.v2"),
        ("/a/fares..v2.pdf", "fares.v2"),
        ("/a/ünïcode", "n-code"),
        ("/a/нет", "documents"),
        pytest.param("/a/" + 120 * "long", 24 * "long", id="too long"),
    ],
)
def test_a_collection_is_named_after_what_is_read(path: str, name: str) -> None:
    assert proposed_name(path) == checked_collection_name(name)


def test_the_outcome_counts_what_was_done() -> None:
    result = {"added": 1200, "changed": 0, "unchanged": 3, "removed": 1, "failed": [], "chunks": 9}
    assert outcome(result) == ("1,200 added, 3 unchanged, 1 removed", 0)
    assert outcome({}) == ("nothing to read", 0)
