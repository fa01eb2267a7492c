"""From a question and texts to scores: the key's rights, its budget, the line, the reranker."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from edgellm.errors import EngineError, InvalidInput
from edgellm.server.accounts import Account
from edgellm.server.admission import admitted
from edgellm.server.caller import Caller
from edgellm.server.deadline import Deadline
from edgellm.server.errors import HttpRefused
from edgellm.server.model_name import ModelName, not_found
from edgellm.server.service import Service
from edgellm.server.threads import to_the_end
from edgellm.types import StreamEvent

BATCH = 32
"""Texts between two looks at whether anybody still waits: the reranker itself cannot be interrupted."""


class Reranking:
    """A question and texts on their way to scores. `run` once; cancelling its task ends it after at most one batch."""

    def __init__(
        self, service: Service, caller: Caller, model: str | None, question: str, texts: Sequence[str]
    ) -> None:
        self._service = service
        self._caller = caller
        self._model = model
        self._question = question
        self._texts = texts
        self._deadline = Deadline(service, "The texts were not scored", "Send fewer of them.")

    async def run(self, _put: Callable[[StreamEvent], None]) -> list[float]:
        """A score a text, larger is better.

        Raises: HttpRefused (501) where no reranker is set up, ModelNotFound; as `Generation.run`.
        """
        service = self._service
        name = ModelName(base=checked_reranker(service, self._caller, self._model))
        account = Account(service, self._caller, name, "rerank")
        scores: list[float] = []
        async with account, admitted(service, self._caller, self._deadline.left_s()):
            account.turn_came()
            for at in range(0, len(self._texts), BATCH):
                self._deadline.left_s()
                scores += await to_the_end(partial(self._score, self._texts[at : at + BATCH]))
        return scores

    def _score(self, texts: Sequence[str]) -> list[float]:
        """Raises: EngineError, also for what is wrong with the server's own settings; the texts were checked before."""
        try:
            return self._service.edge.rerank(self._question, texts)
        except InvalidInput as error:
            raise EngineError("The reranker cannot be used.") from error


def checked_reranker(service: Service, caller: Caller, asked: str | None) -> str:
    """The name of the server's reranker: that of its folder. Raises: HttpRefused (501), ModelNotFound."""
    folder = service.edge.settings.reranker
    if not folder:
        hint = "The server's administrator can set one up: edgellm settings set reranker FOLDER"
        raise HttpRefused("No reranker is set up here.", hint=hint, status=501, code="not_offered")
    name = Path(folder).name
    if asked not in (None, name) or (caller.limits.models and name not in caller.limits.models):
        raise not_found(asked or name)
    return name
