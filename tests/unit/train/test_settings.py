"""Settings, how the learning rate goes, and what a run is said to need."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import pytest
from mlx.utils import tree_flatten

from edgellm.errors import InvalidInput, ModelDoesNotFit
from edgellm.train.lora import make_learning
from edgellm.train.plan import learning_weights, plan_run, plan_within, refuse_if_hopeless, refuse_if_too_large
from edgellm.train.rows import RowSets
from edgellm.train.schedule import epochs_of, learning_rate, steps_of
from edgellm.train.settings import PRESETS, TrainSettings, from_text, settings_for
from tests.unit.train.tiny import SHAPE, pairs, rows, tiny_decoder

WEIGHTS = sum(value.size for _, value in tree_flatten(tiny_decoder().parameters()))


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_sound(name: str) -> None:
    assert settings_for(name, steps=3).steps == 3


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rank", 0), ("alpha", float("nan")), ("dropout", 1.0), ("epochs", -1), ("batch_rows", 0), ("layers", 0),
        ("learning_rate", 2.0), ("clip_norm", 0.0), ("targets", ("lm_head",)), ("targets", ()), ("seed", -1),
    ],
)  # fmt: skip
def test_a_value_out_of_range_is_named(name: str, value: object) -> None:
    with pytest.raises(InvalidInput) as caught:
        settings_for("balanced", **{name: value})
    assert caught.value.facts["field"] == name


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("epochs=3", "epochs", 3.0), ("batch-rows = 4", "batch_rows", 4), ("clip_norm=null", "clip_norm", None),
        ("targets=attn_q, attn_v", "targets", ("attn_q", "attn_v")), ("decay=linear", "decay", "linear"),
        ("has_gradient_checkpointing=true", "has_gradient_checkpointing", True),
    ],
)  # fmt: skip
def test_settings_are_read_from_text(text: str, name: str, value: object) -> None:
    assert from_text(text) == (name, value)


@pytest.mark.parametrize("text", ["speed=3", "epochs", "epochs=x", "rank=1.5", "decay=slow", "=3", ""])
def test_text_that_is_no_setting_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        from_text(text)


def test_an_unknown_preset_lists_the_known_ones() -> None:
    with pytest.raises(InvalidInput, match="no preset") as caught:
        settings_for("fast")
    assert "quick, balanced, best" in (caught.value.hint or "")


@pytest.mark.parametrize(("decay", "halfway"), [("cosine", 0.5), ("linear", 0.5), ("constant", 1.0)])
def test_the_learning_rate_grows_then_falls(decay: str, halfway: float) -> None:
    settings = settings_for("balanced", warmup=0.1, decay=decay, learning_rate=1.0)
    rates = [learning_rate(step, 100, settings) for step in range(100)]
    assert rates[:10] == pytest.approx([0.1 * n for n in range(1, 11)])
    assert max(rates) == 1.0
    assert rates[55] == pytest.approx(halfway)
    assert rates[99] < 0.02 or decay == "constant"


def test_the_more_rows_the_fewer_epochs() -> None:
    balanced, quick = settings_for("balanced"), settings_for("quick")
    assert [epochs_of(balanced, rows) for rows in (1, 100, 400, 10_000, 1_000_000)] == pytest.approx([10, 10, 5, 1, 1])
    assert epochs_of(quick, 60) == pytest.approx(3)
    assert epochs_of(settings_for("best", epochs=2.0), 60) == 2


def test_a_handful_of_rows_gets_enough_steps() -> None:
    balanced, quick = settings_for("balanced"), settings_for("quick")
    assert [steps_of(balanced, batches, batches * 6) for batches in (1, 2, 3, 10)] == [40, 40, 40, 100]
    assert steps_of(quick, 2, 12) == 12
    assert steps_of(settings_for("balanced", epochs=2.0), 2, 12) == 4
    assert steps_of(settings_for("balanced", steps=3), 2, 12) == 3


@pytest.mark.parametrize("method", ["lora", "dora", "full"])
@pytest.mark.parametrize("layers", [None, 1, 9])
def test_as_many_weights_learn_as_the_plan_says(method: str, layers: int | None) -> None:
    settings = settings_for("balanced", method=method, layers=layers, rank=4)
    model = tiny_decoder()
    make_learning(model, settings)
    learning = sum(value.size for _, value in tree_flatten(model.trainable_parameters()))
    planned = learning_weights(SHAPE, settings, WEIGHTS)
    norms = 2 * SHAPE.layers * SHAPE.width if method == "full" and layers is not None else 0
    assert planned == pytest.approx(learning, abs=norms)


def test_a_plan_counts_what_will_be_read() -> None:
    chosen = tuple(rows(10))
    plan = plan_run(SHAPE, RowSets(train=chosen), settings_for("balanced", batch_rows=4, epochs=2.5), WEIGHTS)
    assert (plan.rows, plan.steps) == (10, 8)
    assert plan.tokens == sum(len(row.tokens) for row in chosen)
    assert plan.targets == sum(row.targets for row in chosen)
    assert plan.weights_bytes == 4 * WEIGHTS


def test_what_cannot_fit_is_refused_with_what_would_help() -> None:
    plan = plan_run(SHAPE, RowSets(train=tuple(rows(3))), TrainSettings(), WEIGHTS)
    refuse_if_too_large(plan, plan.total_bytes)
    assert plan.verdict(plan.total_bytes) == "tight"
    assert plan.verdict(2 * plan.total_bytes) == "fits"
    with pytest.raises(ModelDoesNotFit, match="Training needs about"):
        refuse_if_too_large(plan, plan.total_bytes - 1)


def test_what_frozen_layers_make_of_the_rows_is_counted() -> None:
    sets = RowSets(train=tuple(rows(5)), valid=tuple(rows(2, seed=1)), anchors=tuple(rows(3, seed=2)))
    tokens = sum(len(row.tokens) for row in (*sets.train, *sets.valid, *sets.anchors))

    def kept(**changes: object) -> int:
        return plan_run(SHAPE, sets, settings_for("balanced", **changes), WEIGHTS).kept_bytes

    assert (kept(), kept(layers=SHAPE.layers)) == (0, 0)
    assert kept(layers=1) == tokens * SHAPE.width * 4


def test_a_large_vocabulary_needs_more() -> None:
    def needed(vocabulary: int) -> int:
        return plan_run(
            replace(SHAPE, vocabulary=vocabulary), RowSets(train=tuple(rows(3))), TrainSettings(), WEIGHTS
        ).total_bytes

    assert needed(300_000) - needed(200_000) == 4 * 128 * 100_000 * 4


def test_each_process_holds_the_whole_base() -> None:
    sets = RowSets(train=tuple(rows(3)), cut=2, left_out=1, left_out_why="Too long.")
    one, three = (plan_run(SHAPE, sets, TrainSettings(), WEIGHTS, count) for count in (1, 3))
    assert three.total_bytes - one.total_bytes == 2 * (one.total_bytes - one.activation_bytes)
    with pytest.raises(ModelDoesNotFit, match="in each of 3 processes"):
        refuse_if_too_large(three, three.total_bytes - 1)
    assert (one.cut_rows, one.left_out_rows, one.left_out_why) == (2, 1, "Too long.")


@pytest.mark.parametrize("processes", [1, 2])
def test_what_has_no_room_without_a_batch_is_hopeless(processes: int) -> None:
    plan = plan_run(SHAPE, RowSets(train=tuple(rows(3))), TrainSettings(), WEIGHTS, processes)
    least = plan.total_bytes - plan.activation_bytes
    refuse_if_hopeless(SHAPE, TrainSettings(), WEIGHTS, processes, least)
    with pytest.raises(ModelDoesNotFit, match="Training needs more than"):
        refuse_if_hopeless(SHAPE, TrainSettings(), WEIGHTS, processes, least - 1)


def test_checkpointing_and_smaller_batches_need_less() -> None:
    sets = RowSets(train=tuple(rows(40)))

    def needed(**changes: object) -> int:
        return plan_run(SHAPE, sets, settings_for("balanced", **changes), WEIGHTS).activation_bytes

    assert needed(batch_rows=2) < needed(batch_rows=20)
    assert needed(has_gradient_checkpointing=True) < needed()


def test_layers_are_computed_again_where_memory_is_short_unless_somebody_said_so() -> None:
    sets = RowSets(train=tuple(rows(40)))
    roomy = plan_run(SHAPE, sets, settings_for("balanced"), WEIGHTS).total_bytes

    def decided(available: int, asked: bool | None = None) -> tuple[bool | None, bool, str]:
        settings = settings_for("balanced", has_gradient_checkpointing=asked)
        settings, plan = plan_within(available, SHAPE, sets, settings, parameters=WEIGHTS)
        return settings.has_gradient_checkpointing, plan.is_recomputed, plan.verdict(available)

    assert decided(2 * roomy) == (False, False, "fits")
    assert decided(roomy - 1) == (True, True, "tight")
    assert decided(1) == (True, True, "does not fit")
    assert decided(roomy - 1, False) == (False, False, "does not fit")
    assert decided(2 * roomy, True) == (True, True, "fits")


def test_the_guide_lists_every_setting() -> None:
    guide = (Path(__file__).parents[3] / "docs" / "train.md").read_text(encoding="utf-8")
    missing = [field.name for field in fields(TrainSettings) if f"| `{field.name}` |" not in guide]
    assert not missing


def test_with_a_reference_rows_are_read_less_often_and_more_gently() -> None:
    dpo = settings_for("balanced", objective="dpo")
    assert dpo.learning_rate < settings_for("balanced").learning_rate
    assert settings_for("balanced", objective="dpo", learning_rate=2e-4).learning_rate == 2e-4
    assert [epochs_of(dpo, rows) for rows in (30, 100, 400, 10_000)] == pytest.approx([3, 3, 1.5, 1])
    assert [steps_of(dpo, batches, batches * 6) for batches in (1, 5, 20)] == [12, 15, 55]
    assert steps_of(settings_for("quick", objective="kto"), 1, 6) == 4
    orpo = settings_for("balanced", objective="orpo")
    assert (orpo.learning_rate, epochs_of(orpo, 30)) == (4e-4, 10), "it imitates too"


def test_a_plan_counts_both_rows_of_a_pair() -> None:
    chosen = tuple(pairs(10))
    settings = settings_for("balanced", objective="dpo", batch_rows=4, epochs=2.0)
    plan = plan_run(SHAPE, RowSets(train=(), pairs=chosen), settings, WEIGHTS)
    every = [row for pair in chosen for row in pair.rows]
    assert (plan.rows, plan.steps) == (10, 6)
    assert (plan.tokens, plan.targets) == (sum(len(row.tokens) for row in every), sum(row.targets for row in every))
    assert plan.activation_bytes > 0
