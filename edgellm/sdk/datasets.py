"""Datasets: examples checked, and turned into training rows."""

from __future__ import annotations

import builtins
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypedDict, TypeVar, Unpack

from edgellm.errors import DatasetNotFound, InvalidInput
from edgellm.events import JobEvent
from edgellm.paths import Home
from edgellm.sdk.damaged import Damaged, damaged, folders_with, readable
from edgellm.sdk.engines import Engines
from edgellm.sdk.options import check_names
from edgellm.store import BROKEN, REFUSED, Feedback, Store, StoredMessage
from edgellm.types import FinishReason, Message

if TYPE_CHECKING:  # numpy, and what reading needs, are imported when examples are read
    from edgellm.data.dataset import Dataset, Manifest
    from edgellm.data.examine import Tools
    from edgellm.data.report import Report
    from edgellm.data.rules import Rules
    from edgellm.data.sources import AnySource, Conversation

Chats = Literal["corrected", "liked", "all"]
"""Corrected answers; answers rated up, and corrected ones; the shown branch of every session."""
Columns = str | Mapping[str, str]
"""Which column is which part: `prompt=Question,completion=Answer`, or the same as a mapping."""
PAGE = 200
_CUT = (BROKEN, FinishReason.LENGTH, FinishReason.CANCELLED, FinishReason.DEADLINE)
"""How answers end from which nobody should learn where to stop."""
T = TypeVar("T")


class ReadOptions(TypedDict, total=False):
    """Keyword arguments of `Datasets.check` and `Datasets.build`."""

    columns: Columns | None
    """Which column is which part: `{"prompt": "Question", "completion": "Answer"}` or the same as text."""
    chats: Chats | None
    """Conversations that EdgeLLM keeps, besides the files."""
    rules: Rules | None
    """None takes the default rules."""
    model: str | None
    """The model whose tokens rows are measured in; None measures nothing."""
    on_event: Callable[[JobEvent], None] | None
    """Told how far reading has come."""


class Datasets:
    """Errors: DataRejected, InvalidInput, DatasetNotFound, MissingExtra, StoreError; with a model those of `chat`."""

    def __init__(self, home: Home, store: Callable[[], Store], engines: Engines) -> None:
        self._home = home
        self._store = store
        self._engines = engines

    def check(self, files: Sequence[str | Path], **options: Unpack[ReadOptions]) -> Report:
        """What a dataset of these files would be; writes nothing. A file that cannot be read is in the report."""
        from edgellm.data import build

        check_names(options, ReadOptions)
        with ExitStack() as stack:
            tools = self._tools(options.get("model"), stack)
            return build.check(self._sources(files, options), _rules(options), tools, _listener(options))

    def build(
        self, files: Sequence[str | Path], name: str, *, replace: bool = False, **options: Unpack[ReadOptions]
    ) -> Dataset:
        """Read the files and keep them as the dataset `name`; with `replace` in place of one of that name."""
        from edgellm.data import build

        check_names(options, ReadOptions)
        target = build.Target(home=self._home.datasets, name=name, replace=replace)
        with ExitStack() as stack:
            tools = self._tools(options.get("model"), stack)
            return build.build(self._sources(files, options), target, _rules(options), tools, _listener(options))

    def list(self) -> builtins.list[Manifest]:
        """The manifests of all datasets that can be read, by name; files are not verified."""
        from edgellm.data.dataset import read_manifest

        return readable(self._folders(), read_manifest)

    def damaged(self) -> builtins.list[Damaged]:
        """The datasets that `list` leaves out, with the reason; each can be removed by its name."""
        from edgellm.data.dataset import read_manifest

        return damaged(self._folders(), read_manifest)

    def show(self, name: str) -> Dataset:
        """A dataset with its files verified."""
        from edgellm.data.dataset import open_dataset

        return open_dataset(self._folder(name))

    def remove(self, name: str) -> None:
        """Delete a dataset."""
        from edgellm.data.build import keeping_in

        folder = self._folder(name)
        aside = folder.with_name(f".{name}.{os.getpid()}-{time.monotonic_ns()}.part")
        with keeping_in(self._home.datasets):
            folder.rename(aside)  # gone at once, however long deleting takes
            shutil.rmtree(aside)

    def _folders(self) -> builtins.list[Path]:
        from edgellm.data.build import remove_leftovers
        from edgellm.data.dataset import MANIFEST

        if self._home.datasets.is_dir():
            remove_leftovers(self._home.datasets)
        return folders_with(self._home.datasets, MANIFEST)

    def _folder(self, name: str) -> Path:
        from edgellm.data.build import valid_name

        folder = self._home.datasets / valid_name(name)
        if not folder.is_dir():
            near = get_close_matches(name, [manifest.name for manifest in self.list()], 1)
            hint = f"Did you mean {near[0]!r}?" if near else "`edgellm data list` shows the datasets."
            raise DatasetNotFound(f"There is no dataset named {name!r}.", hint=hint)
        return folder

    def _sources(self, files: Sequence[str | Path], options: ReadOptions) -> builtins.list[AnySource]:
        from edgellm.data.draft_source import PREFIX, draft_source
        from edgellm.data.schemas import chosen_columns
        from edgellm.data.sources import ChatSource, FileSource

        chats, columns = options.get("chats"), options.get("columns")
        chosen = chosen_columns(columns) if columns else None
        drafts = self._home.drafts
        sources: builtins.list[AnySource] = [
            draft_source(drafts, file)
            if isinstance(file, str) and file.startswith(PREFIX)
            else FileSource(file, chosen)
            for file in files
        ]
        if chats is not None:
            sources.append(ChatSource(f"chats ({chats})", self._conversations(chats)))
        if not sources:
            raise InvalidInput("There is nothing to read.", hint="Name a file, or use chats.", field="files")
        return sources

    def _conversations(self, chats: Chats) -> Iterator[Conversation]:
        """The project's own conversations, oldest first."""
        from edgellm.data.sources import Conversation

        if chats == "all":
            for session in reversed(_all(self._store().sessions.list)):
                branch = self._store().sessions.path(session.id)
                system = [Message(role="system", content=session.system)] if session.system else []
                turns = [Message(role=message.role, content=message.content) for message in _finished(branch)]
                yield Conversation(f"session {session.id}", (*system, *turns))
            return
        for judged in reversed(_all(self._store().feedback.list)):
            answer = _wanted_answer(judged, chats)
            if answer is not None:
                messages = (*judged.messages, Message(role="assistant", content=answer))
                yield Conversation(f"message {judged.message_id}", messages)

    def _tools(self, model: str | None, stack: ExitStack) -> Tools:
        from edgellm.data.examine import Tools
        from edgellm.data.language import language_detector

        tools = Tools(detect_language=language_detector())
        if model is None:
            return tools
        from edgellm.sdk.token_measure import TokenMeasure

        name, worker = self._engines.worker(model, lambda _: None)
        return replace(tools, measure=stack.enter_context(TokenMeasure(name, worker)))


def _finished(branch: Iterable[StoredMessage]) -> list[StoredMessage]:
    """Without questions that were refused, and without answers that were cut off and what they answer."""
    kept: list[StoredMessage] = []
    for message in branch:
        if message.finish_reason in _CUT and kept and kept[-1].role == "user":
            kept.pop()
        elif message.finish_reason not in (*_CUT, REFUSED):
            kept.append(message)
    return kept


def _wanted_answer(judged: Feedback, chats: Chats) -> str | None:
    """What the answer should be, or was when it was liked; None when it is not wanted."""
    if judged.correction is not None:
        return judged.correction
    return judged.answer if chats == "liked" and judged.rating > 0 else None


def _all(page_of: Callable[[int, int], builtins.list[T]]) -> builtins.list[T]:
    """Every entry of a list that is given in pages."""
    found: builtins.list[T] = []
    while page := page_of(PAGE, len(found)):
        found += page
    return found


def _rules(options: ReadOptions) -> Rules:
    from edgellm.data.rules import Rules

    return options.get("rules") or Rules()


def _listener(options: ReadOptions) -> Callable[[JobEvent], None]:
    return options.get("on_event") or (lambda _: None)
