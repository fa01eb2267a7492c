"""/api: Ollama's clients, as one truthful set; what it does not have is 501, not missing."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import PlainTextResponse, Response

import edgellm
from edgellm.server.answering import answer, caller_of_request, new_answer, service_of
from edgellm.server.dialects.ollama import OllamaChat, OllamaGenerate, model_name
from edgellm.server.dialects.ollama_body import ChatBody, EmbedBody, EmbeddingsBody, GenerateBody, ShowBody
from edgellm.server.dialects.ollama_models import (
    embedded,
    embedded_texts,
    embedding,
    running,
    shown,
    shown_name,
    tags,
    version,
)
from edgellm.server.embedding import Embedding, Vectors
from edgellm.server.errors import HttpRefused
from edgellm.server.ollama_shelf import loaded_models, one_model, seen_models
from edgellm.server.published import LINES
from edgellm.server.refuse import JsonResponse
from edgellm.server.routes.tokens import with_model
from edgellm.server.running import Running

router = APIRouter(tags=["Ollama"])


@router.get("/", response_class=PlainTextResponse)
@router.head("/", include_in_schema=False)
async def probe() -> Response:
    """What Ollama's clients look for first."""
    return PlainTextResponse("Ollama is running")


@router.get("/api/version")
async def get_version() -> Response:
    """EdgeLLM's version."""
    return JsonResponse(version(edgellm.__version__))


@router.get("/api/tags")
async def list_models(request: Request) -> Response:
    """What a key may name, as far as there is a file behind it."""
    found = await asyncio.to_thread(seen_models, service_of(request), caller_of_request(request))
    return JsonResponse(tags(found))


@router.get("/api/ps")
async def list_running(request: Request) -> Response:
    """Models that are in memory."""
    service = service_of(request)
    found = await asyncio.to_thread(loaded_models, service, caller_of_request(request))
    return JsonResponse(running(found))


@router.post("/api/show")
async def show(body: ShowBody, request: Request) -> Response:
    """What is known of a model."""
    name = shown_name(body)
    return JsonResponse(
        shown(await asyncio.to_thread(one_model, service_of(request), caller_of_request(request), name))
    )


@router.post("/api/chat", responses=LINES)
async def chat(body: ChatBody, request: Request) -> Response:
    """Answer a conversation, as lines of JSON unless `stream` is false."""
    dialect = OllamaChat(service_of(request).edge.settings.sampling)
    if dialect.is_load(body):
        return await _load(request, dialect, body.model)
    return await answer(request, dialect, dialect.call(body), "")


@router.post("/api/generate", responses=LINES)
async def generate(body: GenerateBody, request: Request) -> Response:
    """Answer a prompt, as lines of JSON unless `stream` is false."""
    dialect = OllamaGenerate(service_of(request).edge.settings.sampling)
    if dialect.is_load(body):
        return await _load(request, dialect, body.model)
    return await answer(request, dialect, dialect.call(body), "")


@router.post("/api/embed")
async def embed(body: EmbedBody, request: Request) -> Response:
    """One vector a text."""
    began = time.monotonic()
    found = await _vectors(request, body.model, embedded_texts(body))
    seconds = time.monotonic() - began
    return JsonResponse(embedded(body.model, found.vectors, tokens=found.tokens, seconds=seconds))


@router.post("/api/embeddings")
async def embed_one(body: EmbeddingsBody, request: Request) -> Response:
    """The vector of one text."""
    found = await _vectors(request, body.model, [body.prompt])
    return JsonResponse(embedding(found.vectors[0]))


@router.post("/api/create")
@router.post("/api/copy")
@router.post("/api/push")
async def not_here(request: Request) -> Response:
    """Making and sending models is not part of the API."""
    raise HttpRefused(f"{request.url.path} is not offered here.", hint="Use the command edgellm.", status=501)


async def _load(request: Request, dialect: OllamaChat | OllamaGenerate, asked: str) -> Response:
    """Have the model in memory; nothing is written."""
    models: Any = service_of(request).edge.models
    await with_model(request, model_name(asked), models.load)
    return JsonResponse(dialect.loaded(asked, new_answer("")))


async def _vectors(request: Request, model: str, texts: list[str]) -> Vectors:
    service, caller = service_of(request), caller_of_request(request)
    work = Embedding(service, caller, model_name(model), texts).run
    async with Running(service, caller, request.receive, work) as working:
        return await working.result()
