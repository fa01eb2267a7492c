"""Children that run torch are replaced by a small fake."""

from __future__ import annotations

from functools import partial

import pytest

from edgellm.engine.native import NativeChild
from edgellm.retrieval.embed import bulk, rerank

FAKE = "tests.unit.retrieval.embed.fake_child"


@pytest.fixture
def fake_children(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(_module: str, *arguments: str) -> NativeChild:
        return NativeChild(FAKE, *arguments)

    for module in (bulk, rerank):
        monkeypatch.setattr(module, "NativeChild", start)
    monkeypatch.setattr("importlib.util.find_spec", partial(_found, True))


@pytest.fixture
def no_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", partial(_found, False))


def _found(is_there: bool, _name: str) -> object | None:
    return object() if is_there else None
