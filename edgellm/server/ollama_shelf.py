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
    measured = [(model, _context_tokens(service, model)) for model in seen]
    return [
        LoadedModel(model, edge.memory_bytes(model.name), tokens) for model, tokens in measured if tokens is not None
    ]


def _context_tokens(service: Service, model: OllamaModel) -> int | None:
    """Of a loaded model; None when it was closed a moment ago. An embedder reads text by text and has no counters."""
    shape = model.inspection.shape
    if shape.is_embedder:
        return shape.trained_context_tokens
    found = service.edge.stats(model.name)
    return found.cells_total if found is not None else None
