"""What Ollama's clients read about models: tags, show, ps, version and embeddings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from edgellm.hub.inspect import Inspection
from edgellm.server.dialects.fields import refuse, refuse_given
from edgellm.server.dialects.ollama import model_name
from edgellm.server.dialects.ollama_body import EmbedBody, ShowBody
from edgellm.server.dialects.ollama_frames import moment

NEVER = "9999-12-31T23:59:59Z"
"""When a loaded model is unloaded by itself."""
REFUSED = {"dimensions": "vectors are as long as the embedder makes them."}


@dataclass(frozen=True, slots=True, kw_only=True)
class OllamaModel:
    """A model as its clients are told of it."""

    name: str
    """With adapter and collection, or an alias: what a client asks for."""
    sha256: str
    """Of the file; empty when it is not known."""
    modified_at: float
    """Seconds since 1970."""
    inspection: Inspection
    takes_tools: bool = False
    """Whether its chat template has a place for tools."""
    thinks: bool = False
    """Whether its chat template has a place for thinking."""


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model in memory."""

    model: OllamaModel
    memory_bytes: int
    context_tokens: int
    """Of all its answers together."""


def tags(models: Iterable[OllamaModel]) -> dict[str, Any]:
    """GET /api/tags."""
    return {"models": [_listed(model) | {"modified_at": moment(model.modified_at)} for model in models]}


def running(models: Iterable[LoadedModel]) -> dict[str, Any]:
    """GET /api/ps. How much of the memory is the graphics card's is not known."""
    return {
        "models": [
            _listed(each.model)
            | {
                "size": each.memory_bytes,
                "size_vram": 0,
                "expires_at": NEVER,
                "context_length": each.context_tokens,
            }
            for each in models
        ]
    }


def shown(model: OllamaModel) -> dict[str, Any]:
    """POST /api/show."""
    found = model.inspection
    family = found.architecture
    return {
        "license": found.licence or "",
        "modelfile": "",
        "parameters": "",
        "template": "",
        "modified_at": moment(model.modified_at),
        "details": _details(found),
        "model_info": {
            "general.architecture": family,
            "general.basename": found.name,
            "general.parameter_count": found.parameters,
            f"{family}.context_length": found.shape.trained_context_tokens,
        },
        "capabilities": _capabilities(model),
    }


def shown_name(body: ShowBody) -> str:
    """Which model POST /api/show asks for. Raises: InvalidInput."""
    name = body.model or body.name
    if not name:
        refuse("model", "it is missing.")
    return model_name(name)


def version(text: str) -> dict[str, Any]:
    """GET /api/version."""
    return {"version": text}


def embedded_texts(body: EmbedBody) -> list[str]:
    """What POST /api/embed wants vectors of. Raises: InvalidInput. A text that is too long is refused, never cut."""
    refuse_given(body, REFUSED)
    return [body.input] if isinstance(body.input, str) else body.input


def embedded(model: str, vectors: Sequence[Sequence[float]], *, tokens: int, seconds: float) -> dict[str, Any]:
    """The answer to POST /api/embed."""
    return {
        "model": model,
        "embeddings": [list(vector) for vector in vectors],
        "total_duration": round(seconds * 1e9),
        "load_duration": 0,
        "prompt_eval_count": tokens,
    }


def embedding(vector: Sequence[float]) -> dict[str, Any]:
    """The answer to POST /api/embeddings."""
    return {"embedding": list(vector)}


def _listed(model: OllamaModel) -> dict[str, Any]:
    return {
        "name": model.name,
        "model": model.name,
        "size": model.inspection.file_bytes,
        "digest": model.sha256,
        "details": _details(model.inspection),
    }


def _details(found: Inspection) -> dict[str, Any]:
    return {
        "parent_model": "",
        "format": "gguf",
        "family": found.architecture,
        "families": [found.architecture],
        "parameter_size": _amount(found.parameters),
        "quantization_level": found.quantization,
    }


def _capabilities(model: OllamaModel) -> list[str]:
    if model.inspection.shape.is_embedder:
        return ["embedding"]
    return ["completion", *(["tools"] if model.takes_tools else []), *(["thinking"] if model.thinks else [])]


def _amount(parameters: int) -> str:
    """`134.5M`, `7.6B`, as Ollama writes it."""
    return f"{parameters / 1e9:.1f}B" if parameters >= 1e9 else f"{parameters / 1e6:.1f}M"
