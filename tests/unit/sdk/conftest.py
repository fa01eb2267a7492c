"""An EdgeLLM whose model is the built-in FakeBackend, in a real worker process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from edgellm.sdk.facade import EdgeLLM
from edgellm.settings import Settings


@pytest.fixture
def edge(tmp_path: Path) -> Iterator[EdgeLLM]:
    with EdgeLLM("fake:", home=tmp_path / "home", settings=Settings(context_tokens=1024)) as made:
        yield made
