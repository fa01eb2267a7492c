"""From texts to vectors: the key's rights, its budget, the line, the embedder."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edgellm.errors import InvalidInput
from edgellm.server.accounts import Account
from edgellm.server.admission import admitted
from edgellm.server.caller import Caller
from edgellm.server.model_name import resolve
from edgellm.server.service import Service
from edgellm.types import StreamEvent, Usage

Input = str | tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Vectors:
    """One unit-length vector a text."""

    vectors: Sequence[Sequence[float]]
    tokens: int
    """Of all texts together."""


class Embedding:
    """Texts on their way to vectors. `run` once."""

    def __init__(self, service: Service, caller: Caller, model: str, inputs: Sequence[Input]) -> None:
        self._service = service
        self._caller = caller
        self._model = model
        self._inputs = inputs

    async def run(self, _put: Callable[[StreamEvent], None]) -> Vectors:
        """Raises: ModelNotFound, ModelError for a model that embeds nothing; as `Generation.run`."""
        service = self._service
        name = await asyncio.to_thread(resolve, service.names, self._caller, self._model)
        account = Account(service, self._caller, name)
        async with account, admitted(service, self._caller, service.options.deadline_s):
            account.turn_came()
            found = await asyncio.to_thread(self._embed, service.names.opened(name))
            account.add(Usage(prompt_tokens=found.tokens), None)
        return found

    def _embed(self, model: str) -> Vectors:
        edge = self._service.edge
        texts = [each if isinstance(each, str) else edge.detokenize(each, model=model) for each in self._inputs]
        empty = next((number for number, text in enumerate(texts) if not text), None)
        if empty is not None:
            raise InvalidInput(f"The text {empty} is empty; it has no vector.", field="input")
        vectors = edge.embed(texts, model=model)
        return Vectors(vectors, sum(len(edge.tokenize(text, model=model)) for text in texts))
