"""/tokenize, /detokenize and /tokenizer_info: texts as a model reads them, in the shapes of vLLM and llama.cpp."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Annotated, TypeVar

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from edgellm.errors import InvalidInput
from edgellm.server.admission import admitted
from edgellm.server.answering import caller_of_request, service_of
from edgellm.server.bodies import DetokenizeBody, MessageBody, TokenizeBody
from edgellm.server.dialects.fields import under
from edgellm.server.dialects.openai_chat import conversation
from edgellm.server.model_file import BOS_ID, EOS_ID, model_file
from edgellm.server.model_name import resolve
from edgellm.server.refuse import JsonResponse

router = APIRouter(tags=["Tokens"])
T = TypeVar("T")


@router.post("/tokenize")
async def tokenize(body: TokenizeBody, request: Request) -> Response:
    """The ids of a text's tokens; spelled control tokens count as what they spell.

    Nothing is put before or behind, but the token that begins a text where `add_special_tokens` asks for it.
    With `messages` in place of a text: of a conversation with the answer that ends it, as the model reads both;
    `answer` says between which tokens that stands. Their log-probabilities are what `/v1/completions` with `echo` says.
    """
    if len([each for each in (body.prompt, body.content, body.messages) if each is not None]) != 1:
        raise InvalidInput("The text is `prompt`, or else `content`, or `messages`; one of them.", field="prompt")
    if body.messages is not None:
        return await _tokenize_answer(body, body.messages, request)
    text = body.prompt if body.content is None else body.content
    assert text is not None  # one of the three is there
    edge, special = service_of(request).edge, body.parse_special is not False
    has_bos = bool(body.add_special_tokens or body.add_special)
    tokens = await with_model(
        request, body.model, lambda model: edge.tokenize(text, model=model, special=special, bos=has_bos)
    )
    ids = [token.id for token in tokens]
    texts = {"token_strs": [token.text for token in tokens]} if body.return_token_strs else {}
    return JsonResponse({"tokens": ids, "count": len(ids), **texts})


async def _tokenize_answer(body: TokenizeBody, messages: list[MessageBody], request: Request) -> Response:
    """The tokens of a conversation with the answer that ends it."""
    edge, turns = service_of(request).edge, conversation(messages)
    found = await with_model(request, body.model, lambda model: edge.answer_tokens(turns, model=model))
    answer = [found.start, found.end]
    return JsonResponse({"tokens": found.tokens, "count": len(found.tokens), "answer": answer})


@router.post("/detokenize")
async def detokenize(body: DetokenizeBody, request: Request) -> Response:
    """The text of tokens; control tokens have none."""
    edge = service_of(request).edge
    try:
        text = await with_model(request, body.model, lambda model: edge.detokenize(body.tokens, model=model))
    except InvalidInput as error:
        raise under(error, "tokens") from error
    return JsonResponse({"prompt": text, "content": text})


@router.get("/tokenizer_info")
async def tokenizer_info(request: Request, model: Annotated[str | None, Query(max_length=256)] = None) -> Response:
    """What a client needs to write a model's prompts itself: special tokens and the chat template."""
    service, caller = service_of(request), caller_of_request(request)
    file = await asyncio.to_thread(model_file, service, caller, model or service.names.own)
    bos, eos = await asyncio.to_thread(lambda: [file.special_token(key) for key in (BOS_ID, EOS_ID)])
    return JsonResponse(
        {
            "tokenizer_class": "GGUF",
            "bos_token": bos,
            "eos_token": eos,
            "chat_template": file.chat_template,
            "add_bos_token": False,
        }
    )


async def with_model(request: Request, asked: str | None, work: Callable[[str], T]) -> T:
    """What `work` finds with the model that was named, or the server's own."""
    service, caller = service_of(request), caller_of_request(request)
    name = await asyncio.to_thread(resolve, service.names, caller, asked or service.names.own)
    async with admitted(service, caller, service.options.deadline_s):
        return await asyncio.to_thread(work, service.names.opened(name))
