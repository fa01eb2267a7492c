"""Judged answers: every way to write them, what is dropped and why, and files that cannot be learnt from."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from edgellm.data.preference_checks import _circles, divided, sifted
from edgellm.data.preference_fields import Preference, preference_from
from edgellm.data.preferences import FEWEST, FEWEST_OF_A_LABEL, Kind, read_preferences
from edgellm.data.rows import Dropped, Reason, Source
from edgellm.errors import DataRejected
from edgellm.types import Message
from tests.unit.data.harness import WORDS, jsonl

HERE = Source("a.jsonl", 1)
ASKED = {"role": "user", "content": "Where?"}
GOOD = {"role": "assistant", "content": "Up north."}
BAD = {"role": "assistant", "content": "No idea."}


def pair(number: int, chosen: str = "", rejected: str = "") -> dict[str, str]:
    """A row that is like no other one."""
    words = [WORDS[number // 16**place % 16] for place in range(3)]
    return {
        "prompt": f"Where does {' '.join(words)} number {number} lie?",
        "chosen": chosen or f"It lies {number * 7919 % 9973} steps from {words[0]} and {words[2]}.",
        "rejected": rejected or f"Nobody knows, ask the keeper of post {number * 31}.",
    }


def judged(number: int, label: object) -> dict[str, object]:
    row = pair(number)
    return {"prompt": row["prompt"], "answer": row["chosen"] if label else row["rejected"], "label": label}


def enough(*more: Any, first: int = 1000) -> list[Any]:
    """Rows that can be learnt from, behind some others."""
    return [*more, *(pair(first + number) for number in range(FEWEST))]


def read(path: Path, rows: list[Any], kind: Kind = "pairs") -> Any:
    return read_preferences(jsonl(path / "a.jsonl", rows), kind)


def said(found: Preference) -> tuple[list[tuple[str, str]], str, str | None]:
    return [(each.role, each.content) for each in found.prompt], found.answer, found.rejected


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "Where?", "chosen": "Up north.", "rejected": "No idea."},
        {"prompt": [ASKED], "chosen": [GOOD], "rejected": [BAD]},
        {"messages": [ASKED], "chosen": "Up north.", "rejected": "No idea."},
        {"chosen": [ASKED, GOOD], "rejected": [ASKED, BAD]},
        {"prompt": "Where?", "chosen": [ASKED, GOOD], "rejected": [ASKED, BAD], "messages": [ASKED, GOOD],
         "prompt_id": "7", "score_chosen": 7.5},
        {"chosen": [{"from": "human", "value": "Where?"}, {"from": "gpt", "value": "Up north."}],
         "rejected": [{"from": "human", "value": "Where?"}, {"from": "gpt", "value": "No idea."}]},
    ],
    ids=["texts", "TRL", "messages", "TRL without a prompt", "UltraFeedback", "ShareGPT"],
)  # fmt: skip
def test_every_way_to_write_a_pair_says_the_same(row: dict[str, Any]) -> None:
    found = preference_from(row, HERE)
    assert isinstance(found, Preference), found
    assert said(found) == ([("user", "Where?")], "Up north.", "No idea.")


def test_a_pair_may_follow_a_conversation_and_a_system_message() -> None:
    before = [ASKED, GOOD, {"role": "user", "content": "And when?"}]
    row = {"system": "Be brief.", "prompt": before, "chosen": "At noon.", "rejected": "Never."}
    found = preference_from(row, HERE)
    assert isinstance(found, Preference)
    assert [each.role for each in found.prompt] == ["system", "user", "assistant", "user"]
    whole = preference_from({"system": "Be brief.", "chosen": [*before, GOOD], "rejected": [*before, BAD]}, HERE)
    assert isinstance(whole, Preference)
    assert whole.prompt == found.prompt


@pytest.mark.parametrize("answer", ["Up north.", [GOOD]])
@pytest.mark.parametrize("name", ["completion", "answer"])
@pytest.mark.parametrize("asked", [{"prompt": "Where?"}, {"messages": [ASKED]}])
def test_every_way_to_judge_one_answer(asked: dict[str, Any], name: str, answer: object) -> None:
    found = preference_from({**asked, name: answer, "label": False}, HERE)
    assert isinstance(found, Preference), found
    assert said(found) == ([("user", "Where?")], "Up north.", None)
    assert not found.is_good


@pytest.mark.parametrize(
    ("row", "reason", "detail"),
    [
        ({"chosen": "a", "rejected": "b"}, Reason.MALFORMED, "the field 'prompt' is missing"),
        ({"prompt": "a", "label": True}, Reason.MALFORMED, "the field 'completion' is missing"),
        ({"prompt": 7, "chosen": "a", "rejected": "b"}, Reason.WRONG_TYPES, "prompt is neither text nor"),
        ({"prompt": "a", "chosen": None, "rejected": "b"}, Reason.WRONG_TYPES, "chosen is neither text nor"),
        ({"prompt": "a", "chosen": [], "rejected": "b"}, Reason.EMPTY, "chosen has no turns"),
        ({"prompt": "a", "chosen": [{"role": "judge", "content": "b"}], "rejected": "c"}, Reason.ROLES, "'judge'"),
        ({"prompt": "a", "chosen": [GOOD | {"content": 5}], "rejected": "c"}, Reason.WRONG_TYPES, "turn 1"),
        ({"prompt": "a", "chosen": [ASKED], "rejected": "c"}, Reason.ROLES, "chosen ends with a turn of the user"),
        ({"chosen": [ASKED, GOOD], "rejected": [ASKED | {"content": "Who?"}, BAD]}, Reason.ROLES, "different prompts"),
        ({"prompt": "a", "answer": "b", "label": "yes"}, Reason.WRONG_TYPES, "label is 'yes', neither true nor false"),
        ({"prompt": "a", "answer": "b", "label": 1}, Reason.WRONG_TYPES, "neither true nor false"),
        ({"prompt": "a", "answer": [ASKED, GOOD], "label": True}, Reason.ROLES, "answer has 2 turns"),
    ],
)  # fmt: skip
def test_a_row_that_is_not_understood_is_dropped_with_the_reason(
    row: dict[str, Any], reason: Reason, detail: str
) -> None:
    found = preference_from(row, HERE)
    assert isinstance(found, Dropped)
    assert found.reason is reason
    assert detail in found.detail


def sift(*rows: tuple[str, str, str | None, bool]) -> tuple[list[int], list[str]]:
    """Which of some rows (prompt, answer, rejected, is good) stay, and why the others do not."""
    made = [
        Preference(Source("a.jsonl", line), (Message(role="user", content=asked),), answer, rejected, is_good)
        for line, (asked, answer, rejected, is_good) in enumerate(rows, 1)
    ]
    kept, drops = sifted(made)
    return [row.source.line for row in kept], [f"{drop.source.line} {drop.reason}" for drop in drops]


LONG = "The lighthouse was built by Mira Holt from grey stone that came over the frozen bay on sledges"
OTHER = "Nobody wrote down how that tower was made, so ask somebody in the harbour office about it please"


def test_answers_that_are_the_same_say_nothing() -> None:
    assert sift(("Who?", "Mira.", "Mira.", True), ("Who?", "Mira.", "Olga.", True)) == ([2], ["1 no_difference"])


def test_the_same_pair_counts_once() -> None:
    rows = [("Who?", "Mira.", "Olga.", True)] * 3
    assert sift(*rows) == ([1], ["2 exact_duplicate", "3 exact_duplicate"])


def test_pairs_that_contradict_each_other_are_both_left_out() -> None:
    found = sift(("Who?", "Mira.", "Olga.", True), ("When?", "Mira.", "Olga.", True), ("Who?", "Olga.", "Mira.", True))
    assert found == ([2], ["1 contradiction", "3 contradiction"])


def test_pairs_that_go_round_are_all_left_out() -> None:
    """A before B, B before C, C before A: no two of them are opposites, and all three cannot be right."""
    circle = [("Who?", one, other, True) for one, other in (("A.", "B."), ("B.", "C."), ("C.", "A."))]
    beside = [("Who?", "A.", "D.", True), ("Who?", "E.", "A.", True), ("When?", "B.", "A.", True)]
    assert sift(*circle, *beside) == ([4, 5, 6], ["1 contradiction", "2 contradiction", "3 contradiction"])
    assert sift(*circle[:2], ("Who?", "A.", "C.", True)) == ([1, 2, 3], [])


def test_what_lies_between_two_circles_stays() -> None:
    first = [("Who?", one, other, True) for one, other in (("A.", "B."), ("B.", "C."), ("C.", "A."))]
    second = [("Who?", one, other, True) for one, other in (("X.", "Y."), ("Y.", "Z."), ("Z.", "X."))]
    assert sift(*first, ("Who?", "A.", "X.", True), *second)[0] == [4]


def test_a_chain_as_long_as_a_file_is_walked() -> None:
    chain = [("Who?", f"{number}.", f"{number + 1}.", True) for number in range(5000)]
    closed = [Preference(Source("a", at), (), one, other) for at, (_, one, other, _) in enumerate(chain)]
    assert list(_circles(closed)) == []
    back = Preference(Source("a", 5000), (), "5000.", "0.")
    found = dict(_circles([*closed, back]))
    assert len(found) == 5001
    assert "goes round with a:1" in found[0].detail


def test_an_answer_that_is_good_and_bad_is_left_out() -> None:
    found = sift(("Who?", "Mira.", None, True), ("Who?", "Olga.", None, False), ("Who?", "Mira.", None, False))
    assert found == ([2], ["1 contradiction", "3 contradiction"])


def test_nearly_the_same_pair_counts_once_and_nearly_the_opposite_not_at_all() -> None:
    first = ("Who built the lighthouse of the northern bay?", f"{LONG}.", f"{OTHER}.", True)
    again = (first[0], f"{LONG}!", f"{OTHER} !", True)
    assert sift(first, again) == ([1], ["2 near_duplicate"])
    swapped = (first[0], f"{OTHER} !", f"{LONG}!", True)
    assert sift(first, swapped) == ([], ["1 contradiction", "2 contradiction"])


def test_a_long_question_with_other_answers_is_no_duplicate() -> None:
    asked = f"{LONG}. {OTHER}. " * 4
    one, other = ("In 1890, in the winter.", "No idea."), ("it was a ferry", "who knows")
    assert sift((asked, *one, True), (asked, *other, True))[1] == []


def test_nearly_the_same_answer_may_be_judged_in_two_ways() -> None:
    assert sift(("Who?", f"{LONG}.", None, True), ("Who?", f"{LONG}, or so.", None, False))[1] == []
    assert sift(("Who?", f"{LONG}.", None, True), ("Who?", f"{LONG} !", None, True))[1] == ["2 near_duplicate"]


def test_held_out_rows_ask_other_questions_and_stay_the_same() -> None:
    rows = [
        Preference(Source("a", at), (Message(role="user", content=f"Question {at // 2}?"),), f"yes {at}", "no")
        for at in range(60)
    ]
    train, valid = divided(rows)
    assert len(train) + len(valid) == 60
    assert 9 <= len(valid) <= 11
    assert not {row.prompt for row in train} & {row.prompt for row in valid}
    assert divided(rows[::-1])[1] == valid[::-1]
    assert len(divided(rows[:20])[1]) >= 5


def test_a_file_is_read_with_its_reasons(tmp_path: Path) -> None:
    twice, text = pair(1), "Write to mira@example.com, she knows."
    found = read(
        tmp_path,
        enough(pair(2, text), twice, twice, {"chosen": "a"}, pair(3, chosen=" \n"), pair(4, chosen="a\x07")),
    )
    assert {str(reason): count for reason, count in found.left_out.items()} == {
        "exact_duplicate": 1, "malformed": 1, "empty": 1, "control_characters": 1,
    }  # fmt: skip
    assert [drop.source.line for drop in found.dropped] == [3, 4, 5, 6]
    kept = [*found.train, *found.valid]
    assert len(kept) == FEWEST + 2
    assert [row.answer for row in kept if row.source.line == 1] == ["Write to [email], she knows."]
    assert found.sha256 == hashlib.sha256((tmp_path / "a.jsonl").read_bytes()).hexdigest()


def test_a_pair_is_a_good_and_a_bad_answer_where_judgements_are_learnt(tmp_path: Path) -> None:
    found = read(tmp_path, [judged(1, True), *enough()], "judgements")
    kept = [*found.train, *found.valid]
    assert sum(row.is_good for row in kept) == FEWEST + 1
    assert sum(not row.is_good for row in kept) == FEWEST
    assert all(row.rejected is None for row in kept)


@pytest.mark.parametrize(
    ("rows", "kind", "message"),
    [
        ([{"question": "a", "answer": "b"}], "pairs", "1: the line has neither chosen and .*'question', 'answer'"),
        ([judged(1, True)], "pairs", "1: the line judges a single answer"),
        (["text"], "pairs", "1: the line is no judged answer"),
        ([], "pairs", "0 pairs can be used; at least 20"),
        ([pair(n) for n in range(FEWEST - 1)], "pairs", f"{FEWEST - 1} pairs can be used; at least {FEWEST}"),
        ([judged(n, True) for n in range(30)], "judgements", f"30 answers .* good and 0 bad; .*{FEWEST_OF_A_LABEL}"),
        ([{**pair(n), "prompt": "Where?"} for n in range(30)], "pairs", "nearly all rows ask the same question"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_learnt_from_is_refused(tmp_path: Path, rows: Any, kind: Kind, message: str) -> None:
    with pytest.raises(DataRejected, match=message):
        read(tmp_path, rows, kind)


def test_too_few_say_what_was_left_out(tmp_path: Path) -> None:
    with pytest.raises(DataRejected) as caught:
        read(tmp_path, [pair(1)] * 3)
    assert "2 exact_duplicate (the first: " in caught.value.hint
    assert "a.jsonl:2: same as" in caught.value.hint


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xff\xfe{", "not UTF-8"),
        (b'{"a": 1}\n\0', "neither chosen"),
        (b"[1, 2]", "no JSON object"),
        (b"{", "no judged"),
    ],
)
def test_another_file_is_refused_with_its_line(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(content)
    with pytest.raises(DataRejected, match=message) as caught:
        read_preferences(path, "pairs")
    assert caught.value.facts["line"] == 1


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataRejected, match="cannot be read"):
        read_preferences(tmp_path / "none.jsonl", "pairs")


def test_a_damaged_line_is_dropped(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "a.jsonl", enough())
    path.write_text(path.read_text() + json.dumps(pair(7))[:-4])
    found = read_preferences(path, "pairs")
    [drop] = found.dropped
    assert drop.reason is Reason.MALFORMED
    assert "cut off" in drop.detail
