"""Speed in turn: what slows the machine slows both."""

from __future__ import annotations

from collections.abc import Callable

from edgellm.evals.speed import FEWEST_TOKENS, MOST_TOKENS, PROMPTS, measure


def test_both_are_asked_in_turn_and_the_first_asking_does_not_count() -> None:
    asked: list[str] = []

    def subject(name: str, rates: list[float]) -> Callable[[str], float]:
        def rate(_prompt: str) -> float:
            asked.append(name)
            return rates[asked.count(name) - 1]

        return rate

    rounds: list[tuple[int, int]] = []
    found = measure(
        subject("a", [1.0, 40, 40, 40, 40, 40]), subject("b", [1.0, 50, 50, 50, 50, 50]),
        lambda done, of: rounds.append((done, of)),
    )  # fmt: skip
    assert found is not None
    assert "".join(asked) == "ab" + "abbaabbaab"
    assert found.medians == (40, 50)
    assert found.ratio == 0.8
    assert rounds[-1] == (5, 5)


def test_a_machine_that_slows_down_changes_no_ratio() -> None:
    slow = iter([1.0, 0.9, 0.5, 0.3, 0.2, 0.1] * 2)
    drift = {number: next(slow) for number in range(6)}
    counts = {"a": 0, "b": 0}

    def subject(name: str, speed: float) -> Callable[[str], float]:
        def rate(_prompt: str) -> float:
            counts[name] += 1
            return speed * drift[counts[name] - 1]

        return rate

    found = measure(subject("a", 40.0), subject("b", 40.0), lambda _done, _of: None)
    assert found is not None
    assert found.ratio == 1.0


def test_who_writes_too_little_has_no_speed() -> None:
    assert measure(lambda _prompt: None, lambda _prompt: 40.0, lambda _done, _of: None) is None
    once = lambda prompt: None if prompt == PROMPTS[1] else 40.0  # noqa: E731
    found = measure(once, lambda _prompt: 40.0, lambda _done, _of: None)
    assert found is not None
    assert len(found.ours) == 3, "two of five rounds had no answer"
    assert MOST_TOKENS > FEWEST_TOKENS
