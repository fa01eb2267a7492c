"""The explain screen and the words and bars on it."""

from __future__ import annotations

import math

from edgellm_tui.render import explain as words

from edgellm.types import Alternative, TokenTrace
from tests.tui.conftest import edge_of, opened, say, screen_text, settle
from tests.tui.fakes import saying


def trace(text: str, share: float, *others: tuple[str, float], entropy: float = 1.0) -> TokenTrace:
    options = [Alternative(token=i, text=t, logprob=math.log(p)) for i, (t, p) in enumerate([(text, share), *others])]
    options.sort(key=lambda option: -option.logprob)
    return TokenTrace(token=0, text=text, logprob=math.log(share), entropy=entropy, alternatives=tuple(options))


async def test_opening_steps_and_least_sure() -> None:
    async with opened(saying("because")) as pilot:
        await say(pilot, "why is it blue")
        await pilot.press("f6")
        await settle(pilot, lambda: "token 1 of 10" in screen_text(pilot))
        assert "What it read  4 tokens" in screen_text(pilot)
        assert "one thing" in screen_text(pilot)
        assert "all other tokens" in screen_text(pilot)
        asked = edge_of(pilot).asked[-1]
        assert asked["prompt"] == "why is it blue"
        assert asked["sampling"].logprobs == 6
        assert asked.get("session") is None
        await pilot.press("right", "right")
        await settle(pilot, lambda: "token 3 of 10" in screen_text(pilot))
        await pilot.press("end", "left")
        await settle(pilot, lambda: "token 9 of 10" in screen_text(pilot))
        await pilot.press("u", "escape")
        await settle(pilot, lambda: "You said" not in screen_text(pilot) and "because" in screen_text(pilot))


async def test_without_a_conversation_an_example_is_explained() -> None:
    async with opened() as pilot:
        await pilot.press(*"/explain", "enter")
        await settle(pilot, lambda: "token 1 of" in screen_text(pilot))
        assert "sky blue" in str(edge_of(pilot).asked[-1]["prompt"])


def test_bars_add_up_to_everything() -> None:
    lines = [line.plain for line in words.choice_lines(trace(" blue", 0.6, (" grey", 0.3)), 80)]
    assert "60 %" in lines[0]
    assert "◂ written" in lines[0]
    assert "30 %" in lines[1]
    assert "all other tokens" in lines[2]
    assert "10 %" in lines[2]


def test_the_story_tells_when_the_draw_was_not_the_likeliest() -> None:
    unlikely = trace(" grey", 0.2, (" blue", 0.7))
    told = words.story([unlikely, unlikely], 1, 0.7)
    assert "“ blue” was likelier (70 %)" in told
    assert "Temperature 0.7" in told
    assert "Hardly a choice" in words.story([unlikely, trace("x", 0.97)], 1, 0.7)
    assert "fork" in words.story([unlikely, trace("x", 0.3)], 1, 0.7)


def test_certainty_counts_equally_likely_tokens() -> None:
    assert "4.0 equally likely" in words.certainty(2.0)
    assert "hardly any doubt" in words.certainty(0.01)


def test_boxes_flow_and_the_current_one_is_found() -> None:
    traces = [trace(f"word{i}", 0.9) for i in range(20)]
    lines, row = words.answer_boxes(traces, 19, 30)
    assert all(line.cell_length <= 30 for line in lines)
    assert row == len(lines) - 1
    assert "▸word19◂" in lines[row].plain


def test_white_space_is_visible() -> None:
    assert words.visible("a\n\t") == "a↵⇥"
    assert words.visible("") == "∅"


def test_the_least_sure_token_is_the_one_with_the_highest_entropy() -> None:
    assert words.least_sure([trace("a", 0.5, entropy=1), trace("b", 0.5, entropy=3), trace("c", 0.5)]) == 1


async def test_an_answer_is_written_again_with_its_history() -> None:
    async with opened(saying("first"), saying("second")) as pilot:
        await say(pilot, "one question")
        await say(pilot, "and another")
        await pilot.press("f6")
        await settle(pilot, lambda: "token 1 of" in screen_text(pilot))
        asked = edge_of(pilot).asked[-1]["prompt"]
        assert [(message.role, message.content) for message in asked] == [
            ("user", "one question"),
            ("assistant", "first"),
            ("user", "and another"),
        ]
