"""An adapter that goes on learning: found, checked against its base, and its form taken over."""

from __future__ import annotations

from pathlib import Path

import msgspec

from edgellm.decoding import convert
from edgellm.errors import InvalidInput
from edgellm.hub.adapters import InstalledAdapter, Shelf
from edgellm.hub.installed import InstalledModel, sha256_of
from edgellm.paths import replacing
from edgellm.train.settings import TrainSettings

FORM = ("method", "rank", "alpha", "targets", "layers")
"""Settings that its weights fit to; its own count, whatever was asked for."""
WEIGHTS = "adapter.safetensors"


def starting_adapter(shelf: Shelf, base: InstalledModel, name: str) -> InstalledAdapter:
    """The adapter by name.

    Raises: AdapterNotFound; InvalidInput when it belongs to another base, or was made elsewhere.
    """
    adapter = shelf.get(name)
    made_for = adapter.manifest.base
    if made_for.sha256 != (base.sha256 or sha256_of(base.path)):
        raise InvalidInput(
            f"The adapter {name!r} was made for {made_for.name!r}, not for {base.name!r}.",
            hint=f"Begin with {adapter.reference}.",
            field="base",
        )
    if not (adapter.folder / WEIGHTS).is_file() or not set(FORM) <= adapter.manifest.plan.keys():
        raise InvalidInput(
            f"The adapter {name!r} was not trained here; only such adapters go on learning.",
            hint=f"Begin with the base alone: {made_for.name}",
            field="base",
        )
    return adapter


def inherited(settings: TrainSettings, adapter: InstalledAdapter) -> TrainSettings:
    """The settings with the adapter's form. Raises: InvalidInput when its manifest is damaged."""
    form = {name: adapter.manifest.plan[name] for name in FORM}
    try:
        return convert(msgspec.to_builtins(settings) | form, TrainSettings)
    except msgspec.ValidationError as error:
        message = f"The manifest of the adapter {adapter.name!r} is damaged: {error}."
        raise InvalidInput(message, field="base") from error


def keep_start(adapter: InstalledAdapter, path: Path) -> None:
    """Copy its weights, so that the run goes on from the same ones whatever becomes of the adapter. Raises: OSError."""
    with replacing(path) as file:
        file.write((adapter.folder / WEIGHTS).read_bytes())
