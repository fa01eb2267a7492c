"""What the worker sets up before the model runtime is loaded."""

from __future__ import annotations

import os
import sys
from types import SimpleNamespace
from typing import Literal

import pytest

from edgellm.engine.config import EngineConfig
from edgellm.engine.worker import open_backend


@pytest.mark.parametrize(
    ("mode", "before", "after"),
    [("embed", None, "1000"), ("embed", "7", "7"), ("generate", None, None)],
)
def test_only_an_embedder_waits_patiently(
    monkeypatch: pytest.MonkeyPatch, mode: Literal["generate", "embed"], before: str | None, after: str | None
) -> None:
    monkeypatch.setenv("GOMP_SPINCOUNT", before or "")  # so that it is as it was afterwards
    if before is None:
        del os.environ["GOMP_SPINCOUNT"]
    found: list[str | None] = []

    def backend(_config: EngineConfig, _on_progress: object) -> None:
        found.append(os.environ.get("GOMP_SPINCOUNT"))

    runtime = SimpleNamespace(LlamaBackend=backend)
    monkeypatch.setitem(sys.modules, "edgellm.engine.llama.backend", runtime)
    open_backend(EngineConfig(model_path="model.gguf", mode=mode), lambda _fraction: None)
    assert found == [after]
