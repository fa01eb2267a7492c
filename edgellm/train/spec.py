"""What the training process is told, and what it says."""

from __future__ import annotations

from pathlib import Path

import msgspec

from edgellm.decoding import from_json
from edgellm.train.settings import TrainSettings


class RunSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One run, written to its folder before the process starts."""

    base: str
    """Path of the base GGUF."""
    rows: str
    """Path of the rows file."""
    settings: TrainSettings
    plan_hash: str
    start: str = ""
    """Path of the weights of an adapter that goes on learning; empty: a new one."""


class Opened(msgspec.Struct, frozen=True, kw_only=True, tag="opened"):
    """The base is open and learning can begin."""

    first_step: int
    steps: int
    learning_weights: int
    blas: str


class Stepped(msgspec.Struct, frozen=True, kw_only=True, tag="stepped"):
    """One step was done."""

    step: int
    steps: int
    loss: float
    """Mean over the step, before it."""
    straying: float
    """Mean KL divergence from the base on the anchors."""
    learning_rate: float
    tokens: int
    spent_s: float
    peak_bytes: int
    measures: dict[str, float] = {}
    """Of preference tuning: `margin` and `accuracy` on the step's own rows."""


class Validated(msgspec.Struct, frozen=True, kw_only=True, tag="validated"):
    """The validation rows were read."""

    step: int
    loss: float
    is_best: bool
    measures: dict[str, float] = {}
    """Of preference tuning: `margin`, `accuracy`, and `kl`, the mean divergence from the reference in nats a token."""


class Saved(msgspec.Struct, frozen=True, kw_only=True, tag="saved"):
    """A checkpoint is there whole."""

    step: int
    checkpoint: str
    """Its folder."""


class Ended(msgspec.Struct, frozen=True, kw_only=True, tag="ended"):
    """The run is complete or was stopped; its newest checkpoint holds the result."""

    is_complete: bool
    checkpoint: str
    best: str = ""
    """The checkpoint with the lowest validation loss; empty where nothing was measured."""


class Broke(msgspec.Struct, frozen=True, kw_only=True, tag="broke"):
    """The run cannot go on."""

    error: str
    message: str
    hint: str = ""


Saying = Opened | Stepped | Validated | Saved | Ended | Broke


def say(saying: Saying) -> bytes:
    """One saying as a JSON line."""
    return msgspec.json.encode(saying) + b"\n"


def understand(line: bytes) -> Saying:
    """The saying on a line. Raises: msgspec.MsgspecError."""
    saying: Saying = from_json(line, type=Saying)
    return saying


def write_spec(path: Path, spec: RunSpec) -> None:
    """Store a spec for the child."""
    from edgellm.paths import write_private

    write_private(path, msgspec.json.encode(spec))


def read_spec(path: Path) -> RunSpec:
    """A stored spec."""
    return from_json(path.read_bytes(), type=RunSpec)
