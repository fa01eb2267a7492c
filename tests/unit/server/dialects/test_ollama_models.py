"""What Ollama's clients read about models."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pydantic import ValidationError

from edgellm.errors import InvalidInput
from edgellm.hub.fit import ModelShape
from edgellm.hub.inspect import Inspection
from edgellm.server.dialects import ollama_models
from edgellm.server.dialects.ollama_body import EmbedBody, EmbeddingsBody, ShowBody
from edgellm.server.dialects.ollama_models import LoadedModel, OllamaModel

SHAPE = ModelShape(weights_bytes=1, read_bytes_per_token=1, trained_context_tokens=2048)
FOUND = Inspection(
    architecture="llama",
    name="SmolLM2",
    parameters=134_515_008,
    quantization="Q4_1",
    file_bytes=98_000_000,
    shape=SHAPE,
    has_chat_template=True,
    licence="apache-2.0",
    languages=("en",),
    warnings=(),
)
MODEL = OllamaModel(name="starter@fares", sha256="ab" * 32, modified_at=1_700_000_000, inspection=FOUND)
DETAILS = {
    "parent_model": "",
    "format": "gguf",
    "family": "llama",
    "families": ["llama"],
    "parameter_size": "134.5M",
    "quantization_level": "Q4_1",
}
LISTED = {
    "name": "starter@fares",
    "model": "starter@fares",
    "size": 98_000_000,
    "digest": "ab" * 32,
    "details": DETAILS,
}


def test_tags() -> None:
    assert ollama_models.tags([MODEL]) == {"models": [LISTED | {"modified_at": "2023-11-14T22:13:20Z"}]}
    assert ollama_models.tags([]) == {"models": []}


def test_running() -> None:
    more = {"size": 5, "size_vram": 0, "expires_at": "9999-12-31T23:59:59Z", "context_length": 4096}
    assert ollama_models.running([LoadedModel(MODEL, 5, 4096)]) == {"models": [LISTED | more]}


def test_show() -> None:
    assert ollama_models.shown(replace(MODEL, takes_tools=True, thinks=True)) == {
        "license": "apache-2.0",
        "modelfile": "",
        "parameters": "",
        "template": "",
        "modified_at": "2023-11-14T22:13:20Z",
        "details": DETAILS,
        "model_info": {
            "general.architecture": "llama",
            "general.basename": "SmolLM2",
            "general.parameter_count": 134_515_008,
            "llama.context_length": 2048,
        },
        "capabilities": ["completion", "tools", "thinking"],
    }


def test_an_embedder_says_that_it_is_one() -> None:
    found = replace(FOUND, shape=replace(SHAPE, is_embedder=True), parameters=7_600_000_000)
    shown = ollama_models.shown(replace(MODEL, inspection=found))
    assert shown["capabilities"] == ["embedding"]
    assert shown["details"]["parameter_size"] == "7.6B"


def test_which_model_is_shown() -> None:
    assert ollama_models.shown_name(ShowBody(model="starter:latest")) == "starter"
    assert ollama_models.shown_name(ShowBody(name="starter")) == "starter"
    with pytest.raises(InvalidInput) as caught:
        ollama_models.shown_name(ShowBody())
    assert caught.value.facts["field"] == "model"


def test_version() -> None:
    assert ollama_models.version("1.2") == {"version": "1.2"}


def test_embeddings() -> None:
    assert ollama_models.embedded_texts(EmbedBody(model="m", input="a", truncate=True)) == ["a"]
    assert ollama_models.embedded_texts(EmbedBody(model="m", input=["a", "b"])) == ["a", "b"]
    found = ollama_models.embedded("m", [(0.5, 1.0)], tokens=3, seconds=0.25)
    assert found == {
        "model": "m",
        "embeddings": [[0.5, 1.0]],
        "total_duration": 250_000_000,
        "load_duration": 0,
        "prompt_eval_count": 3,
    }
    assert ollama_models.embedding((0.5,)) == {"embedding": [0.5]}


def test_embeddings_that_are_refused() -> None:
    with pytest.raises(InvalidInput) as caught:
        ollama_models.embedded_texts(EmbedBody(model="m", input="a", dimensions=8))
    assert caught.value.facts["field"] == "dimensions"
    with pytest.raises(ValidationError):
        EmbedBody.model_validate({"model": "m", "input": [[1, 2]]})
    with pytest.raises(ValidationError):
        EmbeddingsBody.model_validate({"model": "m", "prompt": ["a"]})
