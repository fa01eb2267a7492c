"""What is exported, written to a new file."""

from __future__ import annotations

import asyncio
from itertools import count
from pathlib import Path

from edgellm.errors import InvalidInput
from edgellm.paths import write_private
from edgellm.safetext import safe_file_name
from edgellm_tui.ports import Edge


def new_file_name(title: str, ending: str) -> str:
    """A name made from a conversation's title that no file of the current folder has yet."""
    stem = safe_file_name(title.rstrip("…"))
    names = (f"{stem}.{ending}" if number == 1 else f"{stem}-{number}.{ending}" for number in count(1))
    return next(name for name in names if not Path(name).exists())


async def export_session(edge: Edge, session_id: str, name: str) -> Path:
    """Write a session to a new file, as JSON or Markdown by the ending of its name. Returns the whole path.

    Raises: InvalidInput, StoreError.
    """
    text = await edge.sessions.export(session_id, "json" if name.endswith(".json") else "markdown")
    return await write_new(name, text.encode())


async def write_new(name: str, content: bytes) -> Path:
    """Write a file that is not there yet. Returns the whole path. Raises: InvalidInput."""
    return await asyncio.to_thread(_write_new, name, content)


def _write_new(name: str, content: bytes) -> Path:
    try:
        path = Path(name).expanduser().absolute()
        if path.exists():
            raise InvalidInput(f"{str(path)!r} exists.", hint="Choose another name.", field="file")
        write_private(path, content)
    except OSError as error:
        raise InvalidInput(f"{name!r} cannot be written: {error.strerror}.", field="file") from error
    except (ValueError, RuntimeError) as error:  # a name no file can have, a home folder nobody has
        raise InvalidInput(f"{name!r} is no name for a file: {error}.", field="file") from error
    return path
