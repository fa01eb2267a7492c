"""What happens before, with and right after the first screen."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable

import pytest
from edgellm_tui.app import EdgeApp, make_app
from edgellm_tui.late import LateEdge
from edgellm_tui.ports import Edge
from textual.events import Key

from edgellm.errors import StoreError
from tests.tui.conftest import app_of, opened, screen_text, settle
from tests.tui.data_pages import report_of
from tests.tui.fakes import FakeEdge, FakePreferences

TYPED = "because i like jelly, he said"
"""Holds every letter that is a key of its own while the messages have the focus."""


def type_at_once(app: EdgeApp, text: str) -> None:
    """Key presses as a terminal delivers them: all at once, whatever the app is doing."""
    for character in text:
        app.post_message(Key("space" if character == " " else character, character))


@pytest.mark.parametrize("turns_of_the_loop", [0, 1, 3])
async def test_keys_typed_while_the_app_starts_arrive_in_order(turns_of_the_loop: int) -> None:
    app = make_app(FakeEdge(), FakePreferences())
    text = TYPED * 4

    async def type_slowly() -> None:
        for character in text:
            type_at_once(app, character)
            for _ in range(turns_of_the_loop):
                await asyncio.sleep(0)

    typing = asyncio.create_task(type_slowly())
    async with app.run_test(size=(80, 24)) as pilot:
        await typing
        await settle(pilot, lambda: app.chat.prompt.text == text)


async def test_keys_typed_right_after_a_page_was_asked_for_go_to_that_page() -> None:
    async with opened() as pilot:
        app = app_of(pilot)
        app.post_message(Key("f3", None))
        type_at_once(app, "needle")
        await settle(pilot, lambda: "needle" in screen_text(pilot))
        app.post_message(Key("f2", None))
        type_at_once(app, "thread")
        await settle(pilot, lambda: app.chat.prompt.text == "thread")


async def test_nothing_is_asked_of_edgellm_before_the_first_screen_is_drawn() -> None:
    order: list[str] = []

    def open_edge() -> Edge:
        order.append("opened")
        return FakeEdge()

    app = make_app(LateEdge(open_edge), FakePreferences())
    display = app._display

    def displayed(screen: object, renderable: object) -> None:
        if renderable is not None and not app._batch_count:
            order.append("drawn")
        display(screen, renderable)  # type: ignore[arg-type]

    app._display = displayed  # type: ignore[method-assign]
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot, lambda: "opened" in order)
        assert order[0] == "drawn"


def failing(times: int) -> Callable[[], Edge]:
    """Opens EdgeLLM after it could not be opened some times."""
    left = [StoreError("The store is busy.")] * times

    def open_edge() -> Edge:
        if left:
            raise left.pop()
        return FakeEdge()

    return open_edge


async def test_edgellm_that_cannot_be_opened_is_told_and_tried_again() -> None:
    edge = LateEdge(failing(1))
    with pytest.raises(StoreError):
        await edge.jobs.list()
    assert await edge.jobs.list() == []
    await edge.close()


async def test_the_app_ends_quietly_when_edgellm_could_not_be_opened() -> None:
    app = make_app(LateEdge(failing(99)), FakePreferences())
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await settle(pilot, lambda: "The store is busy." in screen_text(pilot))


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (PermissionError(errno.EACCES, "Permission denied", "/home/me/data"), "Permission denied"),
        (OSError(errno.EROFS, "Read-only file system", "/home/me/data"), "Read-only file system"),
        (OSError(errno.ENOSPC, "No space left on device"), "No space is left"),
    ],
    ids=["no permission", "read-only", "full"],
)
async def test_a_dataset_that_cannot_be_written_is_told_on_its_page(error: OSError, told: str) -> None:
    edge = FakeEdge()
    edge.datasets.failure = error
    app = make_app(LateEdge(lambda: edge), FakePreferences())
    async with app.run_test(size=(80, 24)) as pilot:
        await report_of(pilot)
        await pilot.press("enter")
        await settle(pilot, lambda: "Name of the dataset" in screen_text(pilot))
        await pilot.press("enter")
        await settle(pilot, lambda: told in screen_text(pilot))
        assert "951 of 1,000 rows" in screen_text(pilot)


async def test_a_home_that_cannot_be_opened_is_told() -> None:
    def open_edge() -> Edge:
        raise PermissionError(errno.EACCES, "Permission denied", "/home/me")

    app = make_app(LateEdge(open_edge), FakePreferences())
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await settle(pilot, lambda: "'/home/me': Permission denied." in screen_text(pilot))
