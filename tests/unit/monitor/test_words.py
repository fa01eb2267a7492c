"""Words that tell a topic from the others, and questions compared by them."""

from __future__ import annotations

from edgellm.monitor.words import labels, word_vectors, words_of

FERRY = [
    "When does the ferry leave?",
    "Which ferry goes to the island?",
    "What does the ferry cost?",
    "Is the ferry late?",
]
BREAD = [
    "How long does bread bake?",
    "Which flour makes good bread?",
    "Why does my bread not rise?",
    "Is bread healthy?",
]


def test_a_label_is_what_the_others_do_not_say() -> None:
    ferry, bread = labels([*FERRY, *BREAD], [range(4), range(4, 8)])
    assert ferry[0] == "ferry"
    assert bread[0] == "bread"
    assert not {"the", "does", "which", "what"} & {*ferry, *bread}


def test_masks_of_personal_data_name_nothing() -> None:
    texts = [f"[email] {text}" for text in FERRY] + BREAD
    assert "email" not in labels(texts, [range(4)])[0]
    assert "email" not in words_of("[email] ferry")


def test_a_single_topic_has_a_name_too() -> None:
    assert labels(FERRY, [range(4)]) == [("ferry",)]


def test_scripts_without_spaces_are_compared_by_pairs() -> None:
    vectors = word_vectors(["渡船什么时候开", "渡船多少钱", "面包怎么烤", "面包多少度"])
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2]
    assert labels(["渡船什么时候开", "渡船多少钱", "面包怎么烤"], [[0, 1]])[0][0] == "渡船"


def test_questions_about_the_same_thing_are_nearer() -> None:
    vectors = word_vectors([*FERRY, *BREAD])
    assert float(vectors[0] @ vectors[2]) > float(vectors[0] @ vectors[5])
    assert word_vectors(["", "?!"]).shape == (2, 1)
    assert not word_vectors(["", "?!"]).any()


def test_a_hostile_text_takes_no_time() -> None:
    assert len(words_of("a" * 1_000_000)) == 1
    assert words_of("\ud800 ferry") == ["ferry"]
