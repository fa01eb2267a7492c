"""Ways of searching compared on questions whose place is known."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

import pytest

from edgellm.retrieval.evaluate import evaluate
from edgellm.retrieval.questions import Question
from edgellm.retrieval.values import Hit
from tests.unit.retrieval.ground.hits import hit

RIGHT, WRONG = hit(file="/d/right.md", chunk_id=1), hit(file="/d/wrong.md", chunk_id=2)
QUESTIONS = [Question(question=f"Question {number}", file="right.md") for number in range(4)]


def test_each_way_gets_its_own_figures() -> None:
    def third(question: str, k: int) -> Sequence[Hit]:
        rank = int(question[-1]) + 1  # places 1 to 4
        return ([WRONG] * (rank - 1) + [RIGHT])[:k]

    best, worst = evaluate([("third", third), ("never", lambda _question, k: [WRONG] * k)], QUESTIONS, k=3)
    assert (best.quality.recall, worst.quality.recall) == (0.75, 0.0)
    assert best.quality.mrr == pytest.approx((1 + 1 / 2 + 1 / 3) / 4)
    assert best.quality.ndcg == pytest.approx((1 + 1 / math.log2(3) + 1 / math.log2(4)) / 4)
    assert (best.missed, worst.missed) == (("Question 3",), tuple(each.question for each in QUESTIONS))
    assert 0 <= best.p50_ms <= best.p99_ms


def test_two_passages_of_the_place_count_once() -> None:
    (found,) = evaluate([("both", lambda _question, _k: [RIGHT, RIGHT])], QUESTIONS[:1])
    assert (found.quality.recall, found.quality.ndcg) == (1.0, 1.0)


def test_progress_counts_over_all_ways() -> None:
    told: list[tuple[int, int]] = []
    ways = [(name, lambda _question, _k: [RIGHT]) for name in "ab"]
    evaluate(ways, QUESTIONS[:2], on_done=lambda done, total: told.append((done, total)))
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_what_the_first_question_opens_is_nobodys_time() -> None:
    asked: list[str] = []

    def slow_at_first(question: str, _k: int) -> Sequence[Hit]:
        time.sleep(0 if asked else 0.2)
        asked.append(question)
        return [RIGHT]

    (found,) = evaluate([("slow", slow_at_first)], QUESTIONS)
    assert found.p99_ms < 100
