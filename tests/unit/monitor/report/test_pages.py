"""The report as a page and as Markdown: every number, and hostile questions as text."""

from __future__ import annotations

import re

import pytest

from edgellm.monitor.report.html import html_page
from edgellm.monitor.report.markdown import markdown_page
from tests.unit.monitor.samples import HOSTILE, monitored, nothing


def test_the_page_shows_every_part() -> None:
    page = html_page(monitored())
    for text in ("91.2 %", "ferry, island", "0.42 s", "farther", "2026-11-02", "starter@ferry", "No adapter"):
        assert text in page, text
    assert page.count("<svg") == 2


def test_hostile_questions_are_text_and_nothing_is_loaded() -> None:
    page = html_page(monitored())
    assert "<script" not in page
    assert "\x1b" not in page
    assert "&lt;script&gt;" in page
    assert not re.search(r"(?:src|href)=", page)
    assert "default-src 'none'" in page


def test_markdown_says_the_same_and_is_no_markup() -> None:
    text = markdown_page(monitored())
    assert "ferry, island" in text
    assert "\\<script\\>" in text
    assert HOSTILE not in text
    assert "91\\.2" in text or "91.2 %" in text


@pytest.mark.parametrize("page", [html_page, markdown_page])
def test_a_time_without_questions(page: object) -> None:
    assert callable(page)
    assert "–" in page(nothing())
