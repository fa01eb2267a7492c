"""One conversation as the command leads it: what was said on the command line, and what was said since."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from edgellm.cli.sessions import find_session
from edgellm.errors import InvalidInput, InvalidSchema, ModelError, ModelNotFound, NotFound
from edgellm.sampling import check_sampling
from edgellm.types import Constraint, Message, Sampling

if TYPE_CHECKING:
    from edgellm.sdk.facade import EdgeLLM
    from edgellm.sdk.stream import ReplyStream

Refusal = (InvalidInput, ModelNotFound, ModelError)
"""Raised before a model has answered anything."""
SCHEMA_LIMIT_BYTES = 64 * 1024
"""A longer schema is refused by the engine, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatOptions:
    """What the command line said about a chat."""

    model: str | None = None
    system: str | None = None
    session: str | None = None
    goes_on: bool = False
    """Take up the most recent session."""
    is_saved: bool = True
    max_tokens: int | None = None
    temperature: float | None = None
    seed: int | None = None
    schema: Path | None = None

    @property
    def begins_a_session(self) -> bool:
        """Whether the first prompt makes a new session."""
        return self.is_saved and not self.goes_on and not self.session

    def sampling(self, defaults: Sampling) -> Sampling:
        """The defaults, but for what the command line said."""
        return replace(
            defaults,
            max_tokens=defaults.max_tokens if self.max_tokens is None else self.max_tokens,
            temperature=defaults.temperature if self.temperature is None else self.temperature,
            seed=defaults.seed if self.seed is None else self.seed,
        )


class Talk:
    """Sends prompts into one conversation: a stored session, or one that is forgotten at the end."""

    def __init__(self, edge: EdgeLLM, options: ChatOptions) -> None:
        """Raises: SessionNotFound, InvalidSchema, InvalidInput; NotFound when there is nothing to continue."""
        self._edge = edge
        self._options = options
        self._sampling = options.sampling(edge.settings.sampling)
        check_sampling(self._sampling)
        self._constraint = None if options.schema is None else read_schema(options.schema)
        self._unsaved: list[Message] = []
        self.system = options.system
        self.model = options.model
        self.session_id: str | None = None
        self._take_up()

    def _take_up(self) -> None:
        if self._options.session:
            session = find_session(self._edge, self._options.session)
        elif self._options.goes_on:
            latest = self._edge.sessions.latest()
            if latest is None:
                raise NotFound("There is no session to continue yet.", hint="Leave --continue out to begin one.")
            session = latest
        else:
            said = self._options.system
            self.system = (self._edge.settings.system_prompt if said is None else said) or None
            return
        self.session_id = session.id
        self.model = self._options.model or session.model or None

    @property
    def model_name(self) -> str:
        """The model that answers next."""
        return self.model or self._edge.model

    @contextmanager
    def asking(self, prompt: str) -> Iterator[ReplyStream]:
        """Send a prompt; the block reads the answer. The session begins with the first prompt that is not refused."""
        begins = self.session_id is None and self._options.is_saved
        if begins:
            self.session_id = self._edge.sessions.create(model=self.model_name, system=self.system).id
        said = [*self._unsaved, Message(role="user", content=prompt)]
        try:
            stream = self._send(prompt if self.session_id else said)
            yield stream
        except Refusal:
            if begins and self.session_id:  # nothing that could be continued
                self._edge.sessions.delete(self.session_id)
                self.session_id = None
            raise
        self._unsaved = [*said, Message(role="assistant", content=stream.reply.text)]

    def _send(self, prompt: str | list[Message]) -> ReplyStream:
        return self._edge.chat(
            prompt,
            stream=True,
            model=self.model,
            system=self.system,
            session=self.session_id,
            sampling=self._sampling,
            constraint=self._constraint,
        )

    def begin_anew(self) -> None:
        """Leave the conversation; the next prompt begins another one."""
        self.session_id = None
        self._unsaved.clear()


def read_schema(path: Path) -> Constraint:
    """The constraint in a JSON schema file. Raises: InvalidSchema, OSError."""
    import json

    with path.open("rb") as file:
        content = file.read(SCHEMA_LIMIT_BYTES + 1)
    if len(content) > SCHEMA_LIMIT_BYTES:
        raise InvalidSchema(f"{str(path)!r} holds more than {SCHEMA_LIMIT_BYTES // 1024} KiB.", field="schema")
    try:
        text = content.decode("utf-8-sig")
        json.loads(text)
    except UnicodeDecodeError as error:
        raise InvalidSchema(f"{str(path)!r} is not UTF-8 text: byte {error.start}.", field="schema") from None
    except json.JSONDecodeError as error:
        raise InvalidSchema(
            f"{str(path)!r} is not JSON: {error.msg}, line {error.lineno}, column {error.colno}.",
            hint='The file must hold one JSON schema, such as {"type": "object"}.',
            field="schema",
        ) from None
    except (ValueError, RecursionError) as error:
        raise InvalidSchema(f"{str(path)!r} goes beyond what JSON readers take: {error}.", field="schema") from None
    return Constraint(kind="json_schema", text=text)
