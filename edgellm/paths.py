"""Every folder EdgeLLM keeps, private by default, and atomic replacement of files."""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

PRIVATE_DIR = 0o700
PRIVATE_FILE = 0o600
LEFTOVER_S = 3600.0


@dataclass(frozen=True, slots=True)
class Home:
    """Where one EdgeLLM installation keeps its things. Nothing is created until it is written to."""

    data: Path
    """What must not be lost: store, models."""
    cache: Path
    """What can be computed again: saved conversations' KV state, measurements."""
    config: Path
    """What the user wrote: settings, key bindings."""

    @property
    def store(self) -> Path:
        """The SQLite file with sessions, ratings and jobs."""
        return self.data / "edgellm.db"

    @property
    def models(self) -> Path:
        """Downloaded and added model files."""
        return self.data / "models"

    @property
    def datasets(self) -> Path:
        """One folder per dataset, made from examples."""
        return self.data / "datasets"

    @property
    def drafts(self) -> Path:
        """One folder per set of pairs drafted from documents."""
        return self.data / "drafts"

    @property
    def collections(self) -> Path:
        """One SQLite file per collection of documents."""
        return self.data / "collections"

    @property
    def embedders(self) -> Path:
        """Embedders in llama.cpp's format, each made once from the folder that it came in."""
        return self.data / "embedders"

    @property
    def adapters(self) -> Path:
        """One folder per adapter, trained or attached."""
        return self.data / "adapters"

    @property
    def kernels(self) -> Path:
        """What MLX compiled on this machine's CPU."""
        return self.cache / "kernels"

    @property
    def evals(self) -> Path:
        """One folder per evaluation: its manifest, answers and reports."""
        return self.data / "evals"

    @property
    def improve(self) -> Path:
        """One folder per run of the loop from feedback to the next version."""
        return self.data / "improve"

    @property
    def jobs(self) -> Path:
        """One folder per long work, with its event log."""
        return self.data / "jobs"

    @property
    def uploads(self) -> Path:
        """Files that clients of a server sent."""
        return self.data / "uploads"

    @property
    def server(self) -> Path:
        """Where the server that was started from here is found."""
        return self.data / "server"

    @property
    def logs(self) -> Path:
        """What workers and jobs wrote to standard error."""
        return self.data / "logs"

    @property
    def conversations(self) -> Path:
        """Saved KV states, resumed without prefill."""
        return self.cache / "conversations"

    @property
    def answers(self) -> Path:
        """Answers of evaluations by what was asked of whom, so that nothing is asked twice."""
        return self.cache / "answers"

    @property
    def settings(self) -> Path:
        """The user's settings file."""
        return self.config / "settings.toml"


def home_from(environment: Mapping[str, str]) -> Home:
    """Where EdgeLLM lives for this user.

    `EDGELLM_HOME` moves everything below one folder; otherwise the platform's own conventions apply.
    """
    root = environment.get("EDGELLM_HOME")
    if root:
        base = Path(os.path.expanduser(root)).absolute()  # Path's own raises for an unknown user
        return Home(data=base / "data", cache=base / "cache", config=base / "config")
    from platformdirs import PlatformDirs  # deferred: not needed when EDGELLM_HOME is set

    dirs = PlatformDirs("edgellm", appauthor=False)
    return Home(data=Path(dirs.user_data_dir), cache=Path(dirs.user_cache_dir), config=Path(dirs.user_config_dir))


def as_text(path: str | Path) -> str:
    """A path that can be stored and printed: bytes that are no UTF-8 become U+FFFD, which no longer opens the file."""
    return os.fsencode(path).decode("utf-8", "replace")


def private_dir(path: Path) -> Path:
    """Create `path` and its missing parents, readable by the owner alone. Returns `path`."""
    missing = [path, *path.parents]
    for folder in reversed([p for p in missing if not p.exists()]):
        folder.mkdir(mode=PRIVATE_DIR, exist_ok=True)
        folder.chmod(PRIVATE_DIR)  # mkdir's mode is cut by the umask
    return path


def sync_dir(path: Path) -> None:
    """Make a rename inside `path` survive power loss."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Write a file that appears complete or not at all.

    Yields a binary file in the same folder; leaving the block normally syncs it and renames it over
    `path`, leaving by an exception removes it and keeps the old `path`. Threads and processes may write the
    same `path` at once: the last one wins, whole. Raises: OSError.
    """
    private_dir(path.parent)
    beginning = f".{path.name[:80]}."
    _remove_leftovers(path.parent, beginning)
    temporary = path.with_name(f"{beginning}{os.getpid()}-{threading.get_ident()}.part")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, PRIVATE_FILE)
    try:
        with os.fdopen(descriptor, "wb") as handle:
            os.fchmod(descriptor, PRIVATE_FILE)  # the umask may have cut the owner's rights
            yield handle
            handle.flush()
            os.fsync(handle.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_dir(path.parent)


def _remove_leftovers(folder: Path, beginning: str) -> None:
    """Remove what writers that were killed left behind; one that still works has written within the hour."""
    leftover = re.compile(re.escape(beginning) + r"\d+-\d+\.part")
    for entry in folder.iterdir():
        if leftover.fullmatch(entry.name):
            with suppress(FileNotFoundError):
                if time.time() - entry.stat().st_mtime > LEFTOVER_S:
                    entry.unlink()


def write_private(path: Path, content: bytes) -> None:
    """Replace `path` with `content`, atomically and readable by the owner alone."""
    with replacing(path) as handle:
        handle.write(content)
