"""A library in a temporary folder that accepts what has a sound header."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgellm.hub.inspect import check_header
from edgellm.hub.installed import Library
from edgellm.paths import home_from


@pytest.fixture
def library(tmp_path: Path) -> Library:
    return Library(home_from({"EDGELLM_HOME": str(tmp_path / "home")}), inspector=check_header)


@pytest.fixture(autouse=True)
def _no_hub_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_TOKEN", "HF_ENDPOINT", "EDGELLM_OFFLINE", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
