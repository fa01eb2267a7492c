"""What a model's file says of the texts that it reads: chat template and special tokens."""

from __future__ import annotations

from dataclasses import dataclass

from edgellm.errors import ModelNotFound
from edgellm.gguf_header import GGUFHeader, read_header
from edgellm.hub.installed import InstalledModel
from edgellm.server.caller import Caller
from edgellm.server.model_name import not_found, resolve
from edgellm.server.service import Service

BOS_ID, EOS_ID = "tokenizer.ggml.bos_token_id", "tokenizer.ggml.eos_token_id"


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A model that a caller may name, and the header of its file."""

    model: InstalledModel
    header: GGUFHeader

    @property
    def chat_template(self) -> str | None:
        """In Jinja; None where the file has none."""
        return self.header.text("tokenizer.chat_template")

    def special_token(self, key: str) -> str | None:
        """The text of the token whose id stands under `key`; None where there is none."""
        token = self.header.integer(key)
        return None if token is None else self.header.special_tokens().get(token)


def model_file(service: Service, caller: Caller, asked: str) -> ModelFile:
    """The file behind a name. Raises: ModelNotFound, also for a model without a file; ModelRejected."""
    opened = service.names.opened(resolve(service.names, caller, asked))
    try:
        model = service.edge.models.get(opened)
    except ModelNotFound:
        raise not_found(asked) from None
    return ModelFile(model, read_header(model.path))
