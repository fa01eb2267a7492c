"""A new training run: what can be chosen, what was chosen, and what its plan says."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgellm.errors import EdgeLLMError, InvalidInput
from edgellm.safetext import clean_line
from edgellm.sizes import size
from edgellm_tui.ports import Edge
from edgellm_tui.render import meter
from edgellm_tui.runs import left_out

if TYPE_CHECKING:
    from edgellm.train.settings import TrainSettings

PRESETS = ("quick", "balanced", "best")
_MEANING = {
    "quick": "a third of the time, to see that it works",
    "balanced": "the default: few examples are read 10 times, many less often",
    "best": "twice the time, for facts that must stick",
}
_VERDICTS = {
    "fits": "It fits",
    "tight": "It is tight: close what else takes memory",
    "does not fit": "It does not fit",
}
NONE_CAN_LEARN = "No model on this computer can learn: fetch one on the models page (F4)"


@dataclass(frozen=True, slots=True)
class Offers:
    """What there is to choose from, as the SDK calls it."""

    bases: tuple[str, ...]
    datasets: tuple[str, ...]
    adapters: tuple[str, ...]
    """Names that are taken."""
    newest: str = ""
    """The dataset that was built last: most likely what is meant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the form was filled in with."""

    data: str
    base: str
    name: str
    preset: str
    columns: str | None = None
    """Which of a file's columns is what; None goes by their names."""

    @property
    def settings(self) -> TrainSettings:
        """The preset's."""
        from edgellm.train.settings import settings_for  # deferred: nothing else of the app needs it

        return settings_for(self.preset)


async def read_offers(edge: Edge) -> Offers:
    """Installed models of a family that can be trained, datasets, adapters. Raises: EdgeLLMError."""
    names = [model.name for model in await edge.models.list()]
    datasets = await edge.datasets.list()
    can_learn = await asyncio.gather(*(_is_trainable(edge, name) for name in names))
    return Offers(
        bases=tuple(name for name, is_trainable in zip(names, can_learn, strict=True) if is_trainable),
        datasets=tuple(manifest.name for manifest in datasets),
        adapters=tuple(adapter.name for adapter in await edge.adapters.list()),
        newest=max(datasets, key=lambda manifest: manifest.created).name if datasets else "",
    )


async def _is_trainable(edge: Edge, name: str) -> bool:
    from edgellm.train.architecture import FAMILIES  # deferred: nothing else of the app needs it

    try:
        return (await edge.models.inspect(name)).architecture in FAMILIES
    except EdgeLLMError:
        return False  # a file that cannot be opened teaches nobody; the models page says what is wrong with it


def meaning(preset: str) -> str:
    """A preset in one sentence."""
    return f"{preset}: {_MEANING[preset]}."


def name_for(data: str) -> str:
    """What a run on this data is called by default; empty when nothing can be made of it."""
    from edgellm.hub.names import name_from

    try:
        return name_from(Path(data.strip()).stem)
    except InvalidInput:
        return ""


def checked(wanted: Wanted, offers: Offers) -> Wanted:
    """The same. Raises: InvalidInput for what the SDK would refuse later."""
    from edgellm.data.draft_source import PREFIX
    from edgellm.data.schemas import chosen_columns
    from edgellm.hub.adapters import adapter_name

    if not wanted.data:
        raise InvalidInput("Say which examples it learns from: a dataset's name or a file.", field="data")
    is_known = wanted.data in offers.datasets or wanted.data.startswith(PREFIX)  # the SDK knows which drafts there are
    if not is_known and not os.path.exists(os.path.expanduser(wanted.data)):
        raise InvalidInput(f"{wanted.data!r} is neither a dataset nor a file.", field="data")
    if wanted.columns:
        chosen_columns(wanted.columns)
    adapter_name(wanted.name)
    if wanted.name in offers.adapters:
        raise InvalidInput(f"There is an adapter named {wanted.name!r} already.", field="name")
    return wanted


def plan_facts(result: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The result of a plan in words: name and value."""
    verdict = _VERDICTS.get(result["verdict"], str(result["verdict"]))
    needed, free = size(result["total_bytes"]), size(result["available_bytes"])
    cut = f"; {result['cut_rows']:,} are too long and are cut" if result["cut_rows"] else ""
    again = "; layers are computed twice to save some, which takes longer" if result["is_recomputed"] else ""
    without, notes = left_out(result), result["data_notes"]
    return [
        ("Memory", f"{verdict}: about {needed} of the {free} that are free{again}"),
        ("Time", f"about {meter.seconds(result['seconds'])}: {result['steps']:,} steps of {result['step_s']:.1f} s"),
        *([("Data", clean_line("; ".join(notes)))] if notes else []),
        ("Examples", f"{result['rows']:,} rows, {result['tokens']:,} tokens{cut}"),
        *([("Left out", without)] if without else []),
        ("Learns", f"{result['learning_weights'] / 1e6:.1f} million weights beside the model, which stays as it is"),
    ]
