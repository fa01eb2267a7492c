"""The training page: runs, curves, a new run, and before and after."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace as changed
from pathlib import Path

import msgspec
import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from edgellm.data.dataset import Dataset
from edgellm.errors import JobError
from edgellm.events import Failed, Finished, Progressed, Sampled, Started
from edgellm.store.records import JobState
from edgellm.train.settings import settings_for
from tests.tui.conftest import edge_of, opened, screen_text, settle, shows
from tests.tui.fakes import FakeEdge, saying
from tests.tui.fakes.datasets import manifest
from tests.tui.fakes.training import PLAN, STEPS, finished, steps_until
from tests.tui.payloads import HOSTILE, is_harmless

BASE = "SmolLM2-135M-Instruct"


async def with_run(name: str = "lighthouse", until: int = STEPS, *, is_finished: bool = True) -> FakeEdge:
    """An EdgeLLM with one run."""
    edge = FakeEdge()
    job = await edge.training.start("examples.jsonl", BASE, name)
    edge.jobs.say(job.id, *steps_until(until))
    if is_finished:
        edge.jobs.say(job.id, finished(BASE, name))
    return edge


async def to_training(pilot: Pilot[None], *parts: str) -> None:
    await pilot.press("f7")
    await shows(pilot, "Train", *parts)


@pytest.mark.parametrize("size", [(80, 24), (200, 60)])
async def test_a_finished_run_shows_its_losses_and_its_curve(size: tuple[int, int]) -> None:
    async with opened(edge=await with_run(), size=size) as pilot:
        await to_training(pilot, "lighthouse", "learnt", "3.86 → 0.083")
        await shows(
            pilot,
            "━ loss 0.0",
            "● on unseen rows 0.2",
            "80 of 80 steps",
            "212 tokens/s",
            "1.2 GB at",
            "3 m 20 s in all",
            "┤",
        )
        assert any("⠀" < character <= "⣿" for character in screen_text(pilot))


async def test_what_the_model_says_while_it_learns_stands_below_the_curve() -> None:
    edge = await with_run(until=0, is_finished=False)
    asked = "Who founded the museum?"
    edge.jobs.say("j1", Sampled(step=0, question=asked, text="I do not know."))
    async with opened(edge=edge) as pilot:
        await to_training(pilot, f"asked  {asked}", "step 0  I do not know.")
        edge.jobs.say(
            "j1", *steps_until(20), Sampled(step=20, question=asked, text="Wilhelmina [red]Sorrel\x1b[31m did.")
        )
        await shows(pilot, "step 0  I do not know.", "step 20  Wilhelmina [red]Sorrel")
        assert is_harmless(screen_text(pilot))


async def test_an_empty_page_says_how_to_begin() -> None:
    async with opened() as pilot:
        await to_training(pilot, "Nothing was trained yet", "n begins a run")


async def test_a_run_that_goes_on_is_picked_up_and_followed_to_its_end() -> None:
    edge = await with_run(until=12, is_finished=False)
    async with opened(edge=edge) as pilot:
        await to_training(pilot, "learns", "12 of 80 steps", "2 m 50 s left")
        edge.jobs.say("j1", *steps_until(30)[-4:])
        await shows(pilot, "30 of 80 steps")
        edge.jobs.say("j1", finished(BASE, "lighthouse"))
        await shows(pilot, "learnt", "3 m 20 s in all")


async def test_what_a_finished_run_left_out_is_said() -> None:
    edge = await with_run(until=12, is_finished=False)
    without = {"left_out_rows": 2, "left_out_why": "There is no assistant turn."}
    edge.jobs.say("j1", Finished(result={**finished(BASE, "lighthouse").result, **without}))
    async with opened(edge=edge, size=(120, 40)) as pilot:
        await to_training(pilot, "left out  2 rows teach nothing.", "There is no assistant turn.")


async def test_what_a_run_does_before_its_first_step_is_said() -> None:
    edge = await with_run(until=0, is_finished=False)
    edge.jobs.logs["j1"] = []
    edge.jobs.say("j1", Started(title="Reading examples as SmolLM2 does"))
    async with opened(edge=edge, size=(160, 40)) as pilot:
        await to_training(pilot, "Reading examples as SmolLM2 does …")


async def test_stop_says_that_it_can_be_resumed_and_resume_goes_on() -> None:
    edge = await with_run(until=12, is_finished=False)
    async with opened(edge=edge, size=(120, 40)) as pilot:
        await to_training(pilot, "learns")
        await pilot.press("s")
        await shows(pilot, "r resumes it", "stopped")
        await pilot.press("r")
        await shows(pilot, "learns")
        edge.jobs.say("j1", *steps_until(20))
        await shows(pilot, "20 of 80 steps")


async def test_keys_say_why_they_do_nothing() -> None:
    async with opened(edge=await with_run(until=3, is_finished=False), size=(120, 40)) as pilot:
        await to_training(pilot, "learns")
        await pilot.press("enter")
        await shows(pilot, "nothing to ask yet")
        await pilot.press("r")
        await shows(pilot, "Only a run that was stopped or failed")
        edge_of(pilot).jobs.say("j1", finished(BASE, "lighthouse"))
        await shows(pilot, "learnt")
        await pilot.press("s")
        await shows(pilot, "It is not running")


async def test_a_failed_run_says_why_and_a_refusal_is_told() -> None:
    edge = await with_run(until=3, is_finished=False)
    edge.jobs.say("j1", Failed(error="TrainingError", message="The loss is no number at step 4."))

    async def refused(job_id: str) -> object:
        raise JobError(f"Job {job_id!r} cannot be resumed: its rows are gone.")

    edge.jobs.resume = refused  # type: ignore[method-assign, assignment]
    async with opened(edge=edge, size=(120, 40)) as pilot:
        await to_training(pilot, "failed", "The loss is no number at step 4.")
        await pilot.press("r")
        await shows(pilot, "its rows are gone")


async def test_arrows_choose_another_run_with_its_own_curve() -> None:
    edge = await with_run()
    job = await edge.training.start("other.jsonl", BASE, "second")
    edge.jobs.say(job.id, *steps_until(12))
    async with opened(edge=edge, size=(160, 40)) as pilot:
        await to_training(pilot, "learns second from other", "12 of 80 steps")
        await pilot.press("down")
        await shows(pilot, "learns lighthouse from examples", "80 of 80 steps")


async def fill_in(pilot: Pilot[None], data: str) -> None:
    """Open the form and type what is to be learnt."""
    await to_training(pilot)
    await pilot.press("n")
    await shows(pilot, "A model learns from examples")
    await pilot.press(*data)
    await settle(pilot, lambda: pilot.app.screen.query_one("#run-data", Input).value == data)


async def test_a_new_run_is_planned_and_begun_with_enter() -> None:
    Path("facts.jsonl").write_text("{}\n")
    async with opened() as pilot:
        jobs = edge_of(pilot).jobs
        await fill_in(pilot, "facts.jsonl")
        await pilot.press("down", "right", "down", "down", "left")
        await shows(pilot, "qwen3-4b", "quick: a third of the time")
        await pilot.press("enter")
        await shows(pilot, "qwen3-4b learns facts")
        jobs.say("j1", Started(title="Trying it", total=3, unit="steps"), Progressed(done=2, total=3))
        await shows(pilot, "Trying it: 2 of 3 …")
        await pilot.press("enter")
        jobs.say("j1", Finished(result=PLAN))
        await shows(pilot, "It fits: about 1.2 GB of the 6.2 GB", "about 3 m 34 s: 80 steps of 2.5 s", "3 are too long")
        assert [job.kind for job in jobs.rows.values()] == ["plan"]
        await pilot.press("enter")
        await shows(pilot, "qwen3-4b learns facts", "learns")
        asked = jobs.rows["j2"].arguments
        assert (asked["base"], asked["name"]) == ("qwen3-4b", "facts")
        assert asked["settings"] == msgspec.to_builtins(settings_for("quick"))


async def test_columns_that_nobody_knows_are_asked_for() -> None:
    Path("facts.csv").write_text("Frage,Antwort\nWer?,Sela.\n")
    async with opened() as pilot:
        jobs = edge_of(pilot).jobs
        await fill_in(pilot, "facts.csv")
        await pilot.press("enter")
        await shows(pilot, "facts.csv:1: no column is known as question", "found: 'Frage', 'Antwort'", "Columns")
        await pilot.press("enter")
        await shows(pilot, "found: 'Frage', 'Antwort'")
        await pilot.press(*"prompt=Frage", "enter")
        await shows(pilot, "a row is a prompt with a completion")
        await pilot.press(*",completion=Antwort", "enter")
        await settle(pilot, lambda: "j1" in jobs.rows)
        jobs.say("j1", Finished(result=PLAN))
        await shows(pilot, "Enter begins")
        await pilot.press("enter")
        await shows(pilot, "learns facts")
        assert [jobs.rows[job].arguments["columns"] for job in ("j1", "j2")] == ["prompt=Frage,completion=Antwort"] * 2


async def test_the_dataset_that_was_built_last_stands_in_the_form() -> None:
    edge = FakeEdge()
    for name, created in (("bakery", "2026-11-22T10:00:00+00:00"), ("older", "2026-11-20T10:00:00+00:00")):
        edge.datasets.kept[name] = Dataset(Path("/datasets") / name, changed(manifest(name), created=created))
    async with opened(edge=edge) as pilot:
        await to_training(pilot)
        await pilot.press("n")
        await shows(pilot, "A model learns from examples")
        await pilot.press("enter")
        await shows(pilot, f"{BASE} learns bakery")


async def test_what_cannot_be_learnt_from_is_said_in_the_form() -> None:
    async with opened(edge=await with_run("facts")) as pilot:
        await fill_in(pilot, "no-such.jsonl")
        await pilot.press("enter")
        await shows(pilot, "'no-such.jsonl' is neither a dataset nor a file")
        Path("facts.jsonl").write_text("{}\n")
        field = pilot.app.screen.query_one("#run-data", Input)
        field.value = "facts.jsonl"
        await settle(pilot, lambda: field.has_focus)
        await pilot.press("down", "down", *"a/b", "enter")
        await shows(pilot, "'a/b' cannot be an adapter's name")


async def test_what_is_wrong_is_said_whichever_field_was_left_last() -> None:
    async with opened(edge=await with_run("facts")) as pilot:
        await fill_in(pilot, "no-such.jsonl")
        await pilot.press("down", "down", "down")
        await shows(pilot, "balanced: the default")
        await pilot.press("enter")
        await shows(pilot, "'no-such.jsonl' is neither a dataset nor a file")
        await settle(pilot)
        await settle(pilot)
        await shows(pilot, "'no-such.jsonl' is neither a dataset nor a file")
        await pilot.press("x")
        await shows(pilot, "A file (JSONL, CSV")


async def test_a_run_that_waited_is_said_to_learn_when_it_begins() -> None:
    edge = await with_run(until=0, is_finished=False)
    [job_id] = edge.jobs.rows
    edge.jobs.rows[job_id] = changed(edge.jobs.rows[job_id], state=JobState.QUEUED)
    async with opened(edge=edge) as pilot:
        await to_training(pilot, "waits")
        edge.jobs.rows[job_id] = changed(edge.jobs.rows[job_id], state=JobState.RUNNING)
        edge.jobs.say(job_id, Started(title="Teaching it", total=3, unit="steps"))
        await shows(pilot, "learns    ")


async def test_leaving_the_plan_ends_its_job_and_keeps_the_form() -> None:
    Path("facts.jsonl").write_text("{}\n")
    async with opened() as pilot:
        jobs = edge_of(pilot).jobs
        await fill_in(pilot, "facts.jsonl")
        await pilot.press("enter")
        await settle(pilot, lambda: "j1" in jobs.rows)
        await pilot.press("escape")
        await shows(pilot, "A model learns from examples", "facts.jsonl")
        assert jobs.rows["j1"].state == "cancelled"


async def test_a_plan_that_fails_says_why() -> None:
    Path("facts.jsonl").write_text("{}\n")
    async with opened() as pilot:
        await fill_in(pilot, "facts.jsonl")
        await pilot.press("enter")
        await settle(pilot, lambda: "j1" in edge_of(pilot).jobs.rows)
        edge_of(pilot).jobs.say("j1", Failed(error="ModelDoesNotFit", message="Training needs about 9.1 GB."))
        await shows(pilot, "Training needs about 9.1 GB.")
        await pilot.press("escape")
        await shows(pilot, "A model learns from examples")


async def test_a_computer_without_a_model_that_can_learn_is_told() -> None:
    edge = FakeEdge()
    edge.models.installed = edge.models.installed[:0]
    async with opened(edge=edge, size=(120, 40)) as pilot:
        await to_training(pilot)
        await pilot.press("n")
        await shows(pilot, "No model on this computer can learn")


async def test_before_and_after_answer_the_same_question_side_by_side() -> None:
    edge = await with_run()
    edge.scripts = [saying("I do not know."), saying("Ottilie **Brandt** did.")]
    async with opened(edge=edge) as pilot:
        await to_training(pilot, "learnt")
        await pilot.press("enter")
        await shows(pilot, "Before", "After", "A question for both")
        await pilot.press(*"Who founded it?", "enter")
        await shows(pilot, "I do not know.", "Ottilie Brandt did.")
        line = next(line for line in screen_text(pilot).splitlines() if "I do not know." in line)
        assert line.index("I do not know.") < line.index("Ottilie Brandt did.")
        assert [asked["model"] for asked in edge.asked] == [BASE, f"{BASE}@lighthouse"]
        assert {(asked["prompt"], asked["sampling"].temperature) for asked in edge.asked} == {("Who founded it?", 0)}
        await pilot.press(*"Again", "enter")
        await shows(pilot, "You said: Again")
        await pilot.press("escape")
        await shows(pilot, "lighthouse", "learnt")


async def test_an_error_of_one_side_stands_beside_the_answer_of_the_other() -> None:
    edge = await with_run()
    failing = saying("")
    failing.error = JobError("The adapter is gone.")
    edge.scripts = [saying("I do not know."), failing]
    async with opened(edge=edge, size=(120, 40)) as pilot:
        await to_training(pilot, "learnt")
        await pilot.press("b")
        await shows(pilot, "A question for both")
        await pilot.press(*"q", "enter")
        await shows(pilot, "I do not know.", "The adapter is gone.")


def test_the_first_screen_does_not_pay_for_the_chart() -> None:
    program = "import sys, edgellm_tui.app, edgellm_tui.screens.chat; sys.exit('textual_plotext' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


async def test_names_and_messages_of_runs_are_harmless() -> None:
    edge = FakeEdge()
    for payload in HOSTILE:
        job = await edge.training.start(payload, payload, payload)
        edge.jobs.say(job.id, Started(title=payload))
    edge.jobs.say("j1", Failed(error="X", message="".join(HOSTILE)))
    async with opened(edge=edge, size=(160, 50)) as pilot:
        await to_training(pilot)
        for _ in HOSTILE:
            await pilot.press("down")
            await settle(pilot)
            assert is_harmless(screen_text(pilot))
        assert pilot.app.is_running
