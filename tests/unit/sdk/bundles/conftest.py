"""Two machines: one with everything, one with nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgellm import disk_space
from edgellm.hub.adapters import BaseRecord, Shelf
from tests.unit.retrieval.library import IDENTITY, add
from tests.unit.sdk.bundles.machines import FARES, Machine, base_file, lora_file


@pytest.fixture(autouse=True)
def small_disk_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk_space, "SPARE_BYTES", 0)


@pytest.fixture
def here(tmp_path: Path) -> Machine:
    """A machine with a model, an adapter and a collection."""
    machine = Machine(tmp_path / "here")
    model = machine.library.add(base_file(tmp_path / "tiny.gguf"), "tiny")
    lora = lora_file(tmp_path / "lora.gguf")
    Shelf(machine.home).attach(lora, BaseRecord(name="tiny", sha256=str(model.sha256)), "fares")
    with machine.collections.open_or_create("ferries", lambda: IDENTITY) as collection:
        add(collection, "/docs/fares.txt", *FARES)
    return machine


@pytest.fixture
def there(tmp_path: Path) -> Machine:
    return Machine(tmp_path / "there")
