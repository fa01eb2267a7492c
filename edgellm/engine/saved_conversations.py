"""Conversations' KV states on disk: resumed without prefill, private, checked before they are trusted.

A file is a magic text, the length of the header (4 bytes, little endian), the header (MessagePack), the
header's BLAKE2b digest (32 bytes) and the state. The header names what the state belongs to and the state's own digest.
Whatever does not match is removed: it can be computed again.
"""

from __future__ import annotations

import logging
import os
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import BinaryIO

import msgspec

from edgellm.decoding import from_msgpack
from edgellm.engine.plan import CacheKey, Tier
from edgellm.errors import InvalidInput
from edgellm.paths import replacing

MAGIC = b"EDGEKV1\n"
DIGEST_BYTES = 32
MOST_HEADER_BYTES = 16 * 1024**2
SUFFIX = ".kv"
LEFTOVER = ".part"
LEFTOVER_S = 600.0
"""A part that was not written to for so long belongs to a process that died while it saved."""

logger = logging.getLogger(__name__)


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """What a saved state belongs to."""

    fingerprint: str
    tenant: str
    adapter: str | None
    conversation: str
    tokens: bytes
    """Token ids, 4 bytes each, little endian."""
    state_bytes: int
    state_digest: bytes

    @property
    def owner(self) -> tuple[str, str, str | None, str]:
        """Everything that has to agree before the state may be used."""
        return self.fingerprint, self.tenant, self.adapter, self.conversation


@dataclass(frozen=True, slots=True, eq=False)
class SavedConversation:
    """A state on disk whose header has been checked; the state itself is checked when it is read."""

    path: Path
    header: Header
    tokens: tuple[int, ...]

    @property
    def tier(self) -> Tier:
        return Tier.DISK

    def read(self) -> bytes:
        """The state. Raises: InvalidInput when the file is gone, changed or damaged; a damaged one is removed."""
        try:
            with self.path.open("rb") as handle:
                if _read_header(handle) != self.header:
                    raise InvalidInput(f"The saved conversation {self.path.name} has been replaced.")
                state = handle.read(self.header.state_bytes + 1)
        except OSError as problem:
            raise InvalidInput(f"The saved conversation {self.path.name} cannot be read: {problem}.") from problem
        if len(state) != self.header.state_bytes or _digest(state) != self.header.state_digest:
            _remove(self.path, "Its state is damaged.")
            raise InvalidInput(f"The saved conversation {self.path.name} is damaged.")
        return state


@dataclass(frozen=True, slots=True)
class _Unwritten:
    key: CacheKey
    conversation: str
    tokens: tuple[int, ...]
    state: bytes


class ConversationStore:
    """Saved conversations of one model in one folder, oldest removed first when the size budget is exceeded."""

    def __init__(self, folder: Path, *, fingerprint: str, budget_bytes: int, most_unwritten_bytes: int) -> None:
        self._folder = folder
        self._fingerprint = fingerprint
        self._budget_bytes = budget_bytes
        self._most_unwritten_bytes = most_unwritten_bytes
        self._unwritten: dict[Path, _Unwritten] = {}

    def find(self, key: CacheKey, conversation: str) -> SavedConversation | None:
        """The conversation as it was saved for this model, tenant and adapter; None when there is none to trust."""
        path = self.path_of(key, conversation)
        if path in self._unwritten:
            self._write(path, self._unwritten.pop(path))
        try:
            with path.open("rb") as handle:
                header = _read_header(handle)
                os.utime(handle.fileno())  # used just now: removed last
        except FileNotFoundError:
            return None
        except OSError as problem:
            logger.warning("The saved conversation %s cannot be read: %s.", path.name, problem)
            return None
        except InvalidInput as problem:
            _remove(path, problem.message)
            return None
        if header.owner != (self._fingerprint, key.tenant, key.adapter, conversation):
            _remove(path, "It belongs to something else.")
            return None
        return SavedConversation(path, header, _unpacked(header.tokens))

    def write_later(self, key: CacheKey, conversation: str, tokens: tuple[int, ...], state: bytes) -> None:
        """Write when there is time; at once when too much is waiting already."""
        self._unwritten[self.path_of(key, conversation)] = _Unwritten(key, conversation, tokens, state)
        while sum(len(entry.state) for entry in self._unwritten.values()) > self._most_unwritten_bytes:
            self.write_one()

    def write_one(self) -> bool:
        """Write the conversation that has waited longest. Returns False when none waits."""
        if not self._unwritten:
            return False
        path = next(iter(self._unwritten))
        self._write(path, self._unwritten.pop(path))
        return True

    def write(self, key: CacheKey, conversation: str, tokens: tuple[int, ...], state: bytes) -> None:
        """Write now."""
        path = self.path_of(key, conversation)
        self._unwritten.pop(path, None)
        self._write(path, _Unwritten(key, conversation, tokens, state))

    def forget(self, conversation: str) -> None:
        """Remove the conversation's states, of every model, tenant and adapter."""
        for path in [path for path, entry in self._unwritten.items() if entry.conversation == conversation]:
            del self._unwritten[path]
        forget_conversation(self._folder, conversation)

    def path_of(self, key: CacheKey, conversation: str) -> Path:
        """The file of a conversation; no name, however hostile, appears in a path."""
        parts = (self._fingerprint, key.tenant, key.adapter, conversation)
        return self._folder / (_digest(msgspec.msgpack.encode(parts)).hex() + SUFFIX)

    def _write(self, path: Path, entry: _Unwritten) -> None:
        if len(entry.state) > self._budget_bytes:
            return
        header = msgspec.msgpack.encode(
            Header(
                fingerprint=self._fingerprint,
                tenant=entry.key.tenant,
                adapter=entry.key.adapter,
                conversation=entry.conversation,
                tokens=struct.pack(f"<{len(entry.tokens)}I", *entry.tokens),
                state_bytes=len(entry.state),
                state_digest=_digest(entry.state),
            )
        )
        try:
            with replacing(path) as handle:
                for part in (MAGIC, len(header).to_bytes(4, "little"), header, _digest(header), entry.state):
                    handle.write(part)
            self._keep_within_budget()
        except OSError as problem:  # a full disk costs a later prefill, never the answers in progress
            logger.warning("A conversation's state could not be saved in %s: %s.", self._folder, problem)

    def _keep_within_budget(self) -> None:
        _remove_leftovers(self._folder)
        files = sorted(_files(self._folder))
        excess = sum(size for _, size, _ in files) - self._budget_bytes
        for _, size, path in files:
            if excess <= 0:
                return
            path.unlink(missing_ok=True)
            excess -= size


def forget_conversation(folder: Path, conversation: str) -> None:
    """Remove a conversation's saved states from a folder, whichever model they are of; unreadable files go too."""
    if not folder.is_dir():
        return
    _remove_leftovers(folder)
    for _, _, path in list(_files(folder)):
        try:
            with path.open("rb") as handle:
                is_meant = _read_header(handle).conversation == conversation
        except OSError as problem:
            logger.warning("The saved conversation %s cannot be read: %s.", path.name, problem)
            continue
        except InvalidInput:
            is_meant = True  # nobody can use it, and it may be the one
        if is_meant:
            _remove(path, "Its conversation was deleted.", logging.INFO)


def _files(folder: Path) -> Iterator[tuple[int, int, Path]]:
    """Time of last use, size and path of every saved conversation."""
    return _entries(folder, SUFFIX)


def _remove_leftovers(folder: Path) -> None:
    """Take away what processes that died while they saved left behind; it holds text of conversations."""
    for changed_ns, _, path in list(_entries(folder, LEFTOVER)):
        if time.time() - changed_ns / 1e9 > LEFTOVER_S:
            _remove(path, "It is not complete.")


def _entries(folder: Path, suffix: str) -> Iterator[tuple[int, int, Path]]:
    """Modification time, size and path of every file whose name ends so."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(suffix) and entry.is_file(follow_symlinks=False):
                try:
                    facts = entry.stat(follow_symlinks=False)
                except FileNotFoundError:  # another process removed it just now
                    continue
                yield facts.st_mtime_ns, facts.st_size, Path(entry.path)


def _remove(path: Path, reason: str, level: int = logging.WARNING) -> None:
    """Take a file away that must not be found again."""
    logger.log(level, "The saved conversation %s is not used and will be removed: %s", path.name, reason)
    try:
        path.unlink(missing_ok=True)
    except OSError as problem:
        logger.warning("It could not be removed: %s.", problem)


def _read_header(handle: BinaryIO) -> Header:
    """The header at the beginning of a file. Raises: InvalidInput."""
    if handle.read(len(MAGIC)) != MAGIC:
        raise InvalidInput("The file is no saved conversation.")
    length = int.from_bytes(handle.read(4), "little")
    if length > MOST_HEADER_BYTES:
        raise InvalidInput(f"The header of a saved conversation claims {length} bytes.")
    content, digest = handle.read(length), handle.read(DIGEST_BYTES)
    if _digest(content) != digest:
        raise InvalidInput("The header of a saved conversation is damaged.")
    try:
        return from_msgpack(content, type=Header)
    except msgspec.DecodeError as problem:
        raise InvalidInput(f"The header of a saved conversation is malformed: {problem}.") from problem


def _unpacked(tokens: bytes) -> tuple[int, ...]:
    return struct.unpack(f"<{len(tokens) // 4}I", tokens[: len(tokens) // 4 * 4])


def _digest(content: bytes) -> bytes:
    return blake2b(content, digest_size=DIGEST_BYTES).digest()
