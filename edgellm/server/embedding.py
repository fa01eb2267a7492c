"""From texts to vectors: the key's rights, its budget, the line, the embedder."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from edgellm.errors import InvalidInput
from edgellm.server.accounts import Account
from edgellm.server.admission import admitted
from edgellm.server.caller import Caller
from edgellm.server.deadline import Deadline
from edgellm.server.dialects.fields import under
from edgellm.server.model_name import resolve_bare
from edgellm.server.service import Service
from edgellm.server.threads import to_the_end
from edgellm.types import StreamEvent, Usage

Input = str | tuple[int, ...]
BATCH = 32
"""Texts between two looks at whether anybody still waits: the embedder itself cannot be interrupted."""


@dataclass(frozen=True, slots=True)
class Vectors:
    """One unit-length vector a text."""

    vectors: Sequence[Sequence[float]]
    tokens: int
    """Of all texts together."""


class Embedding:
    """Texts on their way to vectors. `run` once; cancelling its task ends it after at most one batch."""

    def __init__(self, service: Service, caller: Caller, model: str, inputs: Sequence[Input]) -> None:
        self._service = service
        self._caller = caller
        self._model = model
        self._inputs = inputs
        self._deadline = Deadline(service, "The texts were not embedded", "Send fewer of them.")

    async def run(self, _put: Callable[[StreamEvent], None]) -> Vectors:
        """Raises: ModelNotFound, InvalidInput, ModelError for a model that embeds nothing; as `Generation.run`."""
        service = self._service
        name = await asyncio.to_thread(resolve_bare, service.names, self._caller, self._model)
        model, vectors = service.names.opened(name), list[list[float]]()
        account = Account(service, self._caller, name, "embeddings")
        async with account, admitted(service, self._caller, self._deadline.left_s()):
            account.turn_came()
            texts = await to_the_end(lambda: self._texts(model))
            for at in range(0, len(texts), BATCH):
                self._deadline.left_s()
                vectors += await to_the_end(partial(self._embed, texts[at : at + BATCH], model, account))
        return Vectors(vectors, account.usage.prompt_tokens)

    def _texts(self, model: str) -> list[str]:
        """Raises: InvalidInput for one that is empty."""
        edge = self._service.edge
        try:
            texts = [each if isinstance(each, str) else edge.detokenize(each, model=model) for each in self._inputs]
        except InvalidInput as error:
            raise under(error, "input") from error
        empty = next((number for number, text in enumerate(texts) if not text), None)
        if empty is not None:
            raise InvalidInput(f"The text {empty} is empty; it has no vector.", field="input")
        return texts

    def _embed(self, texts: Sequence[str], model: str, account: Account) -> list[list[float]]:
        """Vectors of a batch, which is counted also when nobody waits for it any more."""
        edge = self._service.edge
        vectors = edge.embed(texts, model=model)
        account.add(Usage(prompt_tokens=sum(len(edge.tokenize(text, model=model)) for text in texts)), None)
        return vectors
