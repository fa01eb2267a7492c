"""The rows of a dataset: views, search, and leaving at any moment."""

from __future__ import annotations

from pathlib import Path

import pytest
from edgellm_tui.data_rows import PAGE_ROWS
from edgellm_tui.screens.rows import RowBrowser
from textual.events import Key

from tests.tui.conftest import app_of, opened, screen_text, settle
from tests.tui.data_pages import SIZES, data_page, report_of, with_dataset
from tests.tui.fakes import FakeEdge
from tests.tui.fakes.datasets import chat_line, report, write_dataset
from tests.tui.payloads import HOSTILE, is_harmless


@pytest.mark.parametrize("size", SIZES)
async def test_rows_show_their_messages_and_where_they_come_from(tmp_path: Path, size: tuple[int, int]) -> None:
    async with opened(edge=with_dataset(tmp_path), size=size) as pilot:
        await data_page(pilot, "ferries")
        await pilot.press("enter")
        await settle(pilot, lambda: "answer 1" in screen_text(pilot))
        assert "train 250   valid 1   test 0   dropped 2   rows 1 to 100" in screen_text(pilot)
        await pilot.press("down", "down")
        await settle(pilot, lambda: "answer 3" in screen_text(pilot))
        assert "faq.jsonl:3" in screen_text(pilot)
        await pilot.press("escape")
        await settle(pilot, lambda: app_of(pilot).screen is app_of(pilot).frame)


async def test_the_arrows_go_on_to_the_next_page_and_back(tmp_path: Path) -> None:
    async with opened(edge=with_dataset(tmp_path)) as pilot:
        await data_page(pilot, "ferries")
        await pilot.press("enter")
        await settle(pilot, lambda: "answer 1" in screen_text(pilot))
        await pilot.press("up", "end", "down")
        await settle(pilot, lambda: f"answer {PAGE_ROWS + 1}" in screen_text(pilot))
        assert "rows 101 to 200" in screen_text(pilot)
        await pilot.press("up")
        await settle(pilot, lambda: f"answer {PAGE_ROWS}" in screen_text(pilot))
        await pilot.press("n", "n", "n")
        await settle(pilot, lambda: "rows 201 to 250" in screen_text(pilot))
        await pilot.press("p")
        await settle(pilot, lambda: "rows 101 to 200" in screen_text(pilot))


async def test_splits_and_dropped_rows_are_views(tmp_path: Path) -> None:
    async with opened(edge=with_dataset(tmp_path)) as pilot:
        await data_page(pilot, "ferries")
        await pilot.press("r")
        await settle(pilot, lambda: "answer 1" in screen_text(pilot))
        await pilot.press("right")
        await settle(pilot, lambda: "a held-out question" in screen_text(pilot))
        await pilot.press("right")
        await settle(pilot, lambda: "There is no row here." in screen_text(pilot))
        await pilot.press("right")
        await settle(pilot, lambda: "near duplicate  faq.jsonl:9" in screen_text(pilot))
        await pilot.press("down")
        await settle(pilot, lambda: "nearly the same" in screen_text(pilot))
        await pilot.press("right")
        await settle(pilot, lambda: "answer 1" in screen_text(pilot))


async def test_rows_are_found_by_their_words(tmp_path: Path) -> None:
    async with opened(edge=with_dataset(tmp_path)) as pilot:
        await data_page(pilot, "ferries")
        await pilot.press("enter")
        await settle(pilot, lambda: "answer 1" in screen_text(pilot))
        await pilot.press("slash", *"ANSWER 24")
        await settle(pilot, lambda: "answer 24" in screen_text(pilot) and "question 2 " not in screen_text(pilot))
        assert "/ Find" not in screen_text(pilot)
        await pilot.press("tab", "down")
        assert "/ Find" in screen_text(pilot)
        await settle(pilot, lambda: "answer 124" in screen_text(pilot))
        await pilot.press("slash", *" nowhere")
        await settle(pilot, lambda: "No row holds these words." in screen_text(pilot))
        await pilot.press("escape")
        await settle(pilot, lambda: "rows 1 to 100" in screen_text(pilot))
        assert isinstance(pilot.app.screen, RowBrowser)


async def test_a_long_row_is_scrolled_with_the_arrows(tmp_path: Path) -> None:
    edge = FakeEdge()
    long = "\n".join(f"line {n}" for n in range(1, 60))
    edge.datasets.kept["long"] = write_dataset(tmp_path, "long", {"train": [chat_line("q", long)] * 2})
    async with opened(edge=edge) as pilot:
        await data_page(pilot, "long")
        await pilot.press("enter")
        await settle(pilot, lambda: "line 3" in screen_text(pilot))
        await pilot.press("tab", "end")
        await settle(pilot, lambda: "line 59" in screen_text(pilot))
        await pilot.press("tab", "down")
        await settle(pilot, lambda: "line 3" in screen_text(pilot) and "line 59" not in screen_text(pilot))


async def test_a_damaged_dataset_is_told_with_file_and_line(tmp_path: Path) -> None:
    edge = with_dataset(tmp_path)
    with (tmp_path / "ferries" / "valid.jsonl").open("a") as handle:
        handle.write("{damaged\n")
    async with opened(edge=edge, size=(200, 60)) as pilot:
        await data_page(pilot, "ferries")
        await pilot.press("enter")
        await settle(pilot, lambda: "answer 1" in screen_text(pilot))
        await pilot.press("right")
        await settle(pilot, lambda: "The data cannot be read" in screen_text(pilot))
        assert "valid.jsonl:2" in "".join(screen_text(pilot).split())


async def test_a_dataset_that_is_gone_is_told(tmp_path: Path) -> None:
    edge = with_dataset(tmp_path)
    async with opened(edge=edge) as pilot:
        await data_page(pilot, "ferries")
        edge.datasets.kept.clear()
        await pilot.press("enter")
        await settle(pilot, lambda: "There is no dataset named 'ferries'" in screen_text(pilot))
        assert app_of(pilot).screen is app_of(pilot).frame


async def test_rows_names_and_files_are_harmless(tmp_path: Path) -> None:
    edge = FakeEdge()
    written = [payload.encode(errors="replace").decode() for payload in HOSTILE]  # rows are UTF-8
    rows = [chat_line(payload, payload, payload) for payload in written]
    edge.datasets.kept["x"] = write_dataset(tmp_path, "x", {"train": rows})
    edge.datasets.report = report(HOSTILE[0])
    async with opened(edge=edge, size=(120, 50)) as pilot:
        await data_page(pilot, "Dataset")
        await pilot.press("enter")
        for _ in HOSTILE:
            await settle(pilot)
            assert is_harmless(screen_text(pilot))
            await pilot.press("down")
        await pilot.press("escape")
        await report_of(pilot, HOSTILE[0].replace("/", ""))
        assert is_harmless(screen_text(pilot))


async def test_leaving_a_page_while_a_search_runs_ends_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stopped: list[bool] = []
    monkeypatch.setattr("edgellm_tui.screens.rows.RowPages.stop", lambda _: stopped.append(True))
    async with opened(edge=with_dataset(tmp_path)) as pilot:
        await data_page(pilot, "ferries")
        await pilot.press("enter")
        await settle(pilot, lambda: "answer 1" in screen_text(pilot))
        await pilot.press("escape")
        await settle(pilot, lambda: bool(stopped))


@pytest.mark.parametrize("keys", [("r",), ("r", "down"), ("r", "slash", "q", "escape"), ("r", "f1", "escape")])
async def test_the_browser_may_be_left_at_any_moment(tmp_path: Path, keys: tuple[str, ...]) -> None:
    async with opened(edge=with_dataset(tmp_path)) as pilot:
        await data_page(pilot, "ferries")
        for key in (*keys, "escape", "escape"):
            app_of(pilot).post_message(Key(key, "q" if key == "q" else None))
        await settle(pilot, lambda: app_of(pilot).frame.page == "chat")


async def test_the_app_may_be_closed_while_rows_are_read(tmp_path: Path) -> None:
    async with opened(edge=with_dataset(tmp_path)) as pilot:
        await data_page(pilot, "ferries")
        await pilot.press("r")
        app_of(pilot).exit()


async def test_a_page_key_leaves_the_rows(tmp_path: Path) -> None:
    async with opened(edge=with_dataset(tmp_path)) as pilot:
        await data_page(pilot, "ferries")
        await pilot.press("r")
        await settle(pilot, lambda: "answer 1" in screen_text(pilot))
        await pilot.press("f4")
        await settle(pilot, lambda: app_of(pilot).frame.page == "models")
        assert app_of(pilot).screen is app_of(pilot).frame
