"""The two backends that every contract test runs on: the fake, and llama.cpp with the starter model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from edgellm.engine.backend import Backend
from edgellm.engine.config import EngineConfig
from edgellm.engine.fake import FakeBackend
from tests.live.starter import starter_path
from tests.live.tiny_models import write_dense


@dataclass(frozen=True)
class Kind:
    """One backend class, and how to make its steps slow enough to interrupt."""

    name: str

    def config(self, *, slow: bool = False, **fields: Any) -> EngineConfig:
        path = starter_path() if self.name == "llama.cpp" else f"fake:{'prefill_token_s=0.01' if slow else ''}"
        defaults = {"model_path": path, "context_tokens": 512, "max_running": 4, "max_parked": 4, "threads": 1}
        return EngineConfig(**{**defaults, **fields})

    def write_adapter(self, path: Path, layer: int) -> Path:
        """An adapter for the model of `config`; another layer makes it another one."""
        if self.name == "fake":
            path.write_text(f"adapter of layer {layer}")
        else:
            from tests.live.test_llama_adapter import write_adapter  # deferred: fast tests load no llama.cpp

            write_adapter(path, tensor=f"blk.{layer}.attn_q")
        return path

    def open(self, config: EngineConfig) -> Backend:
        if self.name == "fake":
            return FakeBackend(config)
        from edgellm.engine.llama.backend import LlamaBackend  # deferred: fast tests load no llama.cpp

        return LlamaBackend(config)


@pytest.fixture(scope="session", params=["fake", pytest.param("llama.cpp", marks=pytest.mark.live)])
def kind(request: pytest.FixtureRequest) -> Kind:
    return Kind(request.param)


@pytest.fixture(scope="session")
def config(kind: Kind) -> EngineConfig:
    """A small engine, with more cells than most tests use."""
    return kind.config()


@pytest.fixture(scope="session")
def opened(kind: Kind, config: EngineConfig) -> Iterator[Backend]:
    backend = kind.open(config)
    yield backend
    backend.close()


@pytest.fixture
def backend(opened: Backend) -> Iterator[Backend]:
    """An open backend with empty memory."""
    yield opened
    for sequence in range(opened.info.max_sequences):
        opened.trim(sequence, 0)


@pytest.fixture
def small(kind: Kind, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    """A backend whose cache is filled in no time; its model knows tokens 0 to 95 at least."""
    is_llama = kind.name == "llama.cpp"
    path = write_dense(tmp_path_factory.mktemp("dense") / "model.gguf") if is_llama else "fake:"
    backend = kind.open(kind.config(model_path=path))
    yield backend
    backend.close()
