"""Any question becomes a safe query, and rare words decide."""

from __future__ import annotations

import random
import string
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgellm.retrieval.collection import Collection
from edgellm.retrieval.collection.words import spaced
from edgellm.retrieval.search import words
from edgellm.retrieval.search.words import MAX_WORDS, by_words, expression_for, words_of
from tests.unit.retrieval.library import IDENTITY, add, chunks, document, source, vectors

PASSAGES = (
    "The lamp of Skerry Voe was lit in 1869 by the keeper.",
    "The keeper's name is Ann Brodie; she oils the lamp.",
    "Die Größe des Leuchtturms beträgt 40 m.",
    "灯台は1869年に点灯されました。",
    "दीपस्तंभ की रोशनी",
    "ประภาคารแห่งนี้เก่าแก่มาก",
    "The cutter brings supplies twice a month: oil, C++ books and rope.",
    'A "quoted" AND (bracketed) NEAR/3 note* with ^carets -minus +plus {col : x}',
)
HOSTILE = (
    "", " ", '"', '""', "'", "''", "*", "AND", "OR", "NOT", "NEAR", "NEAR(", "NEAR(a b, 5)", "a AND", "AND b",
    "NOT lamp", "(", ")", "((((", "text:lamp", "words:lamp", "-lamp", "+lamp", "^lamp", "lamp*", "{text}: lamp",
    "lamp\x00keeper", "\x00", "\ud800", "\udcff lamp", "'; DROP TABLE files; --", "lamp' OR 1=1", "%s %d", "\\",
    '\\"', 'a"b', 'lamp" OR "keeper', "🔦🔦", "\u200b", "\u202elamp", "ﷺ", "\u0364", "ⅷ", "１２３", "ªº", "\U0001d518",
    "\ue000", "ß", "İ", "lamp;lamp,lamp", "x" * 10_000, "lamp " * 2000, "(" * 10_000, '"' * 9_999, "灯" * 10_000,
    "\u0301" * 10_000, " ".join(map(str, range(3000))), "ﷺ" * 10_000,
)  # fmt: skip


@pytest.fixture
def filled(collection: Collection) -> Collection:
    for number, passage in enumerate(PASSAGES):
        add(collection, f"{number}", passage)
    return collection


def found(collection: Collection, question: str) -> list[int]:
    with collection.view() as view:
        return [number for number, _ in by_words(view.execute, question, 10, None)]


@pytest.mark.parametrize("question", HOSTILE, ids=range(len(HOSTILE)))
def test_any_text_is_a_question(filled: Collection, question: str) -> None:
    assert isinstance(found(filled, question), list)


def test_five_hundred_invented_questions(filled: Collection) -> None:
    dice = random.Random(0)
    pieces = [
        "lamp",
        "keeper",
        "AND",
        "OR",
        "NOT",
        "NEAR",
        "灯台",
        "दीप",
        "ประ",
        "😀",
        "\x00",
        "\ud800",
        *string.punctuation,
        *" \t\n",
    ]
    for _ in range(500):
        question = "".join(dice.choices(pieces, k=dice.choice([1, 3, 10, 100, 1000])))
        assert isinstance(found(filled, question), list)
    assert filled.verify() == []


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("shared") / "c.sqlite"
    with Collection.create(path, IDENTITY) as made:
        for number, passage in enumerate(PASSAGES):
            add(made, f"{number}", passage)
    return path


@settings(max_examples=200)
@given(st.text(st.characters(exclude_categories=()), max_size=300))
def test_any_characters_are_a_question(shared: Path, question: str) -> None:
    with Collection.open(shared) as opened:
        assert isinstance(found(opened, question), list)


@pytest.mark.parametrize(
    ("question", "best"),
    [
        ("when was the lamp lit?", 1),
        ("ANN BRODIE", 2),
        ("grosse große Größe", 3),
        ("leuchttuerme GRÖSSE", 3),
        ("groſſe GRÖSSE", 3),
        ("ｓｕｐｐｌｉｅｓ", 7),
        ("点灯", 4),
        ("灯台はいつ点灯されたか", 4),
        ("रोशनी", 5),
        ("เก่าแก่", 6),
        ("c++ books", 7),
        ("what is NEAR(bracketed)?", 8),
    ],
)
def test_words_are_found_in_any_script(filled: Collection, question: str, best: int) -> None:
    assert found(filled, question)[0] == best


def test_headings_are_searched(collection: Collection) -> None:
    whole = document("Nothing of the kind.")
    collection.put(source("a"), whole, chunks(whole, headings=("Supplies", "Paraffin")), vectors(1))
    assert found(collection, "paraffin") == [1]


def test_words_of_a_text() -> None:
    assert words_of('What\'s "the" C++ of the naïve lamp-post_2?') == [
        "what",
        "s",
        "the",
        "c",
        "of",
        "naïve",
        "lamp",
        "post",
        "2",
    ]
    assert words_of("रोशनी की") == ["रोशनी", "की"]
    assert words_of("灯台は a") == ["灯台", "台は", "a"]
    assert len(words_of(" ".join(map(str, range(999))))) == MAX_WORDS


def test_letters_have_one_form() -> None:
    assert words_of("conﬁgure GRÖẞE Ｗｉｄｅ cafe\u0301") == ["configure", "grösse", "wide", "café"]


def test_unspaced_scripts_are_cut_into_pairs() -> None:
    assert spaced("見よ、東京タワーtower") == " 見よ 、 東京 京タ タワ ワー tower"
    assert spaced("x見x").split() == ["x", "見", "x"]


def expression(collection: Collection, question: str) -> str:
    with collection.view() as view:
        return expression_for(view.execute, words_of(question), words.MAX_SCORED)


def test_words_in_most_passages_are_left_out(collection: Collection) -> None:
    for number in range(10):
        add(collection, f"{number}", f"the lamp {'rare' if number == 3 else 'usual'} {number}")
    assert expression(collection, "the rare lamp unknown") == '"rare"'
    assert found(collection, "the rare lamp") == [4]
    assert expression(collection, "the lamp") == '"the" OR "lamp" OR ("the" AND "lamp")'  # all there is to go by
    assert len(found(collection, "the lamp")) == 10
    assert expression(collection, "unknown") == ""
    assert found(collection, "unknown") == []


def test_a_passage_with_all_words_comes_first(collection: Collection) -> None:
    for number in range(20):
        words = {3: "lamp oil", 5: "lamp lamp lamp", 7: "oil oil oil"}.get(number, "nothing of the kind")
        add(collection, f"{number}", f"number {number}: {words} and much else besides")
    assert expression(collection, "lamp oil") == '"lamp" OR "oil" OR ("lamp" AND "oil")'
    assert found(collection, "lamp oil")[0] == 4


def test_a_question_ranks_a_bounded_number_of_passages(collection: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(words, "MAX_SCORED", 5)
    for number in range(20):
        kinds = [kind for kind, every in (("third", 3), ("fourth", 4), ("tenth", 10)) if number % every == 0]
        add(collection, f"{number}", f"number {number} {' '.join(kinds)}")
    both = '("tenth" AND "fourth" AND "third")'
    assert expression(collection, "third fourth tenth") == f'"tenth" OR {both}'  # in 2, 5 and 7 passages
    assert expression(collection, "third fourth") == '"fourth" OR ("fourth" AND "third")'
    assert expression(collection, "third number") == '"third"'
    assert len(found(collection, "third")) == 5
    monkeypatch.setattr(words, "MAX_COUNTED", 6)
    assert expression(collection, "third fourth") == '"fourth"'
    assert expression(collection, "third number") == '("third" AND "number")'  # each is in too many
    assert len(found(collection, "third number")) == 5


def test_within_some_files_words_count_that_are_common_elsewhere(
    collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(words, "MAX_SCORED", 5)
    for number in range(30):
        add(collection, f"{number}", ("the lamp is lit", "the tower is high", "oil and rope")[number % 3])
    add(collection, "last", "a lamp of another kind")
    with collection.view() as view:
        assert [number for number, _ in by_words(view.execute, "lamp tower", 10, frozenset({31}))] == [31]


def test_filters_come_before_the_ranking(filled: Collection) -> None:
    with filled.view() as view:
        assert [number for number, _ in by_words(view.execute, "the lamp", 1, frozenset({2}))] == [2]
        assert by_words(view.execute, "lamp", 10, frozenset()) == []
        scores = [score for _, score in by_words(view.execute, "lamp keeper oil", 10, None)]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] > 0
