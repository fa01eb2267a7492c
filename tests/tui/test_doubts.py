"""Sentences without support, marked in an answer's Markdown."""

from __future__ import annotations

import pytest
from edgellm_tui.evidence import Source, marks, place, sources, stored_evidence
from edgellm_tui.render.doubts import BEGIN, END, END_OF_SENTENCE
from edgellm_tui.render.markdown import MarkdownText
from edgellm_tui.render.sources import source_lines
from edgellm_tui.render.spans import clean_with_spans
from hypothesis import given
from hypothesis import strategies as st

from edgellm.safetext import clean
from edgellm.types import Evidence
from tests.tui.fakes.documents import CREW, FARES, FREE, PAGE, TICKET, citation, evidence
from tests.tui.payloads import HOSTILE, is_harmless

WORDS = "The boat sinks."


def shown(source: str, *sentences: str) -> list[str]:
    spans = [(source.index(each), source.index(each) + len(each)) for each in sentences]
    return [line.plain for line in MarkdownText(source, spans).lines(60)]


def styled(source: str, *sentences: str) -> list[str]:
    """The texts that look unsupported."""
    spans = [(source.index(each), source.index(each) + len(each)) for each in sentences]
    lines = MarkdownText(source, spans).lines(60)
    return [line.plain[s.start : s.end] for line in lines for s in line.spans if s.style == "unsupported"]


@pytest.mark.parametrize(
    ("source", "line"),
    [
        (f"It floats. {WORDS} It rests.", f"It floats. {WORDS} [?] It rests."),
        (f"- It floats.\n- {WORDS}", f"• {WORDS} [?]"),
        (f"1. It floats.\n2. {WORDS}", f"2. {WORDS} [?]"),
        (f"# {WORDS}", f"{WORDS} [?]"),
        (f"> {WORDS}", f"▎ {WORDS} [?]"),
    ],
)
def test_the_sign_stands_behind_the_sentence_whatever_it_is_in(source: str, line: str) -> None:
    assert line in shown(source, WORDS)
    assert styled(source, WORDS) == [WORDS]


@pytest.mark.parametrize("sentence", ["**The boat sinks.**", "_The boat sinks._", "The *boat* sinks.", "`a` sinks."])
def test_emphasis_beside_a_mark_stays_emphasis(sentence: str) -> None:
    marked = MarkdownText(sentence, [(0, len(sentence))]).lines(60)[0]
    plain = MarkdownText(sentence).lines(60)[0]
    assert marked.plain == f"{plain.plain} [?]"
    looks = {span.style for span in plain.spans}
    assert looks < {span.style for span in marked.spans}


def test_a_sentence_over_list_items_is_marked_in_each_and_signed_once() -> None:
    source = "- one thing\n- another thing"
    assert shown(source, source) == ["• one thing", "• another thing [?]"]
    assert styled(source, source) == ["one thing", "another thing"]


def test_tables_rules_and_code_are_not_broken() -> None:
    source = "| Ferry | Fare |\n|---|---|\n| Morwenna | nine |\n\n---\n\n```py\nprint(1)\n```\n"
    plain = [line.plain for line in MarkdownText(source).lines(60)]
    marked = shown(source, source)
    assert [line.replace(" [?]", "    ") for line in marked][4:] == plain[4:]
    assert sum("[?]" in line for line in marked) <= 1
    assert not any(mark in line for line in marked for mark in (BEGIN, END, END_OF_SENTENCE))


def test_no_model_can_write_a_mark() -> None:
    forged = f"{BEGIN}It floats.{END_OF_SENTENCE} And `{END}`."
    assert shown(forged) == ["·It floats.· And ·."]
    assert styled(forged) == []


@given(st.text(alphabet="ab .|-#>*`_1)\n", max_size=60), st.integers(0, 60), st.integers(0, 60))
def test_any_span_in_any_markdown_is_drawn(source: str, begin: int, end: int) -> None:
    for line in MarkdownText(source, [(min(begin, end), max(begin, end))]).lines(30):
        assert not any(mark in line.plain for mark in (BEGIN, END, END_OF_SENTENCE))
        line.render_segments()


@given(
    st.lists(st.sampled_from([*HOSTILE, "plain ", "\r\n", "\r"]), max_size=6), st.integers(-2, 60), st.integers(-2, 60)
)
def test_cleaning_keeps_the_text_and_its_spans(parts: list[str], begin: int, end: int) -> None:
    text = "".join(parts)
    cleaned, spans = clean_with_spans(text, [(min(begin, end), max(begin, end))])
    assert cleaned == clean(text)
    assert 0 <= spans[0][0] <= spans[0][1] <= len(cleaned)


def test_spans_move_with_what_is_before_them() -> None:
    cleaned, spans = clean_with_spans("\x1b[2J\u200bzero A ferry.", [(10, 18)])
    assert [cleaned[begin:end] for begin, end in spans] == ["A ferry."]


# Sources


def test_a_passage_is_listed_once_by_its_number() -> None:
    found = sources(evidence(citation(2, "Four deckhands", CREW), citation(1, TICKET), citation(1, FREE)))
    assert [(source.number, len(source.citations)) for source in found] == [(1, 2), (2, 1)]
    assert found[0].place == "fares.pdf, page 3, Ferry > Fares"
    assert sources(None) == []


def test_a_place_is_one_clean_line_of_bounded_length() -> None:
    named = place("/tmp/" + "".join(HOSTILE) + "\n.pdf", 3, ["\x1b[2J" * 999])
    assert is_harmless(named)
    assert "\n" not in named
    assert len(named) <= 200


@pytest.mark.parametrize(
    ("found", "says"),
    [
        (evidence(is_weak=True), "Nothing in ferries comes near the question; no model was asked."),
        (evidence(unsupported=((0, 4),)), "No passage of ferries is cited.|[?] a sentence that no passage supports"),
        (evidence(citation(1, TICKET), removed=2), "2 citations were taken out: no passage says it"),
        (evidence(citation(1, TICKET)), "Sources in ferries|[1] fares.pdf, page 3, Ferry > Fares"),
    ],
)
def test_what_stands_under_an_answer(found: Evidence, says: str) -> None:
    shown = "\n".join(line.plain for line in source_lines(found, 70))
    for part in says.split("|"):
        assert part in shown


def test_cited_sentences_are_found_on_the_page_also_after_it_moved() -> None:
    source = Source(1, (citation(1, TICKET), citation(1, FREE)))
    shift = PAGE.index(TICKET) - source.citations[0].start
    here = [(PAGE.index(each), PAGE.index(each) + len(each)) for each in (TICKET, FREE)]
    assert marks(source, PAGE, shift) == here
    assert marks(source, "New words. " + PAGE, shift) == [(begin + 11, end + 11) for begin, end in here]
    assert marks(source, "Another text.", shift) == []


def test_evidence_of_another_kind_is_none() -> None:
    assert stored_evidence(None) is None
    assert stored_evidence({"tools": ["calculator"]}) is None
    assert stored_evidence({"collection": "c", "citations": [{"n": 1}]}) is None


def test_stored_evidence_comes_back() -> None:
    import msgspec

    found = evidence(citation(1, TICKET), unsupported=((3, 9),), removed=1)
    assert stored_evidence(msgspec.json.decode(msgspec.json.encode(found))) == found
    assert FARES in str(found)
