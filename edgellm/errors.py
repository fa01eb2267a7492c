"""The exception tree: what can go wrong, by type.

    EdgeLLMError
    ├── InvalidInput            a value from the caller is malformed or out of range
    │   ├── InvalidSchema       a JSON schema is unsupported or over the limits
    │   ├── InvalidSettings     a settings key is unknown or its value is wrong
    │   ├── ContextOverflow     the prompt does not fit the context
    │   ├── DataRejected        a file of examples or a dataset is damaged or not understood
    │   └── ParseFailed         a document cannot be read
    ├── NotFound                a named thing does not exist
    │   ├── ModelNotFound
    │   │   └── AdapterNotFound
    │   ├── SessionNotFound
    │   ├── DatasetNotFound
    │   └── CollectionNotFound
    ├── MissingExtra            a feature needs an optional install
    ├── ModelError
    │   ├── ModelRejected       inspection refused the file
    │   ├── ModelDoesNotFit     the machine has too little memory
    │   ├── ModelLoadFailed     llama.cpp could not open the file
    │   └── TemplateRejected    the chat template broke a rule or a limit
    ├── EngineError
    │   ├── QueueFull           too many requests are waiting
    │   ├── DeadlineExceeded
    │   ├── RequestCancelled
    │   └── WorkerDied          the engine process ended while it worked
    ├── DownloadError
    │   ├── OfflineRefused      the network is switched off by the user
    │   ├── HubRefused          the hub answered with an error
    │   └── IntegrityError      the bytes are not the promised ones
    ├── StoreError
    │   ├── StoreDamaged        the file is not a healthy EdgeLLM store
    │   ├── StoreTooNew         a newer EdgeLLM wrote the file
    │   ├── StoreBusy           another process holds the lock too long
    │   └── DiskFull
    ├── JobError                a long work ended badly
    │   └── TrainingError       a training run cannot go on
    ├── GateClosed              a candidate does not meet the policy
    └── ServingError            a server refused its client
        ├── KeyRefused          no valid key came with the request
        ├── AccessDenied        the key has no right to this
        └── BudgetExceeded      the key has used up what it may

A type says what happened, `facts` carries the numbers and names, `hint` says what to do next. Each face
translates by type in one place: exit code, HTTP status, notification.
"""

from __future__ import annotations

from collections.abc import Mapping

Fact = str | int | float | bool | None


class EdgeLLMError(Exception):
    """Root of every error that EdgeLLM raises on purpose.

    `facts["remedy"]` is the parameter that the hint asks for (`name`, `replace`, `columns`), where each face takes it
    in another way.
    """

    def __init__(self, message: str, *, hint: str = "", **facts: Fact) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.facts: Mapping[str, Fact] = facts

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class InvalidInput(EdgeLLMError):
    """A value from the caller is malformed or out of range; `facts["field"]` names it."""


class InvalidSchema(InvalidInput):
    """A JSON schema asks for something unsupported or exceeds a limit."""


class InvalidSettings(InvalidInput):
    """A settings key is unknown or its value has the wrong shape."""


class ContextOverflow(InvalidInput):
    """The prompt does not fit; facts: `prompt_tokens`, `context_tokens`."""


class DataRejected(InvalidInput):
    """A file of examples or a dataset is damaged or not understood; facts: `file`, and `line` where there is one."""


class ParseFailed(InvalidInput):
    """A document cannot be read; facts: `path`, `reason` in words ("it is encrypted"), `may_pass`: perhaps later."""


class NotFound(EdgeLLMError):
    """A named thing does not exist; the hint suggests the nearest name."""


class ModelNotFound(NotFound):
    """No installed model, card or file has this name."""


class AdapterNotFound(ModelNotFound):
    """No adapter has this name: what follows the `@` of a model's name."""


class SessionNotFound(NotFound):
    """No session has this id."""


class DatasetNotFound(NotFound):
    """No dataset has this name."""


class CollectionNotFound(NotFound):
    """No collection of documents has this name."""


class MissingExtra(EdgeLLMError):
    """A feature needs an optional install; `facts["extra"]` names it."""


class ModelError(EdgeLLMError):
    """A model file cannot be used."""


class ModelRejected(ModelError):
    """Inspection refused the file; facts: `path`, `reason`."""


class ModelDoesNotFit(ModelError):
    """Too little memory; facts: `needed_bytes`, `available_bytes`."""


class ModelLoadFailed(ModelError):
    """llama.cpp could not open the file."""


class TemplateRejected(ModelError):
    """The chat template failed to compile, broke the sandbox or exceeded a limit."""


class EngineError(EdgeLLMError):
    """A request could not be served."""


class QueueFull(EngineError):
    """The waiting line is full; facts: `limit`, and from a server `retry_after_s`."""


class DeadlineExceeded(EngineError):
    """The request ran out of the time its caller gave it."""


class RequestCancelled(EngineError):
    """The caller cancelled the request."""


class WorkerDied(EngineError):
    """The engine process ended while it worked; facts: `exit_code`, `detail`."""


class DownloadError(EdgeLLMError):
    """A model could not be fetched."""


class OfflineRefused(DownloadError):
    """The user switched the network off, and this needs it."""


class HubRefused(DownloadError):
    """The hub answered with an error; facts: `status`, `url`."""


class IntegrityError(DownloadError):
    """The bytes received are not the promised ones; facts: `expected`, `found`."""


class StoreError(EdgeLLMError):
    """The store could not do what was asked."""


class StoreDamaged(StoreError):
    """The file is not a healthy EdgeLLM store; it was left untouched."""


class StoreTooNew(StoreError):
    """A newer EdgeLLM wrote this store; facts: `found_version`, `known_version`."""


class StoreBusy(StoreError):
    """Another process held the write lock for too long."""


class DiskFull(StoreError):
    """No space is left where EdgeLLM keeps its files."""


class JobError(EdgeLLMError):
    """A long work ended badly; the reason is in the message."""


class TrainingError(JobError):
    """A training run cannot go on; the message says from where it can."""


class GateClosed(EdgeLLMError):
    """A candidate does not meet the policy and does not go live; facts: `run`, the evaluation that says why."""


class ServingError(EdgeLLMError):
    """A server refused its client: its key, its rights or its budget."""


class KeyRefused(ServingError):
    """No key came with the request, or it is unknown, expired or revoked: which, the message does not say."""


class AccessDenied(ServingError):
    """The key is valid and has no right to this."""


class BudgetExceeded(ServingError):
    """The key has used up what it may; facts: `limit` (which one), `retry_after_s`."""


def error_types() -> dict[str, type[EdgeLLMError]]:
    """Every error class by name; how errors cross a process border.

    Returns: a mapping from class name to class, the root included.
    """
    found: dict[str, type[EdgeLLMError]] = {}
    pending: list[type[EdgeLLMError]] = [EdgeLLMError]
    while pending:
        kind = pending.pop()
        found[kind.__name__] = kind
        pending.extend(kind.__subclasses__())
    return found
