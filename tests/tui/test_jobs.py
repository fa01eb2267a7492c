"""Long work in the dock."""

from __future__ import annotations

import pytest
from edgellm_tui.jobs import LOOK_EVERY_S
from edgellm_tui.screens.models import ModelsPage

from edgellm.errors import NotFound
from edgellm.events import Failed, Finished, Measured, Progressed, Started
from tests.tui.conftest import app_of, edge_of, opened, screen_text, settle
from tests.tui.fakes import FakeEdge, installed


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


async def test_numbers_of_a_run_do_not_end_its_line() -> None:
    async with opened(size=(120, 30)) as pilot:
        edge = edge_of(pilot)
        job = await edge.training.start("facts", "starter", "new")
        edge.jobs.say(job.id, Progressed(done=10, total=80, left_s=90), Measured(step=10, values={"valid_loss": 2.0}))
        app_of(pilot).jobs.watch(job)
        await settle(pilot, lambda: "starter learns new" in screen_text(pilot))
        await pilot.pause(2 * LOOK_EVERY_S)
        edge.jobs.say(job.id, Progressed(done=11, total=80, left_s=88))
        await settle(pilot, lambda: "11 of 80 · 1 m 28 s left" in screen_text(pilot))


async def test_what_begins_anew_is_counted_from_nothing() -> None:
    async with opened(size=(120, 30)) as pilot:
        edge = edge_of(pilot)
        job = await edge.training.start("facts", "starter", "new")
        edge.jobs.say(job.id, Progressed(done=40, total=41, left_s=2, note="almost"))
        app_of(pilot).jobs.watch(job)
        await settle(pilot, lambda: "40 of 41" in screen_text(pilot))
        edge.jobs.say(job.id, Started(title="Teaching starter", total=40, unit="steps"))
        await settle(pilot, lambda: "Teaching starter" in screen_text(pilot))
        assert "0 of 40 steps" in screen_text(pilot)
        assert "40 of 40" not in screen_text(pilot)
        assert "left" not in screen_text(pilot)


async def test_a_line_of_a_run_that_was_resumed_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgellm_tui.jobs.ENDED_STAYS_S", 0.5)
    async with opened(size=(120, 30)) as pilot:
        edge = edge_of(pilot)
        job = await edge.training.start("facts", "starter", "new")
        app_of(pilot).jobs.watch(job)
        await edge.jobs.cancel(job.id)
        await settle(pilot, lambda: "cancelled" in screen_text(pilot))
        app_of(pilot).jobs.watch(await edge.jobs.resume(job.id))
        await pilot.pause(0.8)
        assert "starter learns new" in screen_text(pilot)


async def test_a_failed_job_says_why() -> None:
    async with opened(size=(120, 30)) as pilot:
        await app_of(pilot).jobs.fetch("x", "X")
        edge_of(pilot).jobs.events["j1"] = Failed(
            error="IntegrityError", message="The bytes are not the promised ones."
        )
        await settle(pilot, lambda: "failed: The bytes are not the promised ones." in screen_text(pilot))


async def test_the_name_of_a_failed_job_is_read_on_a_narrow_screen() -> None:
    async with opened() as pilot:
        await app_of(pilot).jobs.fetch("x", "gemma-3-4b")
        edge_of(pilot).jobs.events["j1"] = Failed(
            error="DownloadError", message="The hub cannot be reached: " + "x" * 99
        )
        await settle(pilot, lambda: "Fetch gemma-3-4b  failed: The hub cannot be reached" in screen_text(pilot))


async def test_jobs_of_an_earlier_run_are_taken_up() -> None:
    edge = FakeEdge()
    await edge.jobs.start("pull", "Fetch Gemma", {})
    edge.jobs.events["j1"] = Progressed(done=1e9, total=2e9)
    async with opened(edge=edge, size=(120, 30)) as pilot:
        await settle(pilot, lambda: "Fetch Gemma" in screen_text(pilot))


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
