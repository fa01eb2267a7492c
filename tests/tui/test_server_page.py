"""The server page: start, stop, requests, keys, usage, the audit log."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from datetime import date, timedelta

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from edgellm.errors import ModelNotFound
from edgellm.sdk.servers import ServerOptions, Trouble
from edgellm.store.keys import Limits
from tests.tui.conftest import app_of, edge_of, opened, screen_text, settle, shows
from tests.tui.fakes import FakeEdge
from tests.tui.fakes.serving import SECRET, URL, request, total
from tests.tui.payloads import HOSTILE, is_harmless

SIZES = [(80, 24), (120, 40)]


@pytest.fixture(autouse=True)
def _a_quick_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits a second for what a fake says at once."""
    monkeypatch.setattr("edgellm_tui.screens.server.LOOK_EVERY_S", 0.1)


async def to_server(pilot: Pilot[None], *parts: str, section: int = 0) -> None:
    """Open the page, and the list with this number."""
    await pilot.press("ctrl+x")
    await shows(pilot, "Requests   Keys   Usage   Log   Audit")
    await pilot.press(*["right"] * section)
    await shows(pilot, *parts)


async def with_server(*requests: str) -> FakeEdge:
    """An EdgeLLM whose server runs, with two keys and some use."""
    edge = FakeEdge()
    edge.server.run()
    edge.server.requests = [request(name) for name in requests]
    await edge.keys.create("Ben", role="viewer")
    await edge.keys.create("Ana", limits=Limits(tokens_per_day=100_000, models=("qwen3-4b",)), days=30)
    edge.usage.tenants = [total("id-Ana", 81_000)]
    edge.usage.days = [total((date.today() - timedelta(days=back)).isoformat(), 9000 - 700 * back) for back in range(9)]
    return edge


@pytest.mark.parametrize("size", SIZES)
async def test_what_the_server_does_is_seen_as_it_happens(size: tuple[int, int]) -> None:
    edge = await with_server("Ana")
    edge.server.requests.append(request("Ben", stage="waiting", tokens=0, tokens_per_s=0.0))
    async with opened(edge=edge, size=size) as pilot:
        await to_server(pilot, f"● running   {URL}   qwen3-4b", "1 of 8 turns", "1 of 64 wait", "20.5 tok/s")
        await shows(pilot, "Ana", "writes", "212", "Ben", "waits", f"{URL}/v1")
        edge.server.requests = []
        await shows(pilot, "No request is open.", "0 of 8 turns")


async def test_a_stopped_server_says_how_to_begin_and_is_started() -> None:
    async with opened() as pilot:
        server = edge_of(pilot).server
        await to_server(pilot, "○ stopped", "s starts one")
        await pilot.press("s")
        await shows(pilot, "A server for other programs", "127.0.0.1", "8000")
        await pilot.press("down", *"8001", "enter")
        await shows(pilot, "◐ starting", "127.0.0.1:8001")
        assert server.begun[0].port == 8001
        server.run()
        await shows(pilot, "● running", f"takes requests at {URL}")


async def test_a_start_that_fails_is_said() -> None:
    async with opened() as pilot:
        server = edge_of(pilot).server
        await to_server(pilot)
        await pilot.press("s")
        await shows(pilot, "A server for other programs")
        await pilot.press("enter")
        await shows(pilot, "◐ starting")
        server.end("The address 127.0.0.1:8000 cannot be used. Choose another one: --host, --port.")
        await shows(pilot, "The server did not start", "It ended: The address 127.0.0.1:8000 cannot be used")
        assert "--port" not in screen_text(pilot)
        server.refusal = ModelNotFound("There is no model named 'x'.")
        await pilot.press("s")
        await shows(pilot, "A server for other programs")
        await pilot.press("enter")
        await shows(pilot, "There is no model named 'x'.")


async def test_another_address_needs_a_key_first() -> None:
    async with opened() as pilot:
        edge = edge_of(pilot)
        await to_server(pilot)
        await pilot.press("s")
        await shows(pilot, "A server for other programs")
        pilot.app.screen.query_one("#host", Input).value = "0.0.0.0"
        await pilot.press("enter")
        await shows(pilot, "Others can reach 0.0.0.0", "n makes one")
        await pilot.press("escape")
        await edge.keys.create("Ana")
        await pilot.press("s")
        await shows(pilot, "A server for other programs")
        pilot.app.screen.query_one("#host", Input).value = "0.0.0.0"
        await pilot.press("enter")
        await shows(pilot, "◐ starting   0.0.0.0:8000")
        assert edge.server.begun == [
            ServerOptions(host="0.0.0.0", model=app_of(pilot).preferences.default_model or None)
        ]


@pytest.mark.parametrize("port", ["", "x", "70000", "-1", "８０"])
async def test_a_port_that_is_none(port: str) -> None:
    async with opened() as pilot:
        await to_server(pilot)
        await pilot.press("s")
        await shows(pilot, "A server for other programs")
        pilot.app.screen.query_one("#port", Input).value = port
        await pilot.press("enter")
        await shows(pilot, "is no port")


async def test_stopping_asks_and_says_how_long_it_takes() -> None:
    edge = await with_server("Ana", "Ben")
    edge.server.may_stop.clear()
    async with opened(edge=edge) as pilot:
        await to_server(pilot, "● running")
        await pilot.press("s")
        await shows(pilot, f"Stop the server at {URL}?", "2 requests are open")
        await pilot.press("n")
        assert edge.server.running is not None
        await pilot.press("s")
        await shows(pilot, "Stop the server")
        await pilot.press("y")
        await shows(pilot, "◌ stopping")
        await pilot.press("s", "s")  # impatient
        edge.server.may_stop.set()
        await shows(pilot, "○ stopped", "The server has stopped")
        assert edge.server.begun == []


async def test_a_server_that_gives_no_figures() -> None:
    edge = await with_server()
    edge.server.is_silent = True
    async with opened(edge=edge) as pilot:
        await to_server(pilot, "● running", "does not answer: timed out")


async def test_a_server_that_is_slow_to_answer_is_waited_for() -> None:
    edge = await with_server("Ana")
    edge.server.answer_s = 0.4
    async with opened(edge=edge) as pilot:
        await to_server(pilot, "20.5 tok/s")
        edge.server.requests = []
        await shows(pilot, "0.0 tok/s")


async def test_the_address_is_copied() -> None:
    async with opened(edge=await with_server()) as pilot:
        await to_server(pilot, "● running")
        await pilot.press("c")
        await settle(pilot, lambda: pilot.app.clipboard == URL)


@pytest.mark.parametrize("size", SIZES)
async def test_keys_with_their_budgets(size: tuple[int, int]) -> None:
    async with opened(edge=await with_server(), size=size) as pilot:
        await to_server(pilot, "Ana", "81k of 100k", "Ben", "viewer", section=1)
        await pilot.press("enter")
        await shows(pilot, "begins with", "100,000 a day", "used today", "81,000 tokens")


async def test_a_key_is_made_and_its_secret_shown_once() -> None:
    async with opened() as pilot:
        edge = edge_of(pilot)
        await to_server(pilot, "There is no key yet", section=1)
        await pilot.press("n")
        await shows(pilot, "A new key")
        await pilot.press("enter")
        await shows(pilot, "A key needs a name")
        await pilot.press(*"Cleo", "down", "right", "down", *"a, b", "down", *"5000", "down", "down", "down", *"7")
        await pilot.press("down", "right", "enter", "enter")
        await shows(pilot, "The key of Cleo", SECRET)
        await pilot.press("c")
        await shows(pilot, "Copied")
        assert pilot.app.clipboard == SECRET
        await pilot.press("escape")
        await shows(pilot, "Cleo", "viewer", "active")
        assert SECRET not in screen_text(pilot)
        key = edge.keys.kept[0]
        assert key.limits == Limits(models=("a", "b"), tokens_per_day=5000, log="content-free")
        assert key.expires_at is not None
        assert key.expires_at - time.time() == pytest.approx(7 * 86_400, abs=60)


async def test_a_key_for_what_is_not_here_says_so() -> None:
    async with opened() as pilot:
        await to_server(pilot, "There is no key yet", section=1)
        await pilot.press("n")
        await shows(pilot, "A new key")
        await pilot.press(*"Cleo", "down", "down", *"starter, startr", "enter")
        await shows(pilot, "The key of Cleo", "Not on this machine, so that nothing is allowed by it yet: startr.")


async def test_keys_of_one_name_are_told_apart() -> None:
    edge = await with_server()
    first = edge.keys.kept[0]
    edge.keys.kept = [replace(first, id=f"id-{end}", name="the office", prefix=f"edge-{end * 7}") for end in "ab"]
    async with opened(edge=edge) as pilot:
        await to_server(pilot, "the off aaaaaaa…", "the off bbbbbbb…", section=1)


async def test_what_a_key_cannot_be_is_said_in_the_form() -> None:
    async with opened() as pilot:
        await to_server(pilot)
        await pilot.press("n")
        await shows(pilot, "A new key")
        field = pilot.app.screen.query_one("#days", Input)
        pilot.app.screen.query_one("#name", Input).value = "x" * 65
        field.value = "0.5"
        await pilot.press("enter")
        await shows(pilot, "'0.5' is no whole number")
        assert field.has_focus
        field.value = ""
        await pilot.press("enter")
        await shows(pilot, "A key's name cannot be")
        assert pilot.app.screen.query_one("#name", Input).value == "x" * 65


async def test_revoking_asks_first() -> None:
    edge = await with_server()
    async with opened(edge=edge) as pilot:
        await to_server(pilot, "Ana", section=1)
        await pilot.press("d")
        await shows(pilot, "Revoke the key of Ana?")
        await pilot.press("escape")
        await pilot.press("d")
        await shows(pilot, "Revoke the key of Ana?")
        await pilot.press("enter")
        await shows(pilot, "revoked")
        assert [key.name for key in edge.keys.kept if key.revoked_at] == ["Ana"]


@pytest.mark.parametrize("size", SIZES)
async def test_use_by_day_is_a_chart_and_a_list(size: tuple[int, int]) -> None:
    async with opened(edge=await with_server(), size=size) as pilot:
        today = date.today()
        await to_server(pilot, today.isoformat(), "by day", "█", "Half in", "1.8 s", section=2)
        await settle(pilot, lambda: screen_text(pilot).count(today.strftime("%m-%d")) == 2)
        await pilot.press("enter")
        await shows(pilot, "not reported by this machine")


async def test_nothing_used_yet() -> None:
    async with opened() as pilot:
        await to_server(pilot, "Nothing was counted yet", section=2)


@pytest.mark.parametrize("size", SIZES)
async def test_what_went_wrong_in_the_server(size: tuple[int, int]) -> None:
    edge = await with_server()
    edge.server.troubles = [Trouble(at=0.0, route="/v1/embeddings", error="ModelLoadFailed", trace="File x\nBroken.")]
    async with opened(edge=edge, size=size) as pilot:
        await to_server(pilot, "When", "ModelLoadFailed", "/v1/embeddings", section=3)
        await pilot.press("enter")
        await shows(pilot, "File x", "Broken.")
        await pilot.press("escape")
        edge.server.troubles = []
        await shows(pilot, "Nothing went wrong")


async def test_the_audit_log_and_its_check() -> None:
    edge = await with_server()
    async with opened(edge=edge) as pilot:
        await to_server(pilot, "this computer", "key.create", "Ana", section=4)
        await pilot.press("v")
        await shows(pilot, "The audit log is sound", "It ends with", "2:000")
        await pilot.press("escape")
        edge.audit.broken_at = 2
        await pilot.press("v")
        await shows(pilot, "The audit log was changed", "At entry 2: entry 2 is missing")


async def test_sections_are_clicked_and_walked_round() -> None:
    async with opened(edge=await with_server()) as pilot:
        await to_server(pilot)
        await pilot.press("left")
        await shows(pilot, "key.create")
        await pilot.click("#server-sections", offset=(12, 0))
        await shows(pilot, "81k of 100k")


async def test_names_from_outside_are_harmless(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    edge = await with_server()
    for number, payload in enumerate(HOSTILE):
        edge.audit.add(payload, payload, payload, fact=payload)
        edge.server.troubles.append(Trouble(at=0.0, route=payload, error=payload, trace=f"{payload}\n{payload}"))
        edge.server.requests.append(request(payload, model=payload, tenant=str(number)))
    edge.server.run("".join(HOSTILE))
    for section in range(5):
        async with opened(edge=edge, size=(120, 60)) as pilot:
            await to_server(pilot, section=section)
            await pilot.press("enter")
            await settle(pilot)
            assert is_harmless(screen_text(pilot))


async def test_the_page_looks_only_while_it_is_shown() -> None:
    edge = await with_server("Ana")
    async with opened(edge=edge) as pilot:
        await to_server(pilot, "Ana")
        await pilot.press("escape")
        await settle(pilot, lambda: app_of(pilot).frame.page == "chat")
        edge.server.run("other")
        await asyncio.sleep(0.3)
        await pilot.press("ctrl+x")
        await shows(pilot, "other")
