"""EdgeLLM: own a language model end to end, on your own hardware.

    from edgellm import EdgeLLM

    with EdgeLLM() as edge:
        print(edge.chat("Name three rivers.").text)

`PUBLIC` is the whole public API; a name's module is imported when the name is first used.
"""

from __future__ import annotations

TYPE_CHECKING = False  # as type checkers know it; `typing` would be loaded before Ctrl+C is handled
__version__ = "0.1.0"

PUBLIC = {
    "edgellm.sdk.facade": ("EdgeLLM",),
    "edgellm.sdk.aio": ("AsyncEdgeLLM",),
    "edgellm.sdk.remote": ("RemoteEdgeLLM",),
    "edgellm.sdk.stream": ("ReplyStream",),
    "edgellm.types": (
        "Alternative",
        "Choice",
        "Constraint",
        "Delta",
        "FinishReason",
        "Loading",
        "Message",
        "Notice",
        "Prefill",
        "Reply",
        "Sampling",
        "Scored",
        "StreamEvent",
        "Timings",
        "Token",
        "TokenTrace",
        "Tool",
        "ToolCall",
        "ToolCallPiece",
        "Usage",
    ),
    "edgellm.errors": (
        "AccessDenied",
        "AdapterNotFound",
        "BudgetExceeded",
        "CollectionNotFound",
        "ContextOverflow",
        "DataRejected",
        "DatasetNotFound",
        "DeadlineExceeded",
        "DiskFull",
        "DownloadError",
        "EdgeLLMError",
        "EngineError",
        "GateClosed",
        "HubRefused",
        "IntegrityError",
        "InvalidInput",
        "InvalidSchema",
        "InvalidSettings",
        "JobError",
        "KeyRefused",
        "MissingExtra",
        "ModelDoesNotFit",
        "ModelError",
        "ModelLoadFailed",
        "ModelNotFound",
        "ModelRejected",
        "NotFound",
        "OfflineRefused",
        "ParseFailed",
        "QueueFull",
        "RequestCancelled",
        "ServingError",
        "SessionNotFound",
        "StoreBusy",
        "StoreDamaged",
        "StoreError",
        "StoreTooNew",
        "TemplateRejected",
        "TrainingError",
        "WorkerDied",
    ),
}

_MODULE_OF = {name: module for module, names in PUBLIC.items() for name in names}
__all__ = ["__version__", *sorted(_MODULE_OF)]

if TYPE_CHECKING:  # the same list once more, for type checkers; a test compares the two
    from edgellm.errors import AccessDenied as AccessDenied
    from edgellm.errors import AdapterNotFound as AdapterNotFound
    from edgellm.errors import BudgetExceeded as BudgetExceeded
    from edgellm.errors import CollectionNotFound as CollectionNotFound
    from edgellm.errors import ContextOverflow as ContextOverflow
    from edgellm.errors import DataRejected as DataRejected
    from edgellm.errors import DatasetNotFound as DatasetNotFound
    from edgellm.errors import DeadlineExceeded as DeadlineExceeded
    from edgellm.errors import DiskFull as DiskFull
    from edgellm.errors import DownloadError as DownloadError
    from edgellm.errors import EdgeLLMError as EdgeLLMError
    from edgellm.errors import EngineError as EngineError
    from edgellm.errors import GateClosed as GateClosed
    from edgellm.errors import HubRefused as HubRefused
    from edgellm.errors import IntegrityError as IntegrityError
    from edgellm.errors import InvalidInput as InvalidInput
    from edgellm.errors import InvalidSchema as InvalidSchema
    from edgellm.errors import InvalidSettings as InvalidSettings
    from edgellm.errors import JobError as JobError
    from edgellm.errors import KeyRefused as KeyRefused
    from edgellm.errors import MissingExtra as MissingExtra
    from edgellm.errors import ModelDoesNotFit as ModelDoesNotFit
    from edgellm.errors import ModelError as ModelError
    from edgellm.errors import ModelLoadFailed as ModelLoadFailed
    from edgellm.errors import ModelNotFound as ModelNotFound
    from edgellm.errors import ModelRejected as ModelRejected
    from edgellm.errors import NotFound as NotFound
    from edgellm.errors import OfflineRefused as OfflineRefused
    from edgellm.errors import ParseFailed as ParseFailed
    from edgellm.errors import QueueFull as QueueFull
    from edgellm.errors import RequestCancelled as RequestCancelled
    from edgellm.errors import ServingError as ServingError
    from edgellm.errors import SessionNotFound as SessionNotFound
    from edgellm.errors import StoreBusy as StoreBusy
    from edgellm.errors import StoreDamaged as StoreDamaged
    from edgellm.errors import StoreError as StoreError
    from edgellm.errors import StoreTooNew as StoreTooNew
    from edgellm.errors import TemplateRejected as TemplateRejected
    from edgellm.errors import TrainingError as TrainingError
    from edgellm.errors import WorkerDied as WorkerDied
    from edgellm.sdk.aio import AsyncEdgeLLM as AsyncEdgeLLM
    from edgellm.sdk.facade import EdgeLLM as EdgeLLM
    from edgellm.sdk.remote import RemoteEdgeLLM as RemoteEdgeLLM
    from edgellm.sdk.stream import ReplyStream as ReplyStream
    from edgellm.types import Alternative as Alternative
    from edgellm.types import Choice as Choice
    from edgellm.types import Constraint as Constraint
    from edgellm.types import Delta as Delta
    from edgellm.types import FinishReason as FinishReason
    from edgellm.types import Loading as Loading
    from edgellm.types import Message as Message
    from edgellm.types import Notice as Notice
    from edgellm.types import Prefill as Prefill
    from edgellm.types import Reply as Reply
    from edgellm.types import Sampling as Sampling
    from edgellm.types import Scored as Scored
    from edgellm.types import StreamEvent as StreamEvent
    from edgellm.types import Timings as Timings
    from edgellm.types import Token as Token
    from edgellm.types import TokenTrace as TokenTrace
    from edgellm.types import Tool as Tool
    from edgellm.types import ToolCall as ToolCall
    from edgellm.types import ToolCallPiece as ToolCallPiece
    from edgellm.types import Usage as Usage


def __getattr__(name: str) -> object:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'edgellm' has no attribute {name!r}")
    from importlib import import_module

    value: object = getattr(import_module(_MODULE_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
