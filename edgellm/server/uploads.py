"""Files that clients send: written straight to the disk where they will stay, within limits, or not at all."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import secrets
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from starlette.requests import ClientDisconnect, Request

from edgellm.errors import DiskFull, InvalidInput, KeyRefused
from edgellm.paths import LEFTOVER_S, PRIVATE_FILE, Home, private_dir
from edgellm.safetext import clean_line
from edgellm.server.errors import HttpRefused
from edgellm.server.multipart import Multipart, Part
from edgellm.server.running import ClientGone

READ_S = 600.0
"""A form is here by then."""
MOST_FIELD_BYTES = 64 * 1024
MOST_NAME_BYTES = 200
WRITE_BYTES = 2**20


@dataclass(frozen=True, slots=True)
class Limit:
    """What one form may bring."""

    files: int
    file_bytes: int
    left_bytes: int
    """Of all its files: what the key has left of its room on the disk."""


@dataclass(frozen=True, slots=True)
class Upload:
    """One file, complete and on the disk under a name of its own."""

    filename: str
    """As the client says; checked: one part of a path."""
    path: Path
    size: int
    sha256: str

    def move(self, target: Path) -> None:
        """Give it its final name on the same disk, in place of whatever has it."""
        private_dir(target.parent)
        os.replace(self.path, target)


@dataclass(slots=True)
class Form:
    """What a form said."""

    fields: dict[str, list[str]] = field(default_factory=dict)
    uploads: list[Upload] = field(default_factory=list)


@asynccontextmanager
async def received(
    request: Request, folder: Path, files: str, fields: Mapping[str, str], limit: Limit
) -> AsyncIterator[Form]:
    """A request's form; what the block does not move away is deleted at its end.

    Args:
        folder: on the disk where the files will stay.
        files: the name of the part that is a file.
        fields: names of the others, `name` or `name[]` to `name`.

    Raises: InvalidInput that names the part, HttpRefused (408, 413), DiskFull, ClientGone, ServerStopping; KeyRefused
    when the key was revoked meanwhile.
    """
    service, reader = request.app.state.service, _Reader(folder, files, fields, limit)
    service.drain.check_new()
    try:
        await _read(reader, request)
        if not await asyncio.to_thread(service.keyring.is_valid, request.state.caller):
            raise KeyRefused("This key was revoked.")
        yield reader.form
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull(f"There is no space left for uploads in {folder}.", path=str(folder)) from error
        raise
    finally:
        reader.close()


async def _read(reader: _Reader, request: Request) -> None:
    try:
        async with asyncio.timeout(READ_S):
            await reader.read(request)
    except TimeoutError:
        raise HttpRefused(f"The form was not here after {READ_S:g} s.", status=408) from None
    except ClientDisconnect:
        raise ClientGone from None


class _Reader:
    """Puts the pieces of a form where they belong."""

    def __init__(self, folder: Path, files: str, fields: Mapping[str, str], limit: Limit) -> None:
        self.form = Form()
        self._folder = folder
        self._files, self._fields, self._limit = files, fields, limit
        self._file: _File | None = None
        self._field: tuple[str, bytearray] | None = None
        self._made: list[Path] = []
        self._left = limit.left_bytes

    async def read(self, request: Request) -> None:
        """To the end."""
        parser = Multipart(request.headers.get("content-type", ""))
        async for data in request.stream():
            for piece in parser.feed(data):
                if isinstance(piece, Part):
                    await self._end_part()
                    self._begin_part(piece)
                else:
                    await self._add(piece)
        parser.close()
        await self._end_part()

    def close(self) -> None:
        """Delete what was not moved away."""
        if self._file is not None:
            self._file.file.close()
        for path in self._made:
            path.unlink(missing_ok=True)
        with suppress(OSError):  # it holds something, or is gone
            self._folder.rmdir()

    def _begin_part(self, part: Part) -> None:
        if part.name == self._files:
            if part.filename is None:
                raise InvalidInput(f"{part.name} is a text; it must be a file with a name.", field=part.name)
            if len(self.form.uploads) >= self._limit.files:
                raise InvalidInput(f"{part.name}: {self._limit.files} at most are taken at once.", field=part.name)
            filename = checked_filename(part.filename, part.name)
            if filename in (upload.filename for upload in self.form.uploads):
                raise InvalidInput(f"{part.name}: two files are called {filename!r}.", field=part.name)
            path = private_dir(self._folder) / f".{secrets.token_hex(8)}.part"
            self._file = _File(filename, path)
            self._made.append(path)
        elif part.name in self._fields:
            if part.filename is not None:
                raise InvalidInput(f"{part.name} is a file; it must be a text.", field=part.name)
            self._field = (self._fields[part.name], bytearray())
        else:
            name = clean_line(part.name)[:40]
            raise InvalidInput(f"The field {name!r} is not known here; leave it out.", field=name)

    async def _add(self, data: bytes) -> None:
        if self._field is not None:
            self._field[1].extend(data)
            if len(self._field[1]) > MOST_FIELD_BYTES:
                raise InvalidInput(f"{self._field[0]} is longer than {MOST_FIELD_BYTES} bytes.", field=self._field[0])
        elif self._file is not None:
            self._left -= len(data)
            if self._file.size + len(data) > self._limit.file_bytes:
                raise HttpRefused(f"A file is longer than {self._limit.file_bytes // 2**20} MiB.", status=413)
            if self._left < 0:
                hint = "Delete what is not needed any more."
                raise HttpRefused("This key has no room left for files.", hint=hint, status=413)
            await self._file.write(data)

    async def _end_part(self) -> None:
        if self._field is not None:
            name, value = self._field
            try:
                self.form.fields.setdefault(name, []).append(value.decode())
            except UnicodeDecodeError:
                raise InvalidInput(f"{name} is not UTF-8 text.", field=name) from None
        elif self._file is not None:
            self.form.uploads.append(await self._file.end())
        self._field = self._file = None


class _File:
    """A file that is being written; its hash is worked out on the way."""

    def __init__(self, filename: str, path: Path) -> None:
        self._filename, self._path = filename, path
        self._hash = hashlib.sha256()
        self._waiting = bytearray()
        self.size = 0
        self.file: BinaryIO = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE), "wb")

    async def write(self, data: bytes) -> None:
        self.size += len(data)
        self._waiting += data
        if len(self._waiting) >= WRITE_BYTES:
            await asyncio.to_thread(self._flush)

    async def end(self) -> Upload:
        await asyncio.to_thread(self._flush, is_last=True)
        return Upload(self._filename, self._path, self.size, self._hash.hexdigest())

    def _flush(self, *, is_last: bool = False) -> None:
        self._hash.update(self._waiting)
        self.file.write(self._waiting)
        self._waiting.clear()
        if is_last:
            self.file.flush()
            os.fsync(self.file.fileno())
            self.file.close()


def checked_filename(name: str, field: str = "file") -> str:
    """A client's name for a file, which becomes one part of a path. Raises: InvalidInput."""
    with suppress(UnicodeEncodeError):
        is_part = name not in ("", ".", "..") and not set(name) & {"/", "\\", "\0"} and not name.startswith(".")
        if is_part and name == clean_line(name) == name.strip() and len(name.encode()) <= MOST_NAME_BYTES:
            return name
    shown = clean_line(name.encode("utf-8", "replace").decode())[:60]
    message = f"{field}: {shown!r} cannot be a file's name here."
    hint = f"Use up to {MOST_NAME_BYTES} bytes of visible characters, no slash, and no dot at the beginning."
    raise InvalidInput(message, hint=hint, field=field)


def remove_leftovers(home: Home) -> None:
    """Delete what a server that was killed left of its uploads."""
    for path in home.uploads.glob("*/*/.*.part"):
        with suppress(OSError):  # a running upload ends, or another server was first
            if time.time() - path.stat().st_mtime > LEFTOVER_S:
                path.unlink()
