"""The models page and the switcher."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from edgellm_tui.catalogue import all_rows, installed_rows
from textual.pilot import Pilot

from edgellm.errors import ModelNotFound
from edgellm.hub.adapters import AdapterManifest, BaseRecord, InstalledAdapter
from edgellm.hub.inspect import Inspection
from tests.tui.conftest import app_of, edge_of, opened, say, screen_text, settle, shows
from tests.tui.fakes import FakeEdge, card, installed, saying
from tests.tui.fakes.models import inspection


async def test_models_show_verdict_reason_licence_and_languages() -> None:
    async with opened(size=(140, 40)) as pilot:
        await pilot.press("f4")
        await settle(pilot, lambda: "llama-70b" in screen_text(pilot))
        shown = screen_text(pilot)
        for part in ("◆ SmolLM2", "in memory", "● fits", "● tight", "○ too big", "not here"):
            assert part in shown
        await pilot.press(*"llama")
        await settle(pilot, lambda: "Does not fit: needs 42.9 GB of 6.2 GB" in screen_text(pilot))
        assert "You may use it in products" in screen_text(pilot)
        assert "Llama 3.3 70B Instruct" in screen_text(pilot)
        assert "en, de, hi, th" in screen_text(pilot)


@pytest.mark.parametrize("width", [80, 120, 200])
async def test_each_column_means_one_thing_whether_the_model_is_here_or_not(width: int) -> None:
    async with opened(size=(width, 40)) as pilot:
        await pilot.press("f4")
        await settle(pilot, lambda: "llama-70b" in screen_text(pilot))
        lines = [line.split("│")[0].split() for line in screen_text(pilot).splitlines()]
        assert ["Model", "File", "Memory"] in lines
        assert ["qwen3-4b", "2.5", "GB", "2.9", "GB", "●", "fits"] in lines
        assert ["llama-70b", "42.5", "GB", "42.9", "GB", "○", "too", "big", "not", "here"] in lines


async def test_the_switcher_names_its_columns() -> None:
    async with opened() as pilot:
        await pilot.press("ctrl+t")
        await settle(pilot, lambda: "File    Memory" in screen_text(pilot))
        assert "2.5 GB    2.9 GB  ● fits" in screen_text(pilot)


async def test_the_switcher_offers_aliases_with_what_they_stand_for() -> None:
    edge = FakeEdge()
    resolve = edge.models.resolve

    async def by_alias(name: str) -> str:
        return name if name == "assistant" else await resolve(name)

    edge.models.resolve = by_alias  # type: ignore[method-assign]
    async with opened(edge=edge) as pilot:
        await pilot.press("ctrl+t", *"assis")
        await settle(
            pilot, lambda: "assistant                     stands for qwen3-4b@assistant-v1" in screen_text(pilot)
        )
        await pilot.press("enter")
        await settle(pilot, lambda: "assistant answers from now on" in screen_text(pilot))
        assert app_of(pilot).chat.conversation.model == "assistant"


async def test_chat_models_come_before_embedders_and_small_before_large() -> None:
    edge = FakeEdge()
    edge.models.catalogue.insert(0, card("aa-embedder", "An embedder", kind="embedder"))
    edge.models.catalogue.insert(0, card("bb-embedder", "Another", kind="embedder"))
    edge.models.installed.insert(0, installed("bb-embedder", 1_000_000, "the hub", removable=True))
    rows = [row.name for row in await all_rows(edge)]
    assert rows[:3] == ["SmolLM2-135M-Instruct", "qwen3-4b", "bb-embedder"]
    assert rows[3:] == ["gemma-3-4b", "falcon-h1-7b", "llama-70b", "aa-embedder"]


async def test_an_embedder_from_a_file_of_ones_own_is_no_chat_model() -> None:
    edge = FakeEdge()
    edge.models.installed.insert(0, installed("my-embedder", 1_000_000, "a file", removable=True))
    assert [row.name for row in await installed_rows(edge) if not row.is_chat] == ["my-embedder"]


async def test_enter_uses_an_installed_model() -> None:
    async with opened() as pilot:
        await pilot.press("f4")
        await settle(pilot, lambda: "qwen3-4b" in screen_text(pilot))
        await pilot.press("down", "enter")
        await settle(pilot, lambda: app_of(pilot).chat.conversation.model == "qwen3-4b")
        await say(pilot, "hello")
        assert edge_of(pilot).asked[-1]["model"] == "qwen3-4b"


async def command(pilot: Pilot[None], text: str) -> None:
    app_of(pilot).chat.prompt.insert(text)
    await pilot.press("enter")


async def test_an_unknown_name_is_refused_with_a_near_one_and_the_model_before_stays() -> None:
    async with opened() as pilot:
        await command(pilot, "/model qwen3-4")
        await settle(pilot, lambda: "There is no model named 'qwen3-4'." in screen_text(pilot))
        assert "'qwen3-4b'?" in screen_text(pilot)
        assert "from now on" not in screen_text(pilot)
        await say(pilot, "hello")
        assert edge_of(pilot).asked[-1]["model"] != "qwen3-4"


async def test_a_message_sent_right_after_the_command_goes_to_the_new_model() -> None:
    edge = FakeEdge()
    resolve = edge.models.resolve

    async def slow(name: str) -> str:
        await asyncio.sleep(0.05)
        return await resolve(name)

    edge.models.resolve = slow  # type: ignore[method-assign]
    async with opened(edge=edge) as pilot:
        await command(pilot, "/model qwen3-4b")
        await command(pilot, "hello")
        await settle(pilot, lambda: bool(edge.asked))
        assert edge.asked[0]["model"] == "qwen3-4b"


async def test_an_embedder_is_refused_by_name_too() -> None:
    edge = FakeEdge()

    async def embedder(name: str) -> Inspection:  # noqa: ARG001
        found = inspection("bert")
        return replace(found, shape=replace(found.shape, is_embedder=True))

    edge.models.inspect = embedder  # type: ignore[method-assign]
    async with opened(edge=edge) as pilot:
        await command(pilot, "/model qwen3-4b")
        await settle(pilot, lambda: "'qwen3-4b' is an embedder" in screen_text(pilot))
        assert app_of(pilot).chat.conversation.model != "qwen3-4b"


async def test_the_switcher_keeps_the_conversation() -> None:
    async with opened(saying("a")) as pilot:
        await say(pilot, "q")
        await pilot.press("ctrl+t")
        await settle(pilot, lambda: "Model for this conversation" in screen_text(pilot))
        await pilot.press(*"qwen", "enter")
        await settle(pilot, lambda: app_of(pilot).chat.conversation.model == "qwen3-4b")
        assert len(app_of(pilot).chat.conversation.turns) == 2


def adapter(folder: Path, base: str, sha256: str) -> InstalledAdapter:
    """An adapter of two megabytes, called `lighthouse`."""
    home = folder / base / "lighthouse"
    home.mkdir(parents=True)
    (home / "adapter.gguf").write_bytes(bytes(2_000_000))
    return InstalledAdapter(home, AdapterManifest(name="lighthouse", base=BaseRecord(name=base, sha256=sha256)))


async def test_a_model_is_chosen_with_its_adapter(tmp_path: Path) -> None:
    edge = FakeEdge()
    first, second = edge.models.installed
    edge.models.installed = [first, replace(second, sha256="b" * 64)]
    edge.adapters.kept = [adapter(tmp_path, "qwen3-4b", "b" * 64), adapter(tmp_path, "gone", "c" * 64)]
    rows = [row.name for row in await all_rows(edge)]
    assert rows[:4] == ["SmolLM2-135M-Instruct", "qwen3-4b", "qwen3-4b@lighthouse", "gemma-3-4b"]
    async with opened(edge=edge) as pilot:
        await pilot.press("ctrl+t")
        await settle(pilot, lambda: "2.0 MB" in screen_text(pilot))
        await pilot.press(*"light", "enter")
        await settle(pilot, lambda: app_of(pilot).chat.conversation.model == "qwen3-4b@lighthouse")
        await say(pilot, "hello")
        assert edge_of(pilot).asked[-1]["model"] == "qwen3-4b@lighthouse"


async def test_removing_a_model_asks_first() -> None:
    async with opened() as pilot:
        await pilot.press("f4")
        await settle(pilot, lambda: "qwen3-4b" in screen_text(pilot))
        await pilot.press("down", "f9")
        await settle(pilot, lambda: "Remove qwen3-4b?" in screen_text(pilot))
        await pilot.press("y")
        await settle(pilot, lambda: [m.name for m in edge_of(pilot).models.installed] == ["SmolLM2-135M-Instruct"])


async def test_removing_an_adapter_leaves_its_base(tmp_path: Path) -> None:
    edge = FakeEdge()
    edge.adapters.kept = [adapter(tmp_path, "SmolLM2-135M-Instruct", "a" * 64)]
    edge.models.installed = edge.models.installed[:1]
    async with opened(edge=edge) as pilot:
        await pilot.press("f4")
        await shows(pilot, "SmolLM2-135M-Instruct@lighth")
        await pilot.press("down", "f9")
        await shows(pilot, "Remove SmolLM2", "base stays")
        await pilot.press("n")
        assert edge.adapters.kept
        await pilot.press("f9")
        await shows(pilot, "Remove SmolLM2")
        await pilot.press("y")
        await settle(pilot, lambda: not edge.adapters.kept)
        await settle(pilot, lambda: "lighth" not in screen_text(pilot))
        assert len(edge.models.installed) == 1


async def test_an_adapter_made_elsewhere_is_attached_to_the_highlighted_model(tmp_path: Path) -> None:
    (tmp_path / "made elsewhere.gguf").write_bytes(bytes(1000))
    (tmp_path / "notes.txt").write_text("no adapter")
    edge = FakeEdge()
    edge.models.installed = edge.models.installed[:1]
    async with opened(edge=edge) as pilot:
        await pilot.press("f4")
        await shows(pilot, "SmolLM2-135M-Instruct")
        await pilot.press("f11")
        await shows(pilot, "Attach an adapter to SmolLM2-135M-Instruct")
        await pilot.press(*f"{tmp_path}/")
        await shows(pilot, "made elsewhere.gguf")
        assert "notes.txt" not in screen_text(pilot)
        await pilot.press("enter")
        await shows(pilot, "Name of the adapter", "made-elsewhere")
        await pilot.press("enter")
        await shows(pilot, "SmolLM2-135M-Instruct@made-elsewhere is here", "SmolLM2-135M-Instruct@made")
        assert [kept.manifest.base.name for kept in edge.adapters.kept] == ["SmolLM2-135M-Instruct"]


async def test_what_is_no_adapter_is_refused_with_the_reason(tmp_path: Path) -> None:
    async with opened() as pilot:
        await pilot.press("f4")
        await shows(pilot, "SmolLM2-135M-Instruct")
        await pilot.press("f11")
        await shows(pilot, "Attach an adapter to")
        await pilot.press(*f"{tmp_path}/none.gguf", "enter")
        await shows(pilot, "Name of the adapter")
        await pilot.press("enter")
        await shows(pilot, "none.gguf' does not exist")


async def test_a_failing_list_of_models_is_told() -> None:
    edge = FakeEdge()

    async def broken() -> list[str]:
        raise ModelNotFound("The library folder cannot be read.")

    edge.models.loaded = broken  # type: ignore[method-assign]
    async with opened(edge=edge) as pilot:
        await pilot.press("f4")
        await settle(pilot, lambda: "The library folder cannot be read." in screen_text(pilot))


@pytest.mark.parametrize("page", ["f3", "f4", "f7", "f8", "ctrl+f"])
async def test_the_app_may_be_closed_while_a_page_is_read(page: str) -> None:
    edge = FakeEdge()

    async def slow(*_: object, **__: object) -> list[str]:
        await asyncio.sleep(0.1)
        return []

    for part, name in (
        (edge.models, "loaded"),
        (edge.sessions, "list"),
        (edge.training, "list"),
        (edge.datasets, "list"),
        (edge.collections, "list"),
    ):
        setattr(part, name, slow)
    async with opened(edge=edge) as pilot:
        await pilot.press(page)
        app_of(pilot).exit()
        await asyncio.sleep(0.15)
