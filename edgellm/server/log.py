"""The server's log: what went wrong, one JSON line an event, without a word of what clients asked."""

from __future__ import annotations

import json
import os
import threading
import time
import traceback
from contextlib import suppress
from pathlib import Path

from edgellm.paths import PRIVATE_FILE, private_dir

MOST_BYTES = 16 * 2**20
"""From here on the log begins anew; the one before stays beside it."""


class ServerLog:
    """Appends to one private file. Every character that is not printable ASCII is escaped. Thread-safe."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()

    def error(self, route: str, error: BaseException) -> None:
        """Note an error of 500 and above with its traceback. A log that cannot be written stops nothing."""
        trace = "".join(traceback.format_exception(error))
        event = {"at": time.time(), "route": route, "error": type(error).__name__, "trace": trace}
        line = json.dumps(event).replace("\x7f", "\\u007f") + "\n"
        with self._lock, suppress(OSError):
            private_dir(self.path.parent)
            if self.path.exists() and self.path.stat().st_size > MOST_BYTES:
                os.replace(self.path, self.path.with_suffix(".log.1"))
            descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, PRIVATE_FILE)
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write(line)
