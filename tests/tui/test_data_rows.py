"""Paging through the rows of a dataset's files."""

from __future__ import annotations

import json
import threading
import tracemalloc
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from edgellm_tui.data_rows import LONGEST_CHARS, PAGE_ROWS, RowPages, views
from hypothesis import given
from hypothesis import strategies as st

from edgellm.errors import DataRejected
from tests.tui.fakes.datasets import chat_line, dropped_line, write_dataset


def written(folder: Path, rows: Sequence[dict[str, Any]]) -> Path:
    """A file of these rows."""
    path = folder / "train.jsonl"
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def numbered(folder: Path, rows: int) -> Path:
    """A file whose questions are counted."""
    return written(folder, [chat_line(f"question {n}", "an answer", line=n) for n in range(1, rows + 1)])


@given(rows=st.integers(0, 3 * PAGE_ROWS + 1), order=st.permutations(range(5)))
def test_every_row_is_on_one_page_whatever_page_is_read_first(
    rows: int, order: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    pages = RowPages(numbered(tmp_path_factory.mktemp("rows"), rows))
    found = {index: pages.page(index) for index in order}
    numbers = [line.number for index in range(5) for line in found[index]]
    assert numbers == list(range(1, rows + 1))
    assert all(len(found[index]) <= PAGE_ROWS for index in found)


def test_a_row_is_read_from_its_place(tmp_path: Path) -> None:
    pages = RowPages(numbered(tmp_path, PAGE_ROWS + 5))
    line = pages.page(1)[2]
    assert (line.number, line.title) == (PAGE_ROWS + 3, f"question {PAGE_ROWS + 3}")
    row = pages.row(line)
    assert row.source == f"faq.jsonl:{PAGE_ROWS + 3}"
    assert [(part.role, part.text) for part in row.parts] == [("user", line.title), ("assistant", "an answer")]


def test_a_search_finds_rows_that_hold_all_words(tmp_path: Path) -> None:
    pages = RowPages(numbered(tmp_path, 250), "QUESTION 24")
    assert [line.number for line in pages.page(0)] == [24, 124, 224, *range(240, 250)]
    assert pages.page(1) == []
    source = RowPages(tmp_path / "train.jsonl", "faq.jsonl:77")
    assert [line.number for line in source.page(0)] == [77]


def test_texts_and_dropped_rows_are_rows_too(tmp_path: Path) -> None:
    dataset = write_dataset(
        tmp_path,
        "mixed",
        {
            "train": [{"id": "0", "text": "  A long\ntext.", "source": {"file": "a.md", "line": 4}}],
            "dropped": [dropped_line("short_answer", "'Yes.'", 7), dropped_line("of_a_later_version", "", 8)],
        },
    )
    train, *_, dropped = views(dataset)
    assert (train.name, train.rows, dropped.name, dropped.rows) == ("train", 1, "dropped", 2)
    pages = RowPages(train.path)
    assert pages.page(0)[0].title == "A long text."
    assert pages.row(pages.page(0)[0]).parts[0].text == "  A long\ntext."
    pages = RowPages(dropped.path)
    first, second = pages.page(0)
    assert first.title == "answer of one word  faq.jsonl:7"
    assert second.title == "of_a_later_version  faq.jsonl:8"
    assert [part.text for part in pages.row(first).parts] == ["answer of one word", "'Yes.'"]


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    path = numbered(tmp_path, 3)
    path.write_bytes(path.read_bytes() + b"{broken\n")
    with pytest.raises(DataRejected, match=r"train\.jsonl:4: the line is no row"):
        RowPages(path).page(0)
    with pytest.raises(DataRejected, match="cannot be read"):
        RowPages(tmp_path / "gone.jsonl").page(0)


def test_a_row_of_a_file_that_became_shorter_is_named(tmp_path: Path) -> None:
    path = numbered(tmp_path, 3)
    pages = RowPages(path)
    last = pages.page(0)[-1]
    path.write_bytes(b"")
    with pytest.raises(DataRejected, match=":3: the file has become shorter"):
        pages.row(last)


def test_long_messages_are_cut_and_control_characters_shown(tmp_path: Path) -> None:
    path = written(tmp_path, [chat_line("\x1b[31mred", "x" * (LONGEST_CHARS + 1_500))])
    pages = RowPages(path)
    line = pages.page(0)[0]
    assert line.title == "␛[31mred"
    answer = pages.row(line).parts[1].text
    assert answer.endswith("… 1,500 more characters")
    assert len(answer) < LONGEST_CHARS + 100


def test_a_stopped_search_ends(tmp_path: Path) -> None:
    pages = RowPages(numbered(tmp_path, 10))
    pages.stop()
    assert pages.page(0) == []


def test_pages_may_be_asked_for_by_several_threads(tmp_path: Path) -> None:
    pages = RowPages(numbered(tmp_path, 4 * PAGE_ROWS))
    found: dict[int, int] = {}

    def read(index: int) -> None:
        found[index] = pages.page(index)[0].number

    threads = [threading.Thread(target=read, args=(index,)) for index in (3, 1, 2, 0)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {index: index * PAGE_ROWS + 1 for index in range(4)}


def test_a_large_file_is_not_held_in_memory(tmp_path: Path) -> None:
    path = written(tmp_path, [chat_line(f"question {n}", "answer " * 500) for n in range(3_000)])
    tracemalloc.start()
    try:
        assert RowPages(path).page(29)[-1].number == 3_000
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert path.stat().st_size > 10_000_000
    assert peak_bytes < 1_000_000
