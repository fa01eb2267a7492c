"""Installed models and a small catalogue in memory."""

# ruff: noqa: ARG002 - a fake takes the arguments of what it stands for

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edgellm.errors import ModelNotFound, ModelRejected
from edgellm.hub.adapters import AdapterManifest, BaseRecord, InstalledAdapter
from edgellm.hub.cards import ModelCard
from edgellm.hub.fit import Fit, ModelShape, Verdict
from edgellm.hub.inspect import Inspection
from edgellm.hub.installed import InstalledModel
from edgellm.hub.names import no_such_file, no_such_model, split_adapter


def card(card_id: str, name: str, **more: Any) -> ModelCard:
    """A catalogue card."""
    facts: dict[str, Any] = {
        "publisher": "Someone",
        "family": "test",
        "kind": "chat",
        "source": "someone/something",
        "licence": "Apache-2.0",
        "commercial_use": "yes",
        "licence_note": "You may use it in products; keep the notice.",
        "good_at": "Answers, summaries and small programs.",
        "verified": "the model card",
        "languages": ("en", "hi"),
    }
    return ModelCard(id=card_id, name=name, **{**facts, **more})


def installed(name: str, size_bytes: int, source: str, *, removable: bool) -> InstalledModel:
    """A model file."""
    path = Path("/models") / f"{name}.gguf"
    return InstalledModel(
        name=name, path=path, size_bytes=size_bytes, sha256="a" * 64, source=source, removable=removable
    )


def inspection(architecture: str) -> Inspection:
    """What opening a model's file for the first time tells."""
    return Inspection(
        architecture=architecture,
        name="",
        parameters=135_000_000,
        quantization="Q4_K_M",
        file_bytes=98_000_000,
        shape=ModelShape(weights_bytes=98_000_000, read_bytes_per_token=98_000_000),
        has_chat_template=True,
        licence=None,
        languages=(),
        warnings=(),
    )


class FakeAdapters:
    """Adapters in memory; none at first."""

    def __init__(self) -> None:
        self.kept: list[InstalledAdapter] = []

    async def list(self) -> Sequence[InstalledAdapter]:
        return self.kept

    async def remove(self, name: str) -> None:
        self.kept = [adapter for adapter in self.kept if adapter.name != name]

    async def attach(self, file: str | Path, base: str, name: str | None = None) -> InstalledAdapter:
        """An adapter whose folder is the file's."""
        path = Path(file)
        if not path.is_file():
            raise no_such_file(str(file))
        home = path.parent / (name or path.stem)
        home.mkdir()
        path.rename(home / "adapter.gguf")
        record = BaseRecord(name=base, sha256="a" * 64)
        self.kept.append(InstalledAdapter(home, AdapterManifest(name=home.name, base=record, source=str(path))))
        return self.kept[-1]


class FakeModels:
    """One installed model and three cards."""

    def __init__(self) -> None:
        self.installed = [
            installed("SmolLM2-135M-Instruct", 98_000_000, "the starter package", removable=False),
            installed("qwen3-4b", 2_500_000_000, "Qwen/Qwen3-4B-GGUF", removable=True),
        ]
        self.catalogue = [
            card("gemma-3-4b", "Gemma 3 4B Instruct", licence="LicenseRef-Gemma", commercial_use="with conditions"),
            card("falcon-h1-7b", "Falcon-H1 7B Instruct"),
            card("llama-70b", "Llama 3.3 70B Instruct", languages=("en", "de", "hi", "th")),
        ]
        self.in_memory = ["SmolLM2-135M-Instruct"]
        self.opened: list[str] = []
        """Every model that was opened, in order."""
        self.opening: asyncio.Event | None = None
        """Set by a test that wants opening to take until the event."""

    async def list(self) -> Sequence[InstalledModel]:
        return self.installed

    async def cards(self) -> Sequence[ModelCard]:
        return self.catalogue

    async def resolve(self, name: str) -> str:
        base, _adapter = split_adapter(name)
        known = [model.name for model in self.installed]
        if base not in known:
            raise no_such_model(base, known)
        return name

    async def inspect(self, name: str) -> Inspection:
        if "embedder" in name:
            raise ModelRejected(f"{name} cannot be opened.")
        return inspection("mamba" if "mamba" in name else "llama")

    async def fit(self, name: str, context_tokens: int | None = None) -> Fit:
        sizes = {"llama-70b": 42.5e9, "falcon-h1-7b": 4.6e9, "gemma-3-4b": 2.6e9, "qwen3-4b": 2.5e9}
        weights = int(sizes.get(name, 98e6))
        verdict = Verdict.NO if weights > 8e9 else Verdict.TIGHT if weights > 4e9 else Verdict.FITS
        words = {Verdict.NO: "Does not fit", Verdict.TIGHT: "Tight", Verdict.FITS: "Fits"}[verdict]
        return Fit(
            verdict=verdict,
            reason=f"{words}: needs {(weights + 4e8) / 1e9:.1f} GB of 6.2 GB available.",
            weights_bytes=weights,
            kv_bytes=300_000_000,
            buffers_bytes=100_000_000,
            total_bytes=weights + 400_000_000,
            available_bytes=6_200_000_000,
            context_tokens=4096,
            decode_tokens_per_s=1e10 / weights,
            is_embedder="embedder" in name,
        )

    async def add(self, path: str | Path, name: str | None = None) -> InstalledModel:
        raise ModelNotFound(f"There is no file {path!r}.")

    async def remove(self, name: str) -> None:
        self.installed = [model for model in self.installed if model.name != name]

    async def loaded(self) -> Sequence[str]:
        return self.in_memory

    async def open(self, name: str) -> None:
        """What a first use does; adapters live in their base's process."""
        name, _adapter = split_adapter(name)
        if name not in self.in_memory:
            self.in_memory = [*self.in_memory, name]
            self.opened.append(name)
            if self.opening is not None:
                await self.opening.wait()

    async def unload(self, name: str) -> None:
        self.in_memory = [other for other in self.in_memory if other != name]
