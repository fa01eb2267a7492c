"""What the adapter in use was trained on: the questions of its dataset."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from edgellm.errors import AdapterNotFound, DataRejected, DatasetNotFound, InvalidInput
from edgellm.hub.adapters import Shelf
from edgellm.hub.names import split_adapter
from edgellm.paths import Home

if TYPE_CHECKING:
    from edgellm.data.dataset import ChatRow


def adapter_in_use(models: Sequence[str], default: str | None) -> str | None:
    """`MODEL@ADAPTER` that answered most questions; else the default model's; None: none was used.

    `models`: who answered, `MODEL[@ADAPTER][+COLLECTION]`.
    """
    used = Counter(name for name in map(_model_of, models) if split_adapter(name)[1])
    if used:
        return used.most_common(1)[0][0]
    return default if default and split_adapter(default)[1] else None


def prompts_of(home: Home, model: str, most: int, seed: int) -> tuple[str, ...] | str:
    """Questions of the dataset that an adapter was trained on, `most` drawn by the seed; or why there are none."""
    from edgellm.data.dataset import ChatRow, open_dataset

    try:
        trained_on = Shelf(home).get(split_adapter(model)[1] or "").manifest.dataset
        if trained_on is None:
            return "where it was trained is not known"
        dataset = open_dataset(home.datasets / trained_on.name)
        if dataset.manifest.dataset_hash != trained_on.hash:
            return f"the dataset {trained_on.name!r} is another one by now"
        found = [_last_question(row) for row in dataset.rows("train") if isinstance(row, ChatRow)]
    except (AdapterNotFound, DatasetNotFound, DataRejected, InvalidInput) as error:
        return error.message
    prompts = list(dict.fromkeys(text for text in found if text.strip()))
    return tuple(random.Random(seed).sample(prompts, min(most, len(prompts)))) or "its data holds no questions"


def collection_of(name: str) -> str:
    """The collection in `MODEL[@ADAPTER][+COLLECTION]`; empty: none."""
    model, plus, collection = name.rpartition("+")
    return collection if plus and model and "/" not in collection and not collection.endswith(".gguf") else ""


def _model_of(name: str) -> str:
    return name.rpartition("+")[0] if collection_of(name) else name


def _last_question(row: ChatRow) -> str:
    return next((each.content for each in reversed(row.messages) if each.role == "user"), "")
