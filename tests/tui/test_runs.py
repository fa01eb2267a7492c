"""Curves, rows and words of training runs."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
from edgellm_tui.curve import Curve, marks, thinned, ticks
from edgellm_tui.new_run import PRESETS, Offers, Wanted, checked, meaning, name_for, plan_facts, read_offers
from edgellm_tui.runs import HEAD, facts, left_out, loss_text, run_row
from hypothesis import given
from hypothesis import strategies as st

from edgellm.errors import InvalidInput
from edgellm.events import Cancelled, JobEvent, Measured, Progressed, Started
from edgellm.store.records import JobState
from edgellm.train import settings
from edgellm.train.schedule import MOST_EPOCHS
from edgellm.train.settings import settings_for
from tests.tui.fakes import FakeEdge, installed
from tests.tui.fakes.clock import NOW
from tests.tui.fakes.training import PLAN, finished, steps_until

OFFERS = Offers(bases=("starter",), datasets=("facts",), adapters=("taken",))
WANTED = Wanted(data="facts", base="starter", name="new", preset="quick")


def curve_of(*events: JobEvent) -> Curve:
    """A curve after some events."""
    curve = Curve()
    for event in events:
        curve.note(event)
    return curve


def test_a_curve_takes_losses_by_step_and_the_newest_numbers() -> None:
    curve = curve_of(
        Started(title="Teaching", total=80, unit="steps"),
        Measured(step=1, values={"loss": 4.0, "tokens_per_s": 100.0, "peak_memory_bytes": 1e9}),
        Measured(step=1, values={"valid_loss": 4.1}),
        Progressed(done=1, total=80, left_s=160),
        Measured(step=2, values={"loss": 3.5, "tokens_per_s": 120.0, "peak_memory_bytes": 1.2e9}),
        Progressed(done=2, total=80, left_s=150),
    )
    assert (curve.losses, curve.valid_losses) == ([(1, 4.0), (2, 3.5)], [(1, 4.1)])
    assert facts(curve) == [
        ("2 of 80", "steps"),
        ("120", "tokens/s"),
        ("1.2 GB", "at the peak"),
        ("2 m 30 s", "left"),
    ]
    assert (curve.doing, curve.ending, curve.version) == ("Teaching", None, 6)


def test_what_comes_before_the_steps_is_counted_in_its_own_unit() -> None:
    asking = (Started(title="Asking", total=41, unit="questions"), Progressed(done=3, total=41))
    assert facts(curve_of(*asking)) == [("3 of 41", "questions")]
    assert facts(curve_of(*asking, Started(title="Teaching", total=80, unit="steps"))) == []


def test_a_loss_that_is_no_number_is_not_drawn() -> None:
    values = (math.nan, math.inf, 2.0)
    curve = curve_of(*(Measured(step=step, values={"loss": loss}) for step, loss in enumerate(values)))
    assert curve.losses == [(2, 2.0)]


def test_an_ended_run_has_no_time_left_and_says_what_it_took() -> None:
    curve = curve_of(*steps_until(80), finished("m", "a"))
    assert facts(curve)[-1] == ("3 m 20 s", "in all")
    assert curve_of(Progressed(done=1, left_s=9), Cancelled()).left_s == 0


@given(st.lists(st.tuples(st.integers(0, 9999), st.floats(0, 9)), max_size=300), st.integers(1, 50))
def test_a_thinned_curve_is_short_and_stays_between_its_points(points: list[tuple[float, float]], most: int) -> None:
    thin = thinned(points, most)
    assert len(thin) <= most
    assert bool(thin) == bool(points)
    losses = [loss for _, loss in points]
    assert all(min(losses) - 1e-9 <= loss <= max(losses) + 1e-9 for _, loss in thin)
    if len(points) <= most:
        assert thin == points


@given(st.integers(0, 99), st.integers(0, 10_000), st.integers(2, 12))
def test_ticks_are_whole_steps_from_the_first_to_the_last(first: int, more: int, most: int) -> None:
    found = ticks(first, first + more, most)
    assert (found[0], found[-1]) == (first, first + more)
    assert len(found) <= most
    assert found == sorted(set(found))


@pytest.mark.parametrize(
    ("top", "most", "losses"),
    [(3.86, 4, [0, 1, 2, 3]), (3.86, 2, [0, 2]), (0.04, 4, [0, 0.01, 0.02, 0.03, 0.04]), (12, 3, [0, 5, 10])],
)
def test_marks_are_round(top: float, most: int, losses: list[float]) -> None:
    assert marks(top, most) == pytest.approx(losses)


async def test_a_row_says_state_losses_and_age_under_its_heads() -> None:
    edge = FakeEdge()
    job = await edge.training.start("facts.jsonl", "starter", "new")
    row = run_row(job, NOW + 7200)
    assert row.is_active
    assert row.line().plain.split() == ["new", "starter", "learns", "2", "h"]
    edge.jobs.say(job.id, finished("starter", "new"))
    row = run_row(edge.jobs.rows[job.id], NOW)
    assert (row.model, row.losses, row.is_active) == ("starter@new", "3.86 → 0.083", False)
    assert row.line().cell_length == HEAD.cell_length
    assert row.line().plain.index("learnt") == HEAD.plain.index("State")


@pytest.mark.parametrize("state", JobState)
async def test_rows_of_every_state_and_of_long_names_have_one_width(state: JobState) -> None:
    job = await FakeEdge().training.start("x" * 90, "b" * 90, "ä" * 90)
    assert run_row(replace(job, state=state), NOW).line().cell_length == HEAD.cell_length


@pytest.mark.parametrize(("loss", "text"), [(4.1234, "4.12"), (0.0312, "0.031"), (0.0, "0.000")])
def test_losses_have_the_digits_that_matter(loss: float, text: str) -> None:
    assert loss_text(loss) == text


async def test_only_models_of_trainable_families_are_offered() -> None:
    edge = FakeEdge()
    edge.models.installed += [
        installed(name, 1, "a file", removable=True) for name in ("some-mamba", "broken-embedder")
    ]
    assert (await read_offers(edge)).bases == ("SmolLM2-135M-Instruct", "qwen3-4b")


def test_a_form_that_can_be_planned_is_its_own_answer() -> None:
    assert checked(WANTED, OFFERS) is WANTED
    assert WANTED.settings == settings_for("quick")


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"data": ""}, "data", "Say which examples"),
        ({"data": "gone.jsonl"}, "data", "'gone.jsonl' is neither"),
        ({"name": "a@b"}, "name", "'a@b' cannot be"),
        ({"name": ""}, "name", "cannot be an adapter's name"),
        ({"name": "taken"}, "name", "an adapter named 'taken' already"),
    ],
)
def test_a_form_is_refused_for_one_field(changes: dict[str, str], field: str, words: str) -> None:
    with pytest.raises(InvalidInput, match=words) as caught:
        checked(replace(WANTED, **changes), OFFERS)
    assert caught.value.facts["field"] == field


def test_a_file_is_taken_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "my facts.jsonl"
    path.write_text("{}")
    assert checked(replace(WANTED, data=str(path)), OFFERS).data == str(path)
    assert name_for(str(path)) == "my-facts"
    assert name_for("  ") == name_for("/") == ""


def test_accepted_drafts_are_examples_too() -> None:
    drafts = replace(WANTED, data="drafts:rooms")
    assert checked(drafts, OFFERS) is drafts


def test_what_is_said_of_the_default_is_what_it_does() -> None:
    assert f"few examples are read {MOST_EPOCHS:g} times" in meaning("balanced")


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_has_its_sentence(preset: str) -> None:
    assert meaning(preset).startswith(f"{preset}: ")


def test_the_offered_presets_are_those_of_training() -> None:
    assert set(PRESETS) == set(settings.PRESETS)


def test_a_plan_is_told_in_words() -> None:
    told = dict(plan_facts(PLAN))
    assert told["Memory"] == "It fits: about 1.2 GB of the 6.2 GB that are free"
    assert told["Learns"].startswith("4.9 million weights")
    assert told["Data"].endswith("212 of 220 rows kept; left out: 8 answer of one word")
    assert "Data" not in dict(plan_facts({**PLAN, "data_notes": []})), "preferences have none"
    assert "are cut" not in dict(plan_facts({**PLAN, "cut_rows": 0}))["Examples"]
    assert dict(plan_facts({**PLAN, "verdict": "tight"}))["Memory"].startswith("It is tight")
    assert told["Left out"] == "2 rows teach nothing. The first: Its question alone fills the context of 512 tokens."
    assert "Left out" not in dict(plan_facts({**PLAN, "left_out_rows": 0, "left_out_why": ""}))


def test_what_a_run_left_out_is_told_with_a_reason() -> None:
    found = left_out({"left_out_rows": 1, "left_out_why": "It is\x1b empty."})
    assert found.startswith("1 row teaches nothing. The first: It is")
    assert "\x1b" not in found
    assert left_out({}) == "", "an older result"
