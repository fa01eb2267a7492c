"""What a training run is asked to do, and presets a person understands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, get_type_hints

import msgspec

from edgellm.decoding import convert
from edgellm.errors import InvalidInput

Method = Literal["lora", "qlora", "dora", "full"]
ObjectiveName = Literal["sft", "dpo", "orpo", "kto"]
OptimizerName = Literal["adamw", "lion", "sgd"]
Decay = Literal["cosine", "linear", "constant"]
TARGETS = ("attn_q", "attn_k", "attn_v", "attn_qkv", "attn_output", "ffn_gate", "ffn_up", "ffn_down")
"""Linear layers of a block by GGUF's names; a family has most of them."""
QUANTIZED_BITS, QUANTIZED_GROUP = 4, 64
"""How qlora holds the base's linear layers: bits a weight, weights that share a scale."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainSettings:
    """One run."""

    method: Method = "lora"
    """lora: low-rank adapter; qlora: the same on a base held in four bits; dora: with learnt magnitudes; full: every
    weight."""
    objective: ObjectiveName = "sft"
    """sft: imitate the answers; dpo and orpo: prefer one answer of a pair to the other; kto: judgements of single
    answers."""
    beta: float = 0.1
    """How closely dpo and kto keep to what the model was before; how much the preference counts in orpo."""
    rank: int = 16
    """Width of the adapter."""
    alpha: float = 160.0
    """Strength of the adapter: its output is multiplied by alpha / rank."""
    dropout: float = 0.0
    """Share of the adapter's input that is left out in training."""
    targets: tuple[str, ...] = TARGETS
    """Linear layers that get an adapter."""
    layers: int | None = None
    """How many layers, counted from the top, learn; None: all."""
    epochs: float | None = None
    """How often each row is read; None: ten times up to a hundred rows, three times for dpo and kto, less for more;
    40 steps at least, 12 for dpo and kto."""
    effort: float = 1.0
    """What the number of epochs that follows from the rows is multiplied by."""
    steps: int | None = None
    """Number of steps; None: by `epochs`."""
    batch_rows: int = 6
    """Rows of the data set, or pairs of them, in one step."""
    batch_tokens: int = 2048
    """Most tokens computed at once."""
    accumulate: int = 1
    """Batches whose gradients are added up for one step."""
    noise: float = 10.0
    """Strength of noise on what rows are read as, against learning their wording (NEFTune); 0: none, as always when the
    lower layers do not learn, and with preferences, which compare what was read without."""
    anchors: int = 1
    """General texts beside each batch, on which the model is held to what it was; 0: none, as always when the head
    learns."""
    anchor_weight: float = 1.5
    """How much straying from the base on them counts, against the loss on the data set."""
    optimizer: OptimizerName = "adamw"
    """adamw; lion: less memory for its state, and wants a smaller learning rate; sgd: with momentum 0.9, and wants a
    larger one."""
    learning_rate: float = 4e-4
    """Largest step width of the optimizer."""
    warmup: float = 0.05
    """Share of the steps in which the learning rate grows."""
    decay: Decay = "cosine"
    """How the learning rate falls after that."""
    weight_decay: float = 0.0
    """The optimizer's pull of weights towards zero."""
    clip_norm: float | None = 1.0
    """Longest gradient; longer ones are shortened. None: any."""
    context_tokens: int = 1024
    """Longest row; longer ones are cut."""
    checkpoint_steps: int = 20
    """Steps between checkpoints."""
    valid_steps: int = 10
    """Steps between measurements on the validation rows."""
    patience: int | None = None
    """Measurements without a better validation loss after which the run stops; None: never."""
    has_gradient_checkpointing: bool | None = None
    """Whether layers are computed again in the backward pass, which takes less memory and more time; None: where memory
    is short otherwise."""
    seed: int = 0
    """Beginning of every random choice."""

    @property
    def scale(self) -> float:
        """What the adapter's output is multiplied by."""
        return self.alpha / self.rank

    @property
    def is_preference(self) -> bool:
        """Whether judged answers are learnt from, in place of examples."""
        return self.objective != "sft"

    @property
    def has_reference(self) -> bool:
        """Whether answers are compared with what the model thought of them before."""
        return self.objective in REFERENCED

    @property
    def makes_adapter(self) -> bool:
        """False: what is learnt has no adapter form."""
        return self.method in ("lora", "qlora")


PRESETS: Mapping[str, Mapping[str, object]] = {
    "quick": {"effort": 0.3},
    "balanced": {},
    "best": {"effort": 2.0},
}
"""quick: see that it works; balanced: the default; best: twice the time."""
REFERENCED = ("dpo", "kto")
"""Objectives that compare with what the model thought before; the others imitate."""
GENTLE: Mapping[str, object] = {"learning_rate": 1e-4}
"""What is different by default for these."""


def settings_for(preset: str, **changes: object) -> TrainSettings:
    """The preset's settings with changes. Raises: InvalidInput naming what is wrong."""
    if preset not in PRESETS:
        raise InvalidInput(
            f"There is no preset {preset!r}.", hint=f"Choose one of: {', '.join(PRESETS)}.", field="preset"
        )
    defaults = {**PRESETS[preset], **(GENTLE if changes.get("objective") in REFERENCED else {})}
    settings = replace(TrainSettings(), **{**defaults, **changes})  # type: ignore[arg-type]  # checked below
    check(settings)
    return settings


def from_text(text: str) -> tuple[str, object]:
    """`name=value` as a setting's name and value; lists are separated by commas, `null` is no value.

    Raises: InvalidInput for an unknown name or a value of another kind.
    """
    name, _, value = text.partition("=")
    name = name.strip().replace("-", "_")
    kinds = get_type_hints(TrainSettings)
    if name not in kinds:
        raise InvalidInput(f"There is no training setting {name!r}.", hint=f"Known: {', '.join(kinds)}.", field="set")
    given = [item.strip() for item in value.split(",")] if name == "targets" else value.strip()
    try:
        return name, convert(given, kinds[name], strict=False)
    except msgspec.ValidationError as error:
        raise InvalidInput(f"{name} cannot be {value!r}: {error}.", field=name) from error


_RANGES: Mapping[str, tuple[float, float]] = {
    "rank": (1, 512),
    "alpha": (1e-3, 1e5),
    "dropout": (0, 0.9),
    "beta": (1e-3, 100),
    "effort": (0.01, 100),
    "batch_rows": (1, 4096),
    "batch_tokens": (16, 1_000_000),
    "accumulate": (1, 4096),
    "anchors": (0, 4096),
    "anchor_weight": (0, 1000),
    "noise": (0, 100),
    "learning_rate": (1e-8, 1.0),
    "warmup": (0, 1),
    "weight_decay": (0, 1),
    "context_tokens": (8, 1_000_000),
    "checkpoint_steps": (1, 1_000_000),
    "valid_steps": (1, 1_000_000),
    "seed": (0, 2**63 - 1),
}
_OPTIONAL: Mapping[str, tuple[float, float]] = {
    "epochs": (0.01, 10_000),
    "layers": (1, 10_000),
    "steps": (1, 10_000_000),
    "clip_norm": (1e-6, 1e6),
    "patience": (1, 1_000_000),
}


def check(settings: TrainSettings) -> None:
    """Raises: InvalidInput for a value out of its range or an unknown target."""
    for name, (least, most) in (*_RANGES.items(), *_OPTIONAL.items()):
        value = getattr(settings, name)
        if value is None and name in _OPTIONAL:
            continue
        if not least <= value <= most:  # also false for nan
            raise InvalidInput(f"{name} is {value!r}; it must be from {least:g} to {most:g}.", field=name)
    unknown = sorted(set(settings.targets) - set(TARGETS))
    if unknown or not settings.targets:
        raise InvalidInput(
            f"targets are {', '.join(map(repr, unknown)) or 'empty'}; known are {', '.join(TARGETS)}.", field="targets"
        )
