"""The data page: datasets, and the check before one is built."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from edgellm_tui.screens.report import ReportScreen
from edgellm_tui.widgets.fields import LineField

from edgellm.data.report import Counts, Problem
from edgellm.data.rules import Action
from edgellm.errors import DataRejected, MissingExtra, StoreError
from edgellm.sdk.damaged import Damaged
from tests.tui.conftest import app_of, edge_of, opened, screen_text, settle
from tests.tui.data_pages import SIZES, add, data_page, report_of, with_dataset
from tests.tui.fakes import FakeEdge
from tests.tui.fakes.datasets import manifest, measured, report


async def test_datasets_are_listed_with_rows_by_split_and_tokens(tmp_path: Path) -> None:
    edge = with_dataset(tmp_path)
    edge.datasets.kept["faq"] = type(edge.datasets.kept["ferries"])(tmp_path, manifest("faq", tokens=measured("m")))
    async with opened(edge=edge) as pilot:
        await data_page(pilot, "ferries")
        lines = [line.split() for line in screen_text(pilot).splitlines()]
        assert ["Dataset", "Train", "Valid", "Test", "Tokens"] in lines
        assert ["faq", "857", "47", "47", "192k"] in lines
        assert ["ferries", "250", "1", "0"] in lines
        assert "857 to train on, 47 to validate, 47 to test" in screen_text(pilot)
        await pilot.press("down")
        await settle(pilot, lambda: "250 to train on" in screen_text(pilot))


async def test_the_empty_page_says_what_to_do() -> None:
    async with opened() as pilot:
        await data_page(pilot, "There is no dataset yet.")
        await pilot.press("enter", "d", "r")
        await settle(pilot)
        assert app_of(pilot).screen is app_of(pilot).frame
        await pilot.press("escape")
        await settle(pilot, lambda: app_of(pilot).frame.page == "chat")


async def test_a_list_that_cannot_be_read_is_told() -> None:
    edge = FakeEdge()

    async def broken() -> list[object]:
        raise DataRejected("datasets/faq/manifest.json: this is no manifest of a dataset.")

    edge.datasets.list = broken  # type: ignore[method-assign,assignment]
    async with opened(edge=edge) as pilot:
        await data_page(pilot, "The data cannot be read")
        assert "manifest.json" in screen_text(pilot)


async def test_one_that_cannot_be_read_is_named_with_its_reason_and_can_be_deleted(tmp_path: Path) -> None:
    edge = with_dataset(tmp_path)
    edge.datasets.unreadable = [Damaged("old", "manifest.json: this is no manifest of a dataset.")]
    async with opened(edge=edge) as pilot:
        await data_page(pilot, "ferries")
        assert ["old", "cannot", "be", "read"] in [line.split() for line in screen_text(pilot).splitlines()]
        await pilot.press("down")
        await settle(pilot, lambda: "this is no manifest" in screen_text(pilot))
        await pilot.press("d")
        await settle(pilot, lambda: "Delete the dataset old?" in screen_text(pilot))


@pytest.mark.parametrize("size", SIZES)
async def test_nothing_is_written_before_the_report_was_seen(size: tuple[int, int]) -> None:
    async with opened(size=size) as pilot:
        await report_of(pilot)
        shown = screen_text(pilot)
        for part in (
            "jsonl: its name ends",
            "31  near duplicate",
            "faq.jsonl:41",
            "email 9 (masked)",
            "Nothing is wri",
        ):
            assert part in shown
        assert [asked.get("name") for asked in edge_of(pilot).datasets.asked] == [None]
        await pilot.press("escape")
        await settle(pilot, lambda: app_of(pilot).screen is app_of(pilot).frame)
        assert edge_of(pilot).datasets.kept == {}


async def test_enter_builds_under_a_proposed_name() -> None:
    async with opened() as pilot:
        await report_of(pilot)
        await pilot.press("enter")
        await settle(pilot, lambda: "Name of the dataset" in screen_text(pilot))
        await pilot.press("enter")
        await settle(pilot, lambda: "Built faq" in screen_text(pilot))
        await settle(pilot, lambda: "857 to train on" in screen_text(pilot))
        built = edge_of(pilot).datasets.asked[-1]
        assert (built["files"], built["name"], built["replace"]) == (["faq.jsonl"], "faq", False)


async def test_a_dataset_is_replaced_only_after_a_question(tmp_path: Path) -> None:
    async with opened(edge=with_dataset(tmp_path)) as pilot:
        await report_of(pilot, "ferries.csv")
        await pilot.press("enter")
        await settle(pilot, lambda: "ferries-2" in screen_text(pilot))
        pilot.app.screen.query_one(LineField).value = "ferries"
        await pilot.press("enter")
        await settle(pilot, lambda: "Replace the dataset ferries?" in screen_text(pilot))
        await pilot.press("n")
        await settle(pilot, lambda: isinstance(pilot.app.screen, ReportScreen))
        assert "name" not in edge_of(pilot).datasets.asked[-1]
        await pilot.press("enter")
        await settle(pilot, lambda: "Name of the dataset" in screen_text(pilot))
        pilot.app.screen.query_one(LineField).value = "ferries"
        await pilot.press("enter")
        await settle(pilot, lambda: "Replace the dataset ferries?" in screen_text(pilot))
        await pilot.press("y")
        await settle(pilot, lambda: "Built ferries" in screen_text(pilot))
        assert edge_of(pilot).datasets.asked[-1]["replace"] is True


async def test_files_chats_and_a_measuring_model_are_added_to_the_report() -> None:
    async with opened(size=(120, 40)) as pilot:
        await report_of(pilot)
        await add(pilot, "more.csv")
        await settle(pilot, lambda: "faq.jsonl, more.csv" in screen_text(pilot))
        await settle(pilot, lambda: "would be kept" in screen_text(pilot))
        await pilot.press("a")
        await settle(pilot, lambda: "Answers that you corrected" in screen_text(pilot))
        await pilot.press(*"corrected", "enter")
        await settle(pilot, lambda: "more.csv, answers that you corrected" in screen_text(pilot))
        await settle(pilot, lambda: "would be kept" in screen_text(pilot))
        await pilot.press("m")
        await settle(pilot, lambda: "Measure as this model reads" in screen_text(pilot))
        await pilot.press(*"qwen", "enter")
        await settle(pilot, lambda: "tokens as qwen3-4b reads them" in screen_text(pilot))
        asked = edge_of(pilot).datasets.asked[-1]
        assert (asked["files"], asked["chats"], asked["model"]) == (["faq.jsonl", "more.csv"], "corrected", "qwen3-4b")


async def test_a_problem_names_file_and_line_and_nothing_can_be_built() -> None:
    edge = FakeEdge()
    found = "faq.jsonl:7: the line is not UTF-8: byte 0xFF at position 3."
    problem = Problem(file="faq.jsonl", line=7, message=found, hint="Save the file as UTF-8.")
    nothing = Counts(read=6, kept=0, dropped={}, splits={"train": 0, "valid": 0, "test": 0})
    edge.datasets.report = report(problems=(problem,), counts=nothing)
    async with opened(edge=edge) as pilot:
        await report_of(pilot)
        assert found in screen_text(pilot)
        assert "Save the file as UTF-8." in screen_text(pilot)
        await pilot.press("enter")
        await settle(pilot)
        assert "Name of the dataset" not in screen_text(pilot)


@pytest.mark.parametrize(
    "error", [MissingExtra("numpy is missing.", hint="pip install 'edgellm[train]'"), StoreError("x")]
)
async def test_a_check_that_fails_says_why(error: Exception) -> None:
    edge = FakeEdge()
    edge.datasets.report = error
    async with opened(edge=edge) as pilot:
        await data_page(pilot, "Dataset")
        await add(pilot, "faq.jsonl")
        await settle(pilot, lambda: str(error).split(".")[0] in screen_text(pilot))
        assert isinstance(pilot.app.screen, ReportScreen)


async def test_columns_that_nobody_knows_are_named() -> None:
    async with opened() as pilot:
        await report_of(pilot)
        await pilot.press("c")
        await settle(pilot, lambda: "Which column is what" in screen_text(pilot))
        pilot.app.screen.query_one(LineField).value = "prompt=Frage,completion=Antwort"
        await pilot.press("enter")
        await settle(pilot, lambda: len(edge_of(pilot).datasets.asked) == 2)
        assert edge_of(pilot).datasets.asked[-1]["columns"] == "prompt=Frage,completion=Antwort"
        await settle(pilot, lambda: "would be kept" in screen_text(pilot))
        await pilot.press("c")
        await settle(pilot, lambda: "completion=Antwort" in screen_text(pilot))
        pilot.app.screen.query_one(LineField).value = ""
        await pilot.press("enter")
        await settle(pilot, lambda: len(edge_of(pilot).datasets.asked) == 3)
        assert edge_of(pilot).datasets.asked[-1]["columns"] is None


async def test_personal_data_is_masked_until_something_else_is_chosen() -> None:
    async with opened() as pilot:
        await report_of(pilot)
        asked = edge_of(pilot).datasets.asked
        masked = asked[-1]["rules"]
        await pilot.press("p")
        await settle(pilot, lambda: "Each is replaced" in screen_text(pilot))
        await pilot.press("down", "down", "enter")
        await settle(pilot, lambda: len(asked) == 2)
        assert masked is None
        assert set(asked[-1]["rules"].personal.values()) == {Action.DROP}
        await settle(pilot, lambda: "would be kept" in screen_text(pilot))


async def test_a_build_that_fails_keeps_the_report() -> None:
    async with opened() as pilot:
        await report_of(pilot)
        edge_of(pilot).datasets.failure = DataRejected("faq.jsonl: the content changed while it was read.")
        await pilot.press("enter")
        await settle(pilot, lambda: "Name of the dataset" in screen_text(pilot))
        await pilot.press("enter")
        await settle(pilot, lambda: "the content changed while it was read" in screen_text(pilot))
        assert "951 of 1,000 rows" in screen_text(pilot)


async def test_long_reading_shows_how_far_it_is_and_ends_when_it_is_left() -> None:
    edge = FakeEdge()
    edge.datasets.hold = threading.Event()
    async with opened(edge=edge) as pilot:
        await data_page(pilot, "Dataset")
        await add(pilot, "faq.jsonl")
        await settle(pilot, lambda: "12,000 rows   2,000 a second   reading faq.jsonl" in screen_text(pilot))
        await pilot.press("enter", "a", "m")
        await settle(pilot)
        assert isinstance(pilot.app.screen, ReportScreen)
        await pilot.press("escape")
        await settle(pilot, lambda: edge.datasets.was_stopped)
        assert app_of(pilot).screen is app_of(pilot).frame


async def test_a_path_is_completed_and_a_folder_opened(tmp_path: Path) -> None:
    for name in ("texts/a.md", "texts/deeper/faq.csv"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    async with opened(size=(120, 40)) as pilot:
        await data_page(pilot, "Dataset")
        await pilot.press("a")
        await settle(pilot, lambda: "texts/" in screen_text(pilot))
        await pilot.press("t", "tab")
        await settle(pilot, lambda: "1 text as one source" in screen_text(pilot))
        field = pilot.app.screen.query_one(LineField)
        assert field.value == "texts/"
        await pilot.press("d", "enter")
        await settle(pilot, lambda: field.value == "texts/deeper/" and "faq.csv" in screen_text(pilot))
        await pilot.press("enter")
        await settle(pilot, lambda: "would be kept" in screen_text(pilot))
        assert edge_of(pilot).datasets.asked[-1]["files"] == ["texts/deeper/faq.csv"]


async def test_a_path_that_is_not_there_is_given_to_the_check_as_it_is() -> None:
    async with opened() as pilot:
        await report_of(pilot, "no/such/file.csv")
        assert edge_of(pilot).datasets.asked[-1]["files"] == ["no/such/file.csv"]


async def test_deleting_asks_first(tmp_path: Path) -> None:
    async with opened(edge=with_dataset(tmp_path)) as pilot:
        await data_page(pilot, "ferries")
        await pilot.press("d")
        await settle(pilot, lambda: "Delete the dataset ferries?" in screen_text(pilot))
        await pilot.press("n", "d")
        await settle(pilot, lambda: "Delete the dataset ferries?" in screen_text(pilot))
        assert list(edge_of(pilot).datasets.kept) == ["ferries"]
        await pilot.press("y")
        await settle(pilot, lambda: "There is no dataset yet." in screen_text(pilot))
        assert edge_of(pilot).datasets.kept == {}


async def test_a_report_is_left_by_its_own_key_only_and_shows_no_other() -> None:
    async with opened() as pilot:
        await report_of(pilot)
        assert "F4 Models" not in screen_text(pilot)
        await pilot.press("f4")
        assert isinstance(pilot.app.screen, ReportScreen)
        assert app_of(pilot).frame.page == "data"


async def test_an_empty_page_shows_no_key_that_needs_a_dataset(tmp_path: Path) -> None:
    async with opened() as pilot:
        await data_page(pilot, "There is no dataset yet.")
        assert "r Rows" not in screen_text(pilot)
        assert "a Add files" in screen_text(pilot)
        edge_of(pilot).datasets.kept["ferries"] = with_dataset(tmp_path).datasets.kept["ferries"]
        await pilot.press("f2", "f8")
        await settle(pilot, lambda: "r Rows" in screen_text(pilot))
