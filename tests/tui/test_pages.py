"""Sessions, models, dialogs and the frame around them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from edgellm_tui.catalogue import all_rows
from edgellm_tui.screens.models import ModelsPage
from edgellm_tui.screens.sampling import parse, shown
from textual.widgets import Input, OptionList

from edgellm.errors import ModelNotFound, NotFound
from edgellm.events import Failed, Finished, Progressed
from tests.tui.conftest import app_of, edge_of, opened, say, screen_text, settle
from tests.tui.fakes import FakeEdge, FakePreferences, card, installed, saying


async def seeded() -> FakeEdge:
    edge = FakeEdge()
    for title, answer in (
        ("Plan a week in Kerala", "Start in Kochi."),
        ("Why is the sky blue?", "Rayleigh scattering."),
    ):
        session = await edge.sessions.create(model="qwen3-4b")
        asked = edge.sessions.append(session.id, "user", title, None)
        edge.sessions.append(session.id, "assistant", answer, asked.id)
    return edge


async def test_sessions_are_listed_searched_and_resumed() -> None:
    async with opened(edge=await seeded()) as pilot:
        await pilot.press("f3")
        await settle(pilot, lambda: "2 conversations" in screen_text(pilot))
        await pilot.press(*"rayleigh")
        await settle(pilot, lambda: "1 found" in screen_text(pilot))
        assert "Rayleigh scattering." in screen_text(pilot)
        await pilot.press("enter")
        await settle(pilot, lambda: app_of(pilot).chat.conversation.title == "Why is the sky blue?")
        assert app_of(pilot).chat.conversation.model == "qwen3-4b"
        assert app_of(pilot).chat.prompt.has_focus


async def test_a_session_is_renamed() -> None:
    async with opened(edge=await seeded()) as pilot:
        await pilot.press("f3")
        await settle(pilot, lambda: "2 conversations" in screen_text(pilot))
        await pilot.press("f5")
        await settle(pilot, lambda: bool(pilot.app.screen.query("#dialog-line")))
        pilot.app.screen.query_one(Input).value = "Blue"
        await pilot.press("enter")
        await settle(pilot, lambda: "Blue" in [s.title for s in edge_of(pilot).sessions.sessions.values()])


@pytest.mark.parametrize(("key", "left"), [("n", 2), ("y", 1)])
async def test_a_session_is_deleted_only_after_a_question(key: str, left: int) -> None:
    async with opened(edge=await seeded()) as pilot:
        await pilot.press("f3")
        await settle(pilot, lambda: "2 conversations" in screen_text(pilot))
        await pilot.press("f9")
        await settle(pilot, lambda: "Delete this conversation?" in screen_text(pilot))
        await pilot.press(key)
        await settle(pilot, lambda: len(edge_of(pilot).sessions.sessions) == left)


@pytest.mark.parametrize(("key", "ending"), [("f6", "md"), ("f7", "json")])
async def test_a_session_is_exported(key: str, ending: str) -> None:
    async with opened(edge=await seeded()) as pilot:
        await pilot.press("f3")
        await settle(pilot, lambda: "2 conversations" in screen_text(pilot))
        await pilot.press(key)
        await settle(pilot, lambda: any(path.suffix == f".{ending}" for path in Path.cwd().iterdir()))


async def test_export_never_overwrites() -> None:
    Path("mine.md").write_text("keep")
    async with opened(saying("a")) as pilot:
        await say(pilot, "q")
        await pilot.press(*"/export mine.md", "enter")
        await settle(pilot, lambda: "exists" in screen_text(pilot))
        assert Path("mine.md").read_text() == "keep"


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


async def test_enter_uses_an_installed_model() -> None:
    async with opened() as pilot:
        await pilot.press("f4")
        await settle(pilot, lambda: "qwen3-4b" in screen_text(pilot))
        await pilot.press("down", "enter")
        await settle(pilot, lambda: app_of(pilot).chat.conversation.model == "qwen3-4b")
        await say(pilot, "hello")
        assert edge_of(pilot).asked[-1]["model"] == "qwen3-4b"


async def test_fetching_is_a_job_in_the_dock_that_can_be_cancelled() -> None:
    async with opened(size=(120, 30)) as pilot:
        await pilot.press("f4")
        await settle(pilot, lambda: "gemma" in screen_text(pilot))
        await pilot.press(*"gemma", "enter")
        await settle(pilot, lambda: "1.2 GB of 2.6 GB · 21.0 MB/s · 1 m 07 s left" in screen_text(pilot))
        job = edge_of(pilot).jobs.rows["j1"]
        assert (job.kind, job.arguments["reference"]) == ("pull", "gemma-3-4b")
        await pilot.press("f2")
        await pilot.press(*"/cancel", "enter")
        await settle(pilot, lambda: "cancelled" in screen_text(pilot))


async def test_a_failed_job_says_why() -> None:
    async with opened(size=(120, 30)) as pilot:
        await app_of(pilot).jobs.fetch("x", "X")
        edge_of(pilot).jobs.events["j1"] = Failed(
            error="IntegrityError", message="The bytes are not the promised ones."
        )
        await settle(pilot, lambda: "failed: The bytes are not the promised ones." in screen_text(pilot))


async def test_jobs_of_an_earlier_run_are_taken_up() -> None:
    edge = FakeEdge()
    await edge.jobs.start("pull", "Fetch Gemma", {})
    edge.jobs.events["j1"] = Progressed(done=1e9, total=2e9)
    async with opened(edge=edge, size=(120, 30)) as pilot:
        await settle(pilot, lambda: "Fetch Gemma" in screen_text(pilot))


async def test_removing_a_model_asks_first() -> None:
    async with opened() as pilot:
        await pilot.press("f4")
        await settle(pilot, lambda: "qwen3-4b" in screen_text(pilot))
        await pilot.press("down", "f9")
        await settle(pilot, lambda: "Remove qwen3-4b?" in screen_text(pilot))
        await pilot.press("y")
        await settle(pilot, lambda: [m.name for m in edge_of(pilot).models.installed] == ["SmolLM2-135M-Instruct"])


async def test_the_switcher_keeps_the_conversation() -> None:
    async with opened(saying("a")) as pilot:
        await say(pilot, "q")
        await pilot.press("ctrl+t")
        await settle(pilot, lambda: "Model for this conversation" in screen_text(pilot))
        await pilot.press(*"qwen", "enter")
        await settle(pilot, lambda: app_of(pilot).chat.conversation.model == "qwen3-4b")
        assert len(app_of(pilot).chat.conversation.turns) == 2


async def test_a_failing_list_of_models_is_told() -> None:
    edge = FakeEdge()

    async def broken() -> list[str]:
        raise ModelNotFound("The library folder cannot be read.")

    edge.models.loaded = broken  # type: ignore[method-assign]
    async with opened(edge=edge) as pilot:
        await pilot.press("f4")
        await settle(pilot, lambda: "The library folder cannot be read." in screen_text(pilot))


async def test_sampling_panel_explains_checks_and_applies() -> None:
    async with opened() as pilot:
        await pilot.press("f7")
        await settle(pilot, lambda: "temperature" in screen_text(pilot))
        assert "0 takes the most probable token" in screen_text(pilot)
        field = pilot.app.screen.query_one("#knob-temperature", Input)
        field.value = "9"
        await pilot.press("enter")
        await settle(pilot, lambda: "temperature takes a number from 0 to 5" in screen_text(pilot))
        field.value = "0"
        await pilot.press("enter")
        await settle(pilot, lambda: app_of(pilot).screen is app_of(pilot).frame)
        await say(pilot, "q")
        assert edge_of(pilot).asked[-1]["sampling"].temperature == 0


async def test_a_system_prompt_comes_from_the_library() -> None:
    async with opened() as pilot:
        await pilot.press("f8")
        await settle(pilot, lambda: "Translator" in screen_text(pilot))
        await pilot.press(*"transl", "enter")
        await settle(pilot, lambda: app_of(pilot).chat.conversation.system == "Translate into Hindi.")


async def test_a_new_system_prompt_can_be_kept() -> None:
    preferences = FakePreferences()
    async with opened(preferences=preferences) as pilot:
        await pilot.press("f8")
        await settle(pilot, lambda: "Write or edit" in screen_text(pilot))
        await pilot.press("up", "enter")
        await settle(pilot, lambda: bool(pilot.app.screen.query("#dialog-text")))
        await pilot.press(*"Be kind", "ctrl+s")
        await settle(pilot, lambda: "Keep it in the library" in screen_text(pilot))
        await pilot.press(*"Kind", "enter")
        await settle(pilot, lambda: ("prompts.Kind", "Be kind") in preferences.saved)


async def test_a_theme_is_previewed_taken_back_and_kept() -> None:
    preferences = FakePreferences()
    async with opened(preferences=preferences) as pilot:
        await pilot.press(*"/theme", "enter")
        await settle(pilot, lambda: "auto: as the terminal" in screen_text(pilot))
        await pilot.press(*"nord", "down", "up")
        await settle(pilot, lambda: pilot.app.theme == "nord")
        await pilot.press("escape")
        await settle(pilot, lambda: pilot.app.theme == "edge-dark")
        assert preferences.saved == []
        await pilot.press(*"/theme edge-light", "enter")
        await settle(pilot, lambda: preferences.saved == [("theme", "edge-light")])
        assert pilot.app.theme == "edge-light"


async def test_help_and_palette_come_from_the_registry() -> None:
    async with opened(size=(120, 50)) as pilot:
        await pilot.press("f1")
        await settle(pilot, lambda: "Keys and commands" in screen_text(pilot))
        assert "Everywhere" in screen_text(pilot)
        await pilot.press("f1")
        await settle(pilot, lambda: app_of(pilot).screen is app_of(pilot).frame)
        await pilot.press("ctrl+p")
        await settle(pilot, lambda: bool(pilot.app.screen.query("Input")))
        await pilot.press(*"sampling")
        await settle(pilot, lambda: "Sampling: temperature" in screen_text(pilot))
        await pilot.press("enter")
        await settle(pilot, lambda: "How the next token is chosen" in screen_text(pilot))


async def test_keys_can_be_rebound() -> None:
    preferences = FakePreferences(keys={"chat.new": "ctrl+g", "prompt.send": "ctrl+e", "nonsense": "x"})
    async with opened(saying("a"), preferences=preferences) as pilot:
        await pilot.press("q", "enter", "r", "ctrl+e")
        await settle(pilot, lambda: bool(edge_of(pilot).asked))
        assert edge_of(pilot).asked[0]["prompt"] == "q\nr"
        await settle(pilot, lambda: not app_of(pilot).chat.conversation.is_answering)
        await pilot.press("ctrl+g")
        await settle(pilot, lambda: not app_of(pilot).chat.conversation.turns)


async def test_the_store_is_closed_with_the_app() -> None:
    edge = FakeEdge()
    async with opened(edge=edge):
        pass
    assert edge.is_closed


async def test_a_long_list_of_sessions_scrolls_with_the_arrows() -> None:
    edge = FakeEdge()
    for number in range(60):
        session = await edge.sessions.create(model="m")
        edge.sessions.sessions[session.id] = replace(session, title=f"session {number}")
    async with opened(edge=edge) as pilot:
        await pilot.press("f3")
        await settle(pilot, lambda: "60 conversations" in screen_text(pilot))
        await pilot.press(*["down"] * 30)
        await settle(pilot, lambda: pilot.app.screen.query_one(OptionList).highlighted == 30)
        assert "session 29" in screen_text(pilot)


async def test_a_model_is_in_the_list_as_soon_as_its_job_has_ended() -> None:
    async with opened(size=(120, 30)) as pilot:
        edge = edge_of(pilot)
        await pilot.press("f4")
        await settle(pilot, lambda: "gemma-3-4b" in screen_text(pilot))
        await app_of(pilot).jobs.fetch("gemma-3-4b", "gemma-3-4b")
        edge.models.installed.append(installed("gemma-3-4b", 2_600_000_000, "the hub", removable=True))
        edge.jobs.events["j1"] = Finished()
        page = app_of(pilot).frame.query_one("#models", ModelsPage)
        await settle(pilot, lambda: [r.name for r in page._items if r.is_installed][-1:] == ["gemma-3-4b"])


async def test_a_download_that_is_under_way_is_not_begun_again() -> None:
    async with opened(size=(120, 30)) as pilot:
        for _ in range(2):
            await app_of(pilot).jobs.fetch("gemma-3-4b", "gemma-3-4b")
        assert len(edge_of(pilot).jobs.rows) == 1
        await settle(pilot, lambda: "gemma-3-4b is on its way" in screen_text(pilot))


async def test_a_job_that_cannot_be_read_is_told_once() -> None:
    async with opened(size=(120, 30)) as pilot:
        await app_of(pilot).jobs.fetch("x", "X")

        async def broken(job_id: str) -> None:
            raise NotFound(f"There is no job {job_id!r}.")

        edge_of(pilot).jobs.get = broken  # type: ignore[method-assign, assignment]
        await settle(pilot, lambda: "lost: There is no job 'j1'." in screen_text(pilot))
        assert not pilot.app._notifications


async def test_chat_models_come_before_embedders_and_small_before_large() -> None:
    edge = FakeEdge()
    edge.models.catalogue.insert(0, card("aa-embedder", "An embedder", kind="embedder"))
    edge.models.catalogue.insert(0, card("bb-embedder", "Another", kind="embedder"))
    edge.models.installed.insert(0, installed("bb-embedder", 1_000_000, "the hub", removable=True))
    rows = [row.name for row in await all_rows(edge)]
    assert rows[:3] == ["SmolLM2-135M-Instruct", "qwen3-4b", "bb-embedder"]
    assert rows[3:] == ["gemma-3-4b", "falcon-h1-7b", "llama-70b", "aa-embedder"]


async def test_deleting_and_renaming_the_open_conversation_shows_in_the_chat() -> None:
    async with opened(saying("a")) as pilot:
        await say(pilot, "q")
        conversation = app_of(pilot).chat.conversation
        await pilot.press("f3")
        await settle(pilot, lambda: "1 conversation" in screen_text(pilot))
        await pilot.press("f5")
        await settle(pilot, lambda: bool(pilot.app.screen.query("#dialog-line")))
        pilot.app.screen.query_one(Input).value = "Blue"
        await pilot.press("enter")
        await settle(pilot, lambda: conversation.title == "Blue")
        await pilot.press("f9")
        await settle(pilot, lambda: "Delete this conversation?" in screen_text(pilot))
        await pilot.press("y")
        await settle(pilot, lambda: conversation.session is None)
        await pilot.press("f2")
        await say(pilot, "next")
        assert "You said: next" in screen_text(pilot)


async def test_an_export_that_was_refused_is_not_called_done() -> None:
    async with opened(edge=await seeded(), size=(120, 30)) as pilot:
        await pilot.press("f3")
        await settle(pilot, lambda: "2 conversations" in screen_text(pilot))
        await pilot.press("f6")
        await settle(pilot, lambda: "Exported to" in screen_text(pilot))
        pilot.app.clear_notifications()
        await pilot.press("f6")
        await settle(pilot, lambda: "exists" in screen_text(pilot))
        assert "Exported to" not in screen_text(pilot)


@pytest.mark.parametrize("value", [0.7, 1.0, 0.12345678, 4_294_967_294, 1_000_000, None])
def test_a_shown_knob_can_be_taken_back(value: float | int | None) -> None:
    field = "seed" if value is None or value > 5 else "temperature"
    assert parse(field, shown(value)) == value


@pytest.mark.parametrize(("field", "text"), [("temperature", "nan"), ("top_p", "0"), ("seed", "1.5"), ("top_k", "")])
def test_a_knob_takes_what_the_engine_takes(field: str, text: str) -> None:
    with pytest.raises(ValueError, match="number from"):
        parse(field, text)
