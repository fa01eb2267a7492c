"""A library in a temporary folder that accepts what has a sound header, and a hub to fill it from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from edgellm import disk_space
from edgellm.hub import transfer
from edgellm.hub.inspect import check_header
from edgellm.hub.installed import Library
from edgellm.paths import home_from
from tests.fakehub import FakeHub, fake_hub
from tests.unit.hub.pulls import CONTENT, FILE, REPOSITORY


@pytest.fixture
def library(tmp_path: Path) -> Library:
    return Library(home_from({"EDGELLM_HOME": str(tmp_path / "home")}), inspector=check_header)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    """Holds one small model; nobody waits long for it, on however full a disk."""
    monkeypatch.setattr(transfer, "BACKOFF_S", 0.001)
    monkeypatch.setattr(disk_space, "SPARE_BYTES", 0)
    with fake_hub() as running:
        running.files[REPOSITORY] = {FILE: CONTENT}
        yield running


@pytest.fixture(autouse=True)
def _no_hub_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_TOKEN", "HF_ENDPOINT", "EDGELLM_OFFLINE", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
