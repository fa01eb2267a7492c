"""The training loop: steps, validation, checkpoints; it yields what happened and prints nothing."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import mlx.core as mx
import msgspec
from mlx.optimizers import clip_grad_norm
from mlx.utils import tree_map

from edgellm.errors import TrainingError
from edgellm.train.batches import BatchPlan, Schedule
from edgellm.train.checkpoint import Checkpoints, Progress
from edgellm.train.decoder import Decoder
from edgellm.train.goal import Goal, Imitation
from edgellm.train.lora import learning_blocks, make_learning
from edgellm.train.objective import Gradients, Objective, Share
from edgellm.train.optimizer import make_optimizer
from edgellm.train.plan import KEPT_BYTES
from edgellm.train.preference.goal import preference_goal, watched
from edgellm.train.preference.reference import take_reference
from edgellm.train.ranks import Ranks
from edgellm.train.rows import RowSets
from edgellm.train.schedule import learning_rate, steps_of
from edgellm.train.settings import TrainSettings
from edgellm.train.spec import Saved, Stepped, Validated
from edgellm.train.start import take_up
from edgellm.train.values import number, numbers


class Trainer:
    """One run, on one rank of MLX's process group. The model has not learnt anything yet."""

    def __init__(
        self,
        model: Decoder,
        sets: RowSets,
        settings: TrainSettings,
        checkpoints: Checkpoints,
        *,
        plan_hash: str = "",
        start: Path | None = None,
        reference: Path | None = None,
        should_stop: Callable[[], bool] = lambda: False,
        note_speed: Callable[[int, float, str], None] = lambda _tokens, _seconds, _work: None,
    ) -> None:
        """`start`: weights of an adapter that goes on learning; `reference`: where preference tuning keeps its own;
        `note_speed` is told how long so many tokens took, and what was done with them.

        Raises: TrainingError when `start` does not fit the settings.
        """
        self._model, self._sets, self._settings = model, sets, settings
        self._checkpoints, self._should_stop, self._note_speed = checkpoints, should_stop, note_speed
        self._ranks = Ranks()
        mx.random.seed(settings.seed)
        make_learning(model, settings)
        if start is not None:
            take_up(model, start)
        model.eval()
        self._goal = self._goal_with(reference, plan_hash)
        has_opinions = model.frozen_head() is not None  # what the base said is compared under its own head
        anchors = sets.anchors if settings.anchors and settings.anchor_weight and has_opinions else ()
        self._watched = watched(sets.valid_pairs) if has_opinions else []
        self._objective: Objective[Any] = Objective(
            model,
            self._goal,
            (*anchors, *self._watched),
            settings.anchor_weight,
            0.0 if settings.is_preference else settings.noise,
            note=lambda tokens, seconds: note_speed(tokens, seconds, "anchors"),
        )
        if settings.has_gradient_checkpointing:
            model.recompute()
        self._objective.keep_below(len(model.blk) - len(learning_blocks(model, settings)), KEPT_BYTES)
        self._schedule = Schedule(sets.learnt, anchors, _batch_plan(settings))
        self.steps = steps_of(settings, self._schedule.batches_per_epoch, len(sets.learnt))
        self._optimizer = make_optimizer(settings)
        self._optimizer.init(model.trainable_parameters())
        self.progress = Progress(step=0, plan_hash=plan_hash)

    def _goal_with(self, reference: Path | None, plan_hash: str) -> Goal[Any]:
        if not self._settings.is_preference:
            return Imitation()
        return preference_goal(
            self._settings, self._sets, lambda rows: take_reference(self._model, rows, reference, plan_hash)
        )

    @property
    def is_chief(self) -> bool:
        """Whether this rank is the one that reports and saves."""
        return self._ranks.is_chief

    @property
    def is_complete(self) -> bool:
        """Whether all steps are done, or more would not help."""
        return self.progress.step >= self.steps or self._is_stuck

    def resume(self) -> int:
        """Go on from the newest checkpoint, if there is one; the number of steps that are done.

        Raises: TrainingError when it is damaged or of another plan.
        """
        folder = self._checkpoints.newest()
        if folder is None:
            return 0
        progress = self._checkpoints.progress(folder)
        if progress.plan_hash != self.progress.plan_hash:
            raise TrainingError(
                f"The checkpoint {str(folder)!r} belongs to a run with other settings or data.",
                hint="Start the run under another name.",
            )
        self._checkpoints.restore(folder, self._model, self._optimizer)
        self.progress = progress
        return progress.step

    def run(self) -> Iterator[Stepped | Validated | Saved]:
        """All steps that are left. Stops early on `should_stop` or without progress; a checkpoint is written then.

        What a goal measures beside the loss is measured before the first step too, to be compared with.
        Raises: TrainingError when the loss is no number; the last checkpoint is from before.
        """
        if self.progress.step == 0 and self._goal.names and self._sets.held_out:
            loss, measures = self._measured()
            yield Validated(step=0, loss=loss, is_best=False, measures=measures)
        self._model.train()
        while not self.is_complete and not self._must_stop():
            yield self._step()
            if self._sets.held_out and self._is_due(self._settings.valid_steps):
                yield self._validate()
            if self._is_due(self._settings.checkpoint_steps):
                self.save()
                yield Saved(step=self.progress.step, checkpoint=str(self._checkpoints.of_step(self.progress.step)))
        self.save()

    def _must_stop(self) -> bool:
        """Whether any rank was asked to; all find the same, or the others would wait for one that has stopped."""
        return number(self._ranks.sum(mx.array(float(self._should_stop())))) > 0

    def save(self) -> None:
        """Write a checkpoint of this moment; the first rank alone does."""
        if self.is_chief:
            self._checkpoints.save(self._model, self._optimizer, self.progress)

    def _is_due(self, every: int) -> bool:
        return self.progress.step % every == 0 or self.progress.step == self.steps

    @property
    def _is_stuck(self) -> bool:
        patience = self._settings.patience
        return patience is not None and self.progress.measured_without_gain >= patience

    def _step(self) -> Stepped:
        began, step = time.monotonic(), self.progress.step
        rate = learning_rate(step, self.steps, self._settings)
        mx.random.seed(abs(hash((self._settings.seed, step, self._ranks.own))))  # so a resumed run draws the same
        shares = self._shares(step)
        parts, gradients = self._gradients(shares)
        gradients, norm = clip_grad_norm(gradients, self._settings.clip_norm or math.inf)
        for name, value in (("loss", parts[0]), ("straying", parts[1]), ("gradient", number(norm))):
            if not math.isfinite(value):  # a step with it would be in the next checkpoint
                raise TrainingError(
                    f"The {name} of step {step + 1} is {value}; the run stops at its last checkpoint.",
                    hint=f"Start again with a smaller learning rate than {self._settings.learning_rate:g}.",
                )
        self._optimizer.learning_rate = mx.array(rate)
        self._optimizer.update(self._model, gradients)
        mx.eval(self._model.trainable_parameters(), self._optimizer.state)
        return self._stepped(parts, rate, sum(share.tokens for share in shares), time.monotonic() - began)

    def _stepped(self, parts: Sequence[float], rate: float, tokens: int, spent_s: float) -> Stepped:
        self._note_speed(tokens, spent_s, "steps")
        loss, straying, *measures = parts
        now = self.progress
        self.progress = now = msgspec.structs.replace(
            now, step=now.step + 1, loss=loss, tokens=now.tokens + tokens, spent_s=now.spent_s + spent_s
        )
        return Stepped(
            step=now.step,
            steps=self.steps,
            loss=loss,
            straying=straying,
            learning_rate=rate,
            tokens=now.tokens,
            spent_s=now.spent_s,
            peak_bytes=mx.get_peak_memory(),
            measures=self._named(measures),
        )

    def _shares(self, step: int) -> list[Share[Any]]:
        """The step's batches, as all ranks together compute them."""
        first = step * self._settings.accumulate
        numbers = range(first, first + self._settings.accumulate)
        return [Share(self._schedule.batch(number), self._schedule.anchors(number)) for number in numbers]

    def _gradients(self, shares: Sequence[Share[Any]]) -> tuple[list[float], Gradients]:
        """(loss, straying, the goal's measures) and gradients over all batches and ranks, each a mean."""
        own, ranks = self._ranks.own, self._ranks.count
        whole = Share(
            [unit for share in shares for unit in share.units], [anchor for share in shares for anchor in share.anchors]
        )
        parts = [Share(share.units[own::ranks], share.anchors[own::ranks]) for share in shares]
        baseline = self._baseline([part.units for part in parts], whole.units)
        total: tuple[mx.array, Gradients] | None = None
        for part in parts:
            if part.units or part.anchors:
                found = self._objective.gradients(part, whole, baseline)
                total = found if total is None else tree_map(mx.add, total, found)
                mx.eval(total)
        total = self._ranks.sum(total or self._nothing())
        mx.eval(total)
        return numbers(total[0]), total[1]

    def _nothing(self) -> tuple[mx.array, Gradients]:
        """What a rank adds that has no part in a step."""
        zeros = tree_map(mx.zeros_like, self._model.trainable_parameters())
        return mx.zeros(2 + len(self._goal.names)), zeros

    def _baseline(self, parts: Sequence[Sequence[Any]], whole: Sequence[Any]) -> float:
        """What the goal needs of a whole step before any gradient, over all batches and ranks."""
        own = sum(number(self._objective.baseline(units, whole)) for units in parts)
        return number(self._ranks.sum(mx.array(own)))

    def _measured(self) -> tuple[float, dict[str, float]]:
        """The loss on all held-out units, and what the goal measures there; every rank finds the same."""
        self._model.eval()
        units, size = self._sets.held_out, self._settings.batch_rows
        parts = [units[at : at + size] for at in range(0, len(units), size)]
        baseline = sum(number(self._objective.baseline(part, units)) for part in parts)
        total = mx.zeros(1 + len(self._goal.names))
        for part in parts:
            total = total + self._objective.measure(part, units, baseline)
            mx.eval(total)
        loss, *measures = numbers(total)
        named = self._named(measures)
        if self._watched:
            named["kl"] = number(self._objective.straying(self._watched))
        self._model.train()
        return loss, named

    def _named(self, measures: Sequence[float]) -> dict[str, float]:
        return dict(zip(self._goal.names, measures, strict=True))

    def _validate(self) -> Validated:
        loss, measures = self._measured()
        now = self.progress
        is_best = now.best_valid_loss is None or loss < now.best_valid_loss
        self.progress = msgspec.structs.replace(
            now,
            best_valid_loss=loss if is_best else now.best_valid_loss,
            best_step=now.step if is_best else now.best_step,
            measured_without_gain=0 if is_best else now.measured_without_gain + 1,
        )
        if is_best:
            self.save()  # the best one must exist when the run ends
        return Validated(step=now.step, loss=loss, is_best=is_best, measures=measures)


def _batch_plan(settings: TrainSettings) -> BatchPlan:
    return BatchPlan(
        rows=settings.batch_rows, tokens=settings.batch_tokens, anchors=settings.anchors, seed=settings.seed
    )
