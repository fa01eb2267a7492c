"""What a SQLite file of ours is: how it is told from others, and what is said when it cannot be used."""

from __future__ import annotations

import errno
from dataclasses import dataclass
from pathlib import Path

from edgellm.errors import DiskFull, StoreBusy, StoreDamaged, StoreError, StoreTooNew


@dataclass(frozen=True, slots=True, kw_only=True)
class FileKind:
    """One kind of file, and its errors."""

    application_id: int
    """SQLite's header field at offset 68."""
    noun: str
    """What messages call it."""
    check: str
    """The query that shows on opening that the file is healthy: `ok`."""
    damaged_hint: str
    page_bytes: int = 4096
    has_vectors: bool = False
    """Whether its queries use the functions of sqlite-vec."""

    def damaged(self, path: Path, reason: str) -> StoreDamaged:
        """The file is not what it should be."""
        message = f"The {self.noun} {path} cannot be used: {reason}. It was left as it is."
        return StoreDamaged(message, hint=self.damaged_hint, path=str(path), reason=reason)

    def too_new(self, path: Path, found: int, known: int) -> StoreTooNew:
        """A newer EdgeLLM wrote it."""
        return StoreTooNew(
            f"The {self.noun} {path} has format {found}; this EdgeLLM knows formats up to {known}.",
            hint="Update EdgeLLM, or set EDGELLM_HOME to another folder.",
            found_version=found,
            known_version=known,
        )

    def busy(self, path: Path) -> StoreBusy:
        """Another process holds the lock."""
        message = f"Another process keeps the {self.noun} {path} locked."
        return StoreBusy(message, hint="Try again in a moment.", path=str(path))

    def disk_full(self, path: Path) -> DiskFull:
        """No space is left; the transaction was rolled back."""
        message = f"There is no space left for the {self.noun} {path}; nothing of the last change was kept."
        return DiskFull(message, hint="Free some space, then try again.", path=str(path))

    def no_wal(self, path: Path, mode: str) -> StoreError:
        """The file system has no shared memory for SQLite's write-ahead log."""
        return StoreError(
            f"The file system of {path} cannot hold a {self.noun}: SQLite stays in {mode!r} mode instead of WAL.",
            hint="Set EDGELLM_HOME to a folder on a local disk.",
            path=str(path),
        )

    def closed(self, path: Path) -> StoreError:
        """It is used after `close`."""
        return StoreError(f"The {self.noun} {path} is closed.", hint="Open it again.", path=str(path))

    def failed(self, path: Path, error: Exception) -> StoreError:
        """Anything else that SQLite says."""
        return StoreError(f"The {self.noun} {path} failed: {error}.", path=str(path))

    def os_error(self, path: Path, error: OSError) -> StoreError:
        """The operating system refuses."""
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return self.disk_full(path)
        return StoreError(
            f"The {self.noun} {path} cannot be opened: {error.strerror}.",
            hint="Make its folder writable, or set EDGELLM_HOME to another one.",
            path=str(path),
        )
