"""The training loop: steps, validation, checkpoints; it yields what happened and prints nothing."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator

import mlx.core as mx
import msgspec
from mlx import optimizers
from mlx.utils import tree_map

from edgellm.errors import TrainingError
from edgellm.train.batches import BatchPlan, Schedule
from edgellm.train.checkpoint import Checkpoints, Progress
from edgellm.train.decoder import Decoder
from edgellm.train.lora import learning_blocks, make_learning
from edgellm.train.objective import Gradients, Objective, Share
from edgellm.train.rows import RowSets
from edgellm.train.schedule import learning_rate, steps_of
from edgellm.train.settings import TrainSettings
from edgellm.train.spec import Saved, Stepped, Validated

KEPT_BYTES = 2 * 1024**3
"""Most memory for what the frozen layers make of the rows."""


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
        should_stop: Callable[[], bool] = lambda: False,
        note_step: Callable[[int, float], None] = lambda _tokens, _seconds: None,
    ) -> None:
        self._model, self._sets, self._settings = model, sets, settings
        self._checkpoints, self._should_stop, self._note_step = checkpoints, should_stop, note_step
        self._group = mx.distributed.init()
        anchors = sets.anchors if settings.anchors and settings.anchor_weight else ()
        self._objective = Objective(model, anchors, settings.anchor_weight, settings.noise)
        mx.random.seed(settings.seed)
        make_learning(model, settings)
        if settings.has_gradient_checkpointing:
            model.recompute()
        self._objective.keep_below(len(model.blk) - len(learning_blocks(model, settings)), KEPT_BYTES)
        self._schedule = Schedule(sets.train, anchors, _batch_plan(settings))
        self.steps = steps_of(settings, self._schedule.batches_per_epoch, len(sets.train))
        self._optimizer = optimizers.AdamW(
            learning_rate=settings.learning_rate, weight_decay=settings.weight_decay, bias_correction=True
        )
        self._optimizer.init(model.trainable_parameters())
        self.progress = Progress(step=0, plan_hash=plan_hash)

    @property
    def is_chief(self) -> bool:
        """Whether this rank is the one that reports and saves."""
        return self._group.rank() == 0

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

        Raises: TrainingError when the loss is no number; the last checkpoint is from before.
        """
        self._model.train()
        while not self.is_complete and not self._must_stop():
            yield self._step()
            if self._sets.valid and self._is_due(self._settings.valid_steps):
                yield self._validate()
            if self._is_due(self._settings.checkpoint_steps):
                self.save()
                yield Saved(step=self.progress.step, checkpoint=str(self._checkpoints.of_step(self.progress.step)))
        self.save()

    def _must_stop(self) -> bool:
        """Whether any rank was asked to; all find the same, or the others would wait for one that has stopped."""
        is_asked = self._should_stop()
        if self._group.size() == 1:
            return is_asked
        return _number(mx.distributed.all_sum(mx.array(float(is_asked)), group=self._group)) > 0

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
        mx.random.seed(abs(hash((self._settings.seed, step, self._group.rank()))))  # so a resumed run draws the same
        shares = self._shares(step)
        (loss, straying), gradients = self._gradients(shares)
        if not math.isfinite(loss + straying):
            raise TrainingError(
                f"The loss of step {step + 1} is {loss}; the run stops at its last checkpoint.",
                hint=f"Start again with a smaller learning rate than {self._settings.learning_rate:g}.",
            )
        if self._settings.clip_norm is not None:
            gradients, _ = optimizers.clip_grad_norm(gradients, self._settings.clip_norm)
        self._optimizer.learning_rate = rate
        self._optimizer.update(self._model, gradients)
        mx.eval(self._model.trainable_parameters(), self._optimizer.state)
        return self._stepped(loss, straying, rate, sum(share.tokens for share in shares), time.monotonic() - began)

    def _stepped(self, loss: float, straying: float, rate: float, tokens: int, spent_s: float) -> Stepped:
        self._note_step(tokens, spent_s)
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
        )

    def _shares(self, step: int) -> list[Share]:
        """The step's batches, as all ranks together compute them."""
        first = step * self._settings.accumulate
        numbers = range(first, first + self._settings.accumulate)
        return [Share(self._schedule.batch(number), self._schedule.anchors(number)) for number in numbers]

    def _gradients(self, shares: list[Share]) -> tuple[tuple[float, float], Gradients]:
        """(loss, straying) and their gradients over all batches and ranks, each a mean by tokens."""
        rank, ranks = self._group.rank(), self._group.size()
        whole = Share(
            [row for share in shares for row in share.rows], [anchor for share in shares for anchor in share.anchors]
        )
        total: tuple[mx.array, Gradients] = (
            mx.zeros(2),
            tree_map(mx.zeros_like, self._model.trainable_parameters()),
        )
        for share in shares:
            own = Share(share.rows[rank::ranks], share.anchors[rank::ranks])
            if own.rows or own.anchors:
                total = tree_map(mx.add, total, self._objective.gradients(own, whole))
                mx.eval(total)
        if ranks > 1:
            total = tree_map(lambda part: mx.distributed.all_sum(part, group=self._group), total)
        mx.eval(total)
        return (_number(total[0][0]), _number(total[0][1])), total[1]

    def _validate(self) -> Validated:
        self._model.eval()
        rows, size = self._sets.valid, self._settings.batch_rows
        loss = sum(_number(self._objective.loss(rows[at : at + size])) for at in range(0, len(rows), size))
        self._model.train()
        return self._judged(loss / sum(row.targets for row in rows))

    def _judged(self, loss: float) -> Validated:
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
        return Validated(step=now.step, loss=loss, is_best=is_best)


def _batch_plan(settings: TrainSettings) -> BatchPlan:
    return BatchPlan(
        rows=settings.batch_rows, tokens=settings.batch_tokens, anchors=settings.anchors, seed=settings.seed
    )


def _number(value: mx.array) -> float:
    """A scalar array's value, computed now."""
    number: float = value.item()  # type: ignore[assignment]  # never complex here
    return number
