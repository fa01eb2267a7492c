"""The report as a page and as Markdown: every number, and hostile questions as text."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from edgellm.monitor.report.html import html_page
from edgellm.monitor.report.markdown import markdown_page
from edgellm.monitor.report.prometheus import prometheus_page
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


SERIES = re.compile(r'[a-z_]+(?:\{(?:[a-z]+="(?:[^"\\\n]|\\["\\n])*",?)+\})? -?[0-9.e-]+')
"""A line of Prometheus' text format that holds a value."""


def test_every_figure_is_there_for_prometheus() -> None:
    text = prometheus_page(monitored())
    for line in (
        "edgellm_monitor_questions 340",
        'edgellm_monitor_topic_questions{topic="ferry, island"} 180',
        'edgellm_monitor_topic_questions{topic=""} 88',
        'edgellm_monitor_weak_evidence_ratio{bound=""} 0.125',
        'edgellm_monitor_ratings{rating="up"} 30',
        'edgellm_monitor_ratings{rating="down"} 10',
        'edgellm_monitor_ratings{rating="correction"} 3',
        'edgellm_monitor_review_items{reason="thumbs_down"} 9',
        'edgellm_monitor_first_token_seconds{model="starter@ferry",quantile="0.9"} 0.9',
        'edgellm_monitor_distance{kind="training",reference="starter@ferry"} 0.42',
        'edgellm_monitor_drift{kind="training",reference="starter@ferry"} 1',
    ):
        assert f"{line}\n" in text, line
    assert "handbook" not in text, "too few to say is no figure"
    assert 'model="other"' not in text, "what was not measured is none either"


def test_figures_are_lines_whatever_is_in_their_names() -> None:
    hostile = 'a"b\\c\nd\x1b[2J\u2028e'
    found = monitored()
    topics = tuple(replace(each, label=(hostile,)) for each in found.topics)
    latency = tuple(replace(each, model=hostile) for each in found.latency)
    text = prometheus_page(replace(found, topics=topics, latency=latency))
    lines = text.splitlines()
    assert len(lines) == text.count("\n")
    series = [line for line in lines if not line.startswith("# TYPE ")]
    for line in series:
        assert SERIES.fullmatch(line), line
    names = [line.rsplit(" ", 1)[0] for line in series]
    assert len(set(names)) == len(names), "two topics of one name are one figure"


def test_a_time_without_questions_has_figures_too() -> None:
    assert "edgellm_monitor_questions 0\n" in prometheus_page(nothing())
