"""Files that a key uploaded for training: each with its hash, below the key's own folder."""

from __future__ import annotations

import re
import secrets
import time
from pathlib import Path
from typing import Literal

import msgspec

from edgellm.decoding import from_json
from edgellm.errors import NotFound
from edgellm.paths import Home, write_private
from edgellm.server.caller import Caller
from edgellm.server.uploads import Upload

Purpose = Literal["fine-tune"]
MOST_FILES = 1_000
"""Of one key."""
ROOM_BYTES = 2 * 2**30
"""What the uploads of one key may take on the disk, its documents included; an administrator's have no limit."""
FILE_COST_BYTES = 4096
"""What any file takes, however small."""
_ID = re.compile(r"file-[0-9a-f]{24}")


class StoredFile(msgspec.Struct, frozen=True, kw_only=True):
    """What is remembered beside a file's content."""

    id: str
    tenant: str
    filename: str
    """As the client called it."""
    purpose: Purpose
    bytes: int
    sha256: str
    created_at: int
    """Seconds since the epoch."""


class FileShelf:
    """The files, one folder a key. Another key's do not exist; an administrator sees all. Its methods use the disk."""

    def __init__(self, home: Home) -> None:
        self.folder = home.uploads / "files"

    def folder_of(self, caller: Caller) -> Path:
        """Where a caller's own files are."""
        return self.folder / caller.tenant

    def add(self, caller: Caller, upload: Upload, purpose: Purpose) -> StoredFile:
        """Keep an upload. Raises: OSError."""
        file = StoredFile(
            id=f"file-{secrets.token_hex(12)}",
            tenant=caller.tenant,
            filename=upload.filename,
            purpose=purpose,
            bytes=upload.size,
            sha256=upload.sha256,
            created_at=int(time.time()),
        )
        upload.move(self.content(file))
        write_private(self.folder_of(caller) / f"{file.id}.json", msgspec.json.encode(file))
        return file

    def list(self, caller: Caller) -> list[StoredFile]:
        """Newest first."""
        tenant = "*" if caller.is_admin else caller.tenant
        found = [_read(path) for path in self.folder.glob(f"{tenant}/file-*.json")]
        return sorted((file for file in found if file), key=lambda file: (file.created_at, file.id), reverse=True)

    def get(self, caller: Caller, file_id: str, field: str = "id") -> StoredFile:
        """One file. Raises: NotFound, alike for what is not there and another key's."""
        found = self._find(caller, file_id)
        if found is None:
            raise NotFound(f"There is no file {file_id[:100]!r}.", field=field)
        return found

    def content(self, file: StoredFile) -> Path:
        """Where its content is."""
        return self.folder / file.tenant / f"{file.id}.jsonl"

    def remove(self, caller: Caller, file_id: str) -> StoredFile:
        """Delete a file with its content. Raises: NotFound."""
        file = self.get(caller, file_id)
        (self.folder / file.tenant / f"{file.id}.json").unlink(missing_ok=True)
        self.content(file).unlink(missing_ok=True)
        return file

    def _find(self, caller: Caller, file_id: str) -> StoredFile | None:
        if not _ID.fullmatch(file_id):
            return None
        tenant = "*" if caller.is_admin else caller.tenant
        return next((file for path in self.folder.glob(f"{tenant}/{file_id}.json") if (file := _read(path))), None)


def room_of(home: Home, caller: Caller) -> int:
    """Bytes that a caller may still upload."""
    if caller.is_admin:
        return 2**62
    folders = [home.uploads / "files" / caller.tenant, *home.uploads.glob(f"documents/*.{caller.tenant}")]
    return ROOM_BYTES - sum(FILE_COST_BYTES + _size(path) for folder in folders for path in folder.glob("*"))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # it was deleted meanwhile
        return 0


def _read(path: Path) -> StoredFile | None:
    """None: deleted meanwhile, or not of our making."""
    try:
        return from_json(path.read_bytes(), type=StoredFile)
    except (OSError, msgspec.MsgspecError):
        return None
