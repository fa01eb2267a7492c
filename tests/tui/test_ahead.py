"""The model is opened while the question is typed: once, the right one, and never without a question."""

from __future__ import annotations

import asyncio

import pytest
from edgellm_tui.ahead import Ahead
from textual.pilot import Pilot

from edgellm.errors import EngineError, ModelRejected
from tests.tui.conftest import app_of, edge_of, opened, say, screen_text, settle
from tests.tui.fakes import FakeEdge, FakePreferences, Script

STARTER = "SmolLM2-135M-Instruct"


def cold() -> FakeEdge:
    """Nothing is in memory."""
    edge = FakeEdge()
    edge.models.in_memory = []
    return edge


def in_memory(pilot: Pilot[None]) -> list[str]:
    return list(edge_of(pilot).models.in_memory)


async def test_the_first_key_opens_the_model_and_later_ones_do_nothing() -> None:
    async with opened(edge=cold()) as pilot:
        await pilot.press("w")
        await settle(pilot, lambda: in_memory(pilot) == [STARTER])
        await pilot.press(*"hy?", "enter")
        await settle(pilot, lambda: "You said: why?" in screen_text(pilot))
        assert edge_of(pilot).models.opened == [STARTER]


async def test_looking_around_opens_nothing() -> None:
    async with opened(edge=cold()) as pilot:
        await pilot.press("tab", "f3", *"words", "escape", "f4", *"qwen", "escape", "f2", "f1", "escape")
        await pilot.press(*"/help", "enter")
        await settle(pilot, lambda: "Keys and commands" in screen_text(pilot))
        assert edge_of(pilot).models.opened == []


async def test_another_model_chosen_over_a_draft_is_opened_in_place_of_the_first() -> None:
    async with opened(edge=cold()) as pilot:
        await pilot.press(*"why?")
        await settle(pilot, lambda: in_memory(pilot) == [STARTER])
        await app_of(pilot).chat.use_model("qwen3-4b")
        await settle(pilot, lambda: in_memory(pilot) == ["qwen3-4b"])
        await pilot.press("enter")
        await settle(pilot, lambda: bool(edge_of(pilot).asked))
        assert edge_of(pilot).asked[0]["model"] == "qwen3-4b"
        assert in_memory(pilot) == ["qwen3-4b"]


async def test_an_adapter_of_the_opened_model_is_there_at_once() -> None:
    async with opened(edge=cold()) as pilot:
        await pilot.press(*"why?")
        await settle(pilot, lambda: in_memory(pilot) == [STARTER])
        await app_of(pilot).chat.use_model(f"{STARTER}@lighthouse")
        await settle(pilot, lambda: app_of(pilot).chat.conversation.model == f"{STARTER}@lighthouse")
        await pilot.press("!", "enter")
        await settle(pilot, lambda: bool(edge_of(pilot).asked))
        assert edge_of(pilot).models.opened == [STARTER]
        assert in_memory(pilot) == [STARTER]


async def test_a_model_that_was_asked_stays_when_another_is_chosen() -> None:
    async with opened(edge=cold()) as pilot:
        await say(pilot, "first")
        await app_of(pilot).chat.use_model("qwen3-4b")
        await pilot.press("x")
        await settle(pilot, lambda: in_memory(pilot) == [STARTER, "qwen3-4b"])


async def test_typing_goes_on_while_the_model_is_opened() -> None:
    edge = cold()
    edge.models.opening = asyncio.Event()
    async with opened(edge=edge) as pilot:
        await pilot.press(*"why is it", "enter")
        await settle(pilot, lambda: "You said: why is it" in screen_text(pilot))
        edge.models.opening.set()


@pytest.mark.parametrize("error", [ModelRejected("It is no GGUF file."), EngineError("Gone.")], ids=str)
async def test_what_goes_wrong_is_told_when_the_question_is_sent(error: ModelRejected | EngineError) -> None:
    edge = cold()
    edge.scripts.append(Script(error=error))

    async def broken(name: str) -> None:  # noqa: ARG001
        raise error

    edge.models.open = broken  # type: ignore[method-assign]
    async with opened(edge=edge) as pilot:
        await pilot.press(*"why?")
        await settle(pilot)
        assert error.message not in screen_text(pilot)
        await pilot.press("enter")
        await settle(pilot, lambda: error.message in screen_text(pilot))


async def test_a_model_given_up_while_it_is_opened_does_not_stay() -> None:
    edge = cold()
    edge.models.opening = asyncio.Event()
    ahead = Ahead(edge)
    first = asyncio.create_task(ahead.open("slow"))
    await asyncio.sleep(0)
    second = asyncio.create_task(ahead.open("quick"))
    await asyncio.sleep(0)
    edge.models.opening.set()
    await asyncio.gather(first, second)
    assert edge.models.in_memory == ["quick"]


async def test_only_the_last_of_several_choices_is_opened() -> None:
    edge = cold()
    edge.models.opening = asyncio.Event()
    ahead = Ahead(edge)
    choices = [asyncio.create_task(ahead.open(name)) for name in ("first", "second", "third")]
    await asyncio.sleep(0)
    edge.models.opening.set()
    await asyncio.gather(*choices)
    assert edge.models.opened == ["first", "third"]
    assert edge.models.in_memory == ["third"]


async def test_pasting_counts_as_typing_and_a_preferred_model_is_meant() -> None:
    async with opened(edge=cold(), preferences=FakePreferences(default_model="qwen3-4b")) as pilot:
        app_of(pilot).chat.prompt.insert("pasted")
        await settle(pilot, lambda: in_memory(pilot) == ["qwen3-4b"])
