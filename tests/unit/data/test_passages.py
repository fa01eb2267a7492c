"""Documents cut into passages: where, how long, under which headings, with which lines."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgellm.data import passages as module
from edgellm.data.passages import PASSAGE_WORDS, Passage, read_passages, word_count
from edgellm.data.sentences import sentence_spans, sentences
from edgellm.errors import DataRejected

DOCUMENT = """# Handbook

A ferry crosses the sound
every single day.

## Tickets

A ticket costs six crowns today.

Dogs pay one crown for it.

### Children

Children under ten travel free.

## Crew

The captain is called Ida Renwick.
"""


def passages_of(tmp_path: Path, text: str, name: str = "a.md") -> list[Passage]:
    (tmp_path / name).write_text(text, encoding="utf-8")
    return list(read_passages([tmp_path / name]))


def test_paragraphs_under_one_heading_are_a_passage_with_file_and_line(tmp_path: Path) -> None:
    found = passages_of(tmp_path, DOCUMENT)
    assert [(each.source.line, each.title, each.text) for each in found] == [
        (3, "Handbook", "A ferry crosses the sound every single day."),
        (8, "Handbook / Tickets", "A ticket costs six crowns today. Dogs pay one crown for it."),
        (14, "Handbook / Tickets / Children", "Children under ten travel free."),
        (18, "Handbook / Crew", "The captain is called Ida Renwick."),
    ]
    assert all(each.source.file == str(tmp_path / "a.md") for each in found)


def test_a_passage_ends_before_it_is_too_long_and_every_word_is_in_one(tmp_path: Path) -> None:
    paragraphs = [f"Paragraph {n} says " + "some words " * 20 for n in range(12)]
    found = passages_of(tmp_path, "\n\n".join(paragraphs), "a.txt")
    assert len(found) == 6
    assert all(word_count(each.text) <= PASSAGE_WORDS for each in found)
    assert " ".join(each.text for each in found).split() == " ".join(paragraphs).split()
    assert [each.source.line for each in found] == [1, 5, 9, 13, 17, 21]


def test_a_long_paragraph_is_cut_at_sentences_and_a_word_without_end_anywhere(tmp_path: Path) -> None:
    long = " ".join(f"Sentence number {n} tells about the ferry." for n in range(60))
    found = passages_of(tmp_path, long, "a.txt")
    assert len(found) > 2
    assert all(each.text.endswith(".") and word_count(each.text) <= PASSAGE_WORDS for each in found)
    endless = passages_of(tmp_path, "x" * 30_000, "b.txt")
    assert max(len(each.text) for each in endless) <= PASSAGE_WORDS * module.CHARS_PER_WORD


def test_lines_count_on_where_a_reader_cuts_a_file(tmp_path: Path) -> None:
    """The reader hands out pieces of about 4,000 characters; headings and lines go on from one to the next."""
    paragraphs = [f"Paragraph {n} is here with " + "w" * 200 for n in range(60)]
    found = passages_of(tmp_path, "# Title\n\n" + "\n\n".join(paragraphs))
    lines = (tmp_path / "a.md").read_text().splitlines()
    assert {each.title for each in found} == {"Title"}
    assert all(lines[each.source.line - 1].startswith(" ".join(each.text.split()[:2])) for each in found)


def test_a_hash_in_a_code_block_is_no_heading(tmp_path: Path) -> None:
    [found] = passages_of(tmp_path, "# Real\n\nRun this command now, please:\n\n```\n# not a heading\nmake all\n```\n")
    assert found.title == "Real"
    assert "# not a heading" in found.text


def test_what_is_too_short_or_came_before_is_no_passage(tmp_path: Path) -> None:
    found = passages_of(
        tmp_path, "# A\n\nToo short.\n\n# B\n\nThis has words enough here.\n\n# B\n\nThis has words enough here."
    )
    assert [each.title for each in found] == ["B"]


def test_texts_in_json_lines_keep_their_line_and_conversations_are_refused(tmp_path: Path) -> None:
    [found] = passages_of(tmp_path, '{"text": "One.\\n\\nThe ferry crosses the sound daily."}\n', "a.jsonl")
    assert (found.source.line, found.text) == (1, "One. The ferry crosses the sound daily.")
    with pytest.raises(DataRejected, match="questions with answers already") as caught:
        passages_of(tmp_path, '{"question": "Where is it?", "answer": "Up north."}\n', "b.jsonl")
    assert caught.value.facts["line"] == 1


def test_too_many_passages_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_PASSAGES", 2)
    with pytest.raises(DataRejected, match="more than 2 passages"):
        passages_of(tmp_path, "\n\n".join(f"# Part {n}\n\nThis part has number {n} now." for n in range(4)))


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ("It opens at 7. It closes at 9.", ["It opens at 7.", "It closes at 9."]),
        ("Dr. Fell lives here. He is old.", ["Dr. Fell lives here.", "He is old."]),
        ("It costs 3.5 crowns, i.e. little.", ["It costs 3.5 crowns, i.e. little."]),
        ("船が来る。人が乗る。", ["船が来る。", "人が乗る。"]),
        ("", []),
    ],
)
def test_sentences(text: str, cut: list[str]) -> None:
    assert sentences(text) == cut


@pytest.mark.parametrize(
    "text",
    [
        "# " + " " * 200_000 + "x",
        "# " + "# " * 100_000 + "x",
        "A. " * 100_000,
        ". " * 100_000,
        "```\n" * 50_000,
        "# h\n" * 50_000,
        "\n" * 200_000 + "five words are in here",
        "。" * 100_000,
        "a " * 300_000,
    ],
    ids=range(9),
)
@pytest.mark.timeout(20)
def test_hostile_texts_cost_no_more_than_others(tmp_path: Path, text: str) -> None:
    found = passages_of(tmp_path, text)
    assert all(word_count(each.text) <= PASSAGE_WORDS for each in found)
    assert all(len(each.title) <= module.LONGEST_HEADING for each in found)


def test_too_much_at_once_is_refused_before_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_BYTES", 100)
    for name in ("a.md", "b.md"):
        (tmp_path / name).write_text("The ferry crosses the sound every day.\n\n" * 2)
    assert list(read_passages([tmp_path / "a.md"]))
    with pytest.raises(DataRejected, match="at most 100 B"):
        list(read_passages([tmp_path]))


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_bytes(b"\xff\xfe\x00")
    for name in ("none.md", "a.md"):
        with pytest.raises(DataRejected, match=name):
            list(read_passages([tmp_path / name]))


@given(st.text(alphabet=st.sampled_from("aB. !?\n。X1")))
def test_sentences_lie_in_order_and_leave_out_blanks_only(text: str) -> None:
    spans = sentence_spans(text)
    ends = [0, *(end for span in spans for end in span)]
    assert ends == sorted(ends)
    covered = "".join(text[begin:end] for begin, end in spans)
    assert "".join(covered.split()) == "".join(text.split())
