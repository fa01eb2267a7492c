"""What a run will need, before anything is loaded. Pure arithmetic."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from edgellm.errors import ModelDoesNotFit
from edgellm.sizes import size
from edgellm.train.architecture import Architecture
from edgellm.train.batches import BatchPlan, batches_of
from edgellm.train.rows import RowSets, tokens_of
from edgellm.train.schedule import steps_of
from edgellm.train.settings import QUANTIZED_BITS, QUANTIZED_GROUP, TrainSettings

FLOAT_BYTES = 4
OPTIMIZER_COPIES = 4
"""A learning weight, its gradient, and Adam's two moments."""
RUNTIME_BYTES = 250 * 1024**2
"""Python, MLX, BLAS and their buffers."""
COMFORTABLE_SHARE = 0.8
CHUNK_TOKENS = 128
"""Positions whose logits exist at one time: 128 x 49,152 float32 are 25 MB."""
LOGITS_COPIES = 4
"""Logits and their exponentials, of the model and of the base."""
KEPT_BYTES = 2 * 1024**3
"""Most memory for what frozen lower layers make of the rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainPlan:
    """Counts and sizes of a run."""

    rows: int
    """Rows of the data set, or pairs of them."""
    tokens: int
    """Tokens of one epoch."""
    targets: int
    """Tokens of one epoch that are to be predicted."""
    cut_rows: int
    """Conversations that are longer than `context_tokens`, whose end is not learnt."""
    left_out_rows: int
    """Conversations of which nothing can be learnt."""
    left_out_why: str
    """Why not the first of them."""
    steps: int
    learning_weights: int
    weights_bytes: int
    """The base in float32, with qlora its linear layers packed."""
    learning_bytes: int
    """Learning weights with gradients and optimizer."""
    activation_bytes: int
    """What the backward pass of the largest batch needs, and the head."""
    kept_bytes: int = 0
    """What frozen lower layers make of the rows, which is computed once."""
    is_recomputed: bool = False
    """Whether layers are computed again in the backward pass: that takes less memory and more time."""
    processes: int = 1
    """On this machine, each with the whole base; they divide a batch among them."""

    @property
    def total_bytes(self) -> int:
        """Memory at the peak."""
        each = self.weights_bytes + self.learning_bytes + self.kept_bytes + RUNTIME_BYTES
        return self.processes * each + self.activation_bytes

    def verdict(self, available_bytes: int) -> str:
        """`fits`, `tight` or `does not fit`."""
        if self.total_bytes > available_bytes:
            return "does not fit"
        return "fits" if self.total_bytes <= COMFORTABLE_SHARE * available_bytes else "tight"


def plan_run(
    shape: Architecture,
    sets: RowSets,
    settings: TrainSettings,
    parameters: int,
    processes: int = 1,
    *,
    members: int = 1,
) -> TrainPlan:
    """The plan of a run on a base of `parameters` weights, by so many processes on this machine.

    `members`: machines that divide each batch among them; the plan is of the one with most to do.
    """
    batch_plan = BatchPlan(rows=settings.batch_rows, tokens=settings.batch_tokens, seed=settings.seed)
    units = sets.learnt
    rows = [row for unit in units for row in unit.rows]
    batches = batches_of(0, units, batch_plan)
    largest = _largest_batch(sets, batches, settings, members)
    return TrainPlan(
        rows=len(units),
        tokens=sum(len(row.tokens) for row in rows),
        targets=sum(row.targets for row in rows),
        cut_rows=sets.cut,
        left_out_rows=sets.left_out,
        left_out_why=sets.left_out_why,
        steps=steps_of(settings, len(batches), len(units)),
        learning_weights=learning_weights(shape, settings, parameters),
        weights_bytes=_weights_bytes(shape, settings, parameters),
        learning_bytes=_learning_bytes(shape, settings, parameters),
        activation_bytes=_activation_bytes(shape, settings, *largest) + _head_bytes(shape),
        kept_bytes=_kept_bytes(shape, sets, settings),
        is_recomputed=bool(settings.has_gradient_checkpointing),
        processes=processes,
    )


def plan_within(
    available_bytes: int,
    shape: Architecture,
    sets: RowSets,
    settings: TrainSettings,
    *,
    parameters: int,
    processes: int = 1,
    members: int = 1,
) -> tuple[TrainSettings, TrainPlan]:
    """The settings, in which it is decided whether layers are computed again in the backward pass; and their plan.

    Where nobody said, they are when the run would not fit otherwise. Whether it fits at all, the plan's verdict says.
    """
    asked = settings.has_gradient_checkpointing
    for is_recomputed in (False, True) if asked is None else (asked,):
        decided = replace(settings, has_gradient_checkpointing=is_recomputed)
        plan = plan_run(shape, sets, decided, parameters, processes, members=members)
        if plan.verdict(available_bytes) != "does not fit":
            break
    return decided, plan


def learning_weights(shape: Architecture, settings: TrainSettings, parameters: int) -> int:
    """How many numbers a run changes."""
    layers = shape.layers if settings.layers is None else min(settings.layers, shape.layers)
    sizes = _linear_sizes(shape)
    if settings.method == "full":
        block = sum(inputs * outputs for inputs, outputs in sizes.values())
        return parameters if settings.layers is None else layers * block
    chosen = [sizes[name] for name in settings.targets if name in sizes]
    magnitudes = sum(outputs for _, outputs in chosen) if settings.method == "dora" else 0
    return layers * (settings.rank * sum(map(sum, chosen)) + magnitudes)


def refuse_if_hopeless(
    shape: Architecture, settings: TrainSettings, parameters: int, processes: int, available_bytes: int
) -> None:
    """Before anything is read. Raises: ModelDoesNotFit when not even base and optimizer have room, without a batch."""
    weights, learning = _weights_bytes(shape, settings, parameters), _learning_bytes(shape, settings, parameters)
    needed = processes * (weights + learning + RUNTIME_BYTES)
    if needed > available_bytes:
        raise ModelDoesNotFit(
            f"Training needs more than {size(needed)}, and {size(available_bytes)} are free: {size(weights)} for the "
            f"base, {size(learning)} for what learns{_each(processes)}.",
            hint="Use a smaller base, fewer layers, fewer processes, or the method qlora.",
            needed_bytes=needed,
            available_bytes=available_bytes,
        )


def _each(processes: int) -> str:
    return f", in each of {processes} processes" if processes > 1 else ""


def refuse_if_too_large(plan: TrainPlan, available_bytes: int) -> None:
    """Raises: ModelDoesNotFit with what would help."""
    if plan.verdict(available_bytes) != "does not fit":
        return
    again = "" if plan.is_recomputed else " has_gradient_checkpointing,"
    raise ModelDoesNotFit(
        f"Training needs about {size(plan.total_bytes)}, and {size(available_bytes)} are free: "
        f"{size(plan.weights_bytes)} for the base, {size(plan.learning_bytes)} for what learns"
        f"{_each(plan.processes)}, {size(plan.activation_bytes + plan.processes * plan.kept_bytes)} for the rows.",
        hint=f"Use a smaller base, fewer batch_tokens, fewer layers,{again} or the method qlora.",
        needed_bytes=plan.total_bytes,
        available_bytes=available_bytes,
    )


def _weights_bytes(shape: Architecture, settings: TrainSettings, parameters: int) -> int:
    if settings.method != "qlora":
        return parameters * FLOAT_BYTES
    sizes = _linear_sizes(shape).values()
    linear = shape.layers * sum(inputs * outputs for inputs, outputs in sizes if not inputs % QUANTIZED_GROUP)
    bits = QUANTIZED_BITS + 2 * 8 * FLOAT_BYTES / QUANTIZED_GROUP  # a scale and an offset a group
    return (parameters - linear) * FLOAT_BYTES + round(linear * bits / 8)


def _learning_bytes(shape: Architecture, settings: TrainSettings, parameters: int) -> int:
    copies = OPTIMIZER_COPIES - (settings.method == "full")  # its weights are the base's own
    return learning_weights(shape, settings, parameters) * FLOAT_BYTES * copies


def _linear_sizes(shape: Architecture) -> dict[str, tuple[int, int]]:
    """(inputs, outputs) of a block's linear layers."""
    q, k, v = (
        shape.heads * shape.head_width,
        shape.kv_heads * shape.head_width,
        shape.kv_heads * shape.value_width,
    )
    common = {
        "attn_output": (shape.heads * shape.value_width, shape.width),
        "ffn_down": (shape.hidden, shape.width),
    }
    if shape.has_fused_projections:
        return {**common, "attn_qkv": (shape.width, q + k + v), "ffn_up": (shape.width, 2 * shape.hidden)}
    inner = {"ffn_gate": shape.hidden, "ffn_up": shape.hidden, "attn_q": q, "attn_k": k, "attn_v": v}
    return {**common, **{name: (shape.width, outputs) for name, outputs in inner.items()}}


def _largest_batch(
    sets: RowSets, batches: Sequence[Sequence[int]], settings: TrainSettings, members: int
) -> tuple[int, int]:
    """(tokens, longest row) of the batch, or the member's share of it, that needs most."""
    most = math.ceil(settings.anchors / members)
    anchors = sorted((len(row.tokens) for row in sets.anchors), reverse=True)[:most]
    units = sets.learnt
    shares = (batch[own::members] for batch in batches for own in range(members))
    tokens = max((sum(tokens_of(units[number]) for number in share) for share in shares), default=1)
    longest = max((len(row.tokens) for unit in units for row in unit.rows), default=1)
    return tokens + sum(anchors), max(longest, *anchors, 1)


def _head_bytes(shape: Architecture) -> int:
    return LOGITS_COPIES * CHUNK_TOKENS * shape.vocabulary * FLOAT_BYTES


def _kept_bytes(shape: Architecture, sets: RowSets, settings: TrainSettings) -> int:
    if settings.layers is None or settings.layers >= shape.layers:
        return 0
    tokens = sum(map(tokens_of, (*sets.learnt, *sets.held_out, *sets.anchors)))
    return min(KEPT_BYTES, tokens * shape.width * FLOAT_BYTES)


def _activation_bytes(shape: Architecture, settings: TrainSettings, tokens: int, longest: int) -> int:
    """What one batch leaves for the backward pass; the numbers a token needs were measured on a 30-layer llama."""
    layers = shape.layers if settings.layers is None else min(settings.layers, shape.layers)
    token = 10 * shape.width + 8 * shape.hidden + shape.heads * longest
    if settings.has_gradient_checkpointing:
        return (layers * tokens * shape.width + tokens * token) * FLOAT_BYTES
    return layers * tokens * token * FLOAT_BYTES
