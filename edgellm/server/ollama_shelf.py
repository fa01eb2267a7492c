"""This machine's models as Ollama's clients are told of them."""

from __future__ import annotations

from contextlib import suppress

from edgellm.errors import EdgeLLMError
from edgellm.server.caller import Caller
from edgellm.server.dialects.ollama_models import LoadedModel, OllamaModel
from edgellm.server.model_file import model_file
from edgellm.server.service import Service

THINKING = ("<think>", "enable_thinking", "reasoning_content")
"""What a chat template has that makes a place for thinking."""


def seen_models(service: Service, caller: Caller) -> list[OllamaModel]:
    """What a caller may name and what has a readable file."""
    found = []
    for name in service.names.seen_by(caller):
        with suppress(EdgeLLMError):
            found.append(one_model(service, caller, name))
    return found


def one_model(service: Service, caller: Caller, asked: str) -> OllamaModel:
    """One model by name or alias. Raises: ModelNotFound, ModelRejected."""
    file = model_file(service, caller, asked)
    template = file.chat_template or ""
    return OllamaModel(
        name=asked,
        sha256=file.model.sha256 or "",
        modified_at=file.model.path.stat().st_mtime,
        inspection=service.edge.models.inspect(str(file.model.path)),
        takes_tools="tools" in template,
        thinks=any(mark in template for mark in THINKING),
    )


def loaded_models(service: Service, caller: Caller) -> list[LoadedModel]:
    """Models in memory, of those that the caller may name."""
    edge = service.edge
    loaded = edge.models.loaded()
    seen = [model for model in seen_models(service, caller) if model.name in loaded]
    measured = [(model, edge.stats(model.name)) for model in seen]  # None: it was closed a moment ago
    return [LoadedModel(model, edge.memory_bytes(model.name), found.cells_total) for model, found in measured if found]
