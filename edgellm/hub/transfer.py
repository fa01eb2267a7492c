"""Fetches one file by ranges into a .part file that any later attempt can continue.

The hub is not trusted: at most the promised number of bytes is written, and the SHA-256 decides. The token goes to the
hub's own address only, never along a redirect to another host.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from edgellm.errors import DiskFull, DownloadError, IntegrityError
from edgellm.hub.progress import Meter
from edgellm.hub.remote import Access, RemoteFile, refused
from edgellm.paths import PRIVATE_FILE

if TYPE_CHECKING:
    import httpx2

MAX_FRUITLESS_ATTEMPTS = 5
"""Attempts in a row that bring no new byte before the transfer gives up; it can be continued later."""
BACKOFF_S = 0.5
"""First pause after a fruitless attempt; each further one is twice as long."""
MAX_REDIRECTS = 5
MAX_PAUSE_S = 60.0
"""A longer Retry-After is an error instead of a wait."""
CHUNK_BYTES = 256 * 1024
_CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18})")


class _Interrupted(Exception):
    """The attempt brought what it could; another one may bring more."""

    def __init__(self, reason: str, pause_s: float | None = None) -> None:
        super().__init__(reason)
        self.pause_s = pause_s


@dataclass(slots=True)
class _Part:
    """The growing file and the hash of what it holds."""

    descriptor: int
    size: int = 0
    digest: hashlib._Hash = field(default_factory=hashlib.sha256)

    def load(self) -> None:
        """Hash what an earlier attempt left."""
        while piece := os.read(self.descriptor, CHUNK_BYTES):
            self.digest.update(piece)
            self.size += len(piece)

    def write(self, piece: bytes) -> None:
        """Append; the kernel has it before this returns, so a killed process loses nothing."""
        view = memoryview(piece)
        while view:
            view = view[os.write(self.descriptor, view) :]
        self.digest.update(piece)
        self.size += len(piece)

    def clear(self) -> None:
        """Start over."""
        os.ftruncate(self.descriptor, 0)
        os.lseek(self.descriptor, 0, os.SEEK_SET)
        self.size, self.digest = 0, hashlib.sha256()


def fetch(
    remote: RemoteFile, path: Path, access: Access, meter: Meter, sleep: Callable[[float], None] = time.sleep
) -> None:
    """Bring `path` to the full, verified content of `remote`, continuing what it already holds.

    Raises: IntegrityError (the file is deleted), HubRefused, DownloadError (the part is kept), DiskFull.
    """
    import httpx2  # deferred: 70 ms

    with _opened(path) as part, httpx2.Client(timeout=httpx2.Timeout(30, connect=10)) as client:
        part.load()
        if part.size > remote.size_bytes:
            part.clear()
        meter.restart(part.size, "")
        fruitless = 0
        while part.size < remote.size_bytes:
            before = part.size
            try:
                _attempt(client, remote, part, access, meter)
            except (_Interrupted, httpx2.TransportError, httpx2.StreamError) as error:
                fruitless = 0 if part.size > before else fruitless + 1
                pause_s = _pause_s(error, fruitless, remote, part)
                meter.restart(part.size, f"interrupted ({_reason(error)}), trying again")
                sleep(pause_s)
        os.fsync(part.descriptor)
        _check_hash(part, remote, path)


def _pause_s(error: Exception, fruitless: int, remote: RemoteFile, part: _Part) -> float:
    """Seconds to wait before the next attempt. Raises: DownloadError when there have been enough."""
    wanted = error.pause_s if isinstance(error, _Interrupted) else None
    if fruitless >= MAX_FRUITLESS_ATTEMPTS or (wanted or 0) > MAX_PAUSE_S:
        raise DownloadError(
            f"{remote.path!r} could not be fetched: {_reason(error)}.",
            hint="Run the same command again to continue where it stopped.",
            url=remote.url,
            done_bytes=part.size,
        ) from error
    if wanted is not None:
        return wanted
    return BACKOFF_S * 2 ** (fruitless - 1) if fruitless else 0.0


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__


def _attempt(client: httpx2.Client, remote: RemoteFile, part: _Part, access: Access, meter: Meter) -> None:
    """One request, from where the part ends."""
    with _response(client, remote.url, part.size, access) as response:
        _check_status(response, part, remote)
        for piece in response.iter_raw():  # as it arrives: a re-chunker would lose its rest when the line is cut
            wanted = piece[: remote.size_bytes - part.size]
            part.write(wanted)
            meter.advance(len(wanted))
            if part.size == remote.size_bytes:
                return
    raise _Interrupted("the answer ended early")


@contextmanager
def _response(client: httpx2.Client, url: str, start: int, access: Access) -> Iterator[httpx2.Response]:
    """The answer after redirects, which are followed by hand so that the token stays with the hub."""
    for _ in range(MAX_REDIRECTS + 1):
        headers = {"Accept-Encoding": "identity", "User-Agent": "edgellm"}
        if start:
            headers["Range"] = f"bytes={start}-"
        if access.token and _origin(url) == _origin(access.endpoint):
            headers["Authorization"] = f"Bearer {access.token}"
        with client.stream("GET", url, headers=headers, follow_redirects=False) as response:
            if not response.has_redirect_location:
                yield response
                return
            target = _target(url, response.headers["Location"])
        url = target
    raise DownloadError(f"The hub redirects more than {MAX_REDIRECTS} times, last to {_shown(url)!r}.")


def _target(url: str, location: str) -> str:
    """Where a redirect leads. Raises: DownloadError when that is no address, or a less safe one."""
    import httpx2

    try:
        target = urljoin(url, location)
        httpx2.URL(target)
        is_safe = urlsplit(target).scheme in _schemes_after(url) and _origin(target)[1] is not None
    except (ValueError, httpx2.InvalidURL):
        raise DownloadError(f"The hub redirects from {_shown(url)!r} to {location[:200]!r}: no address.") from None
    if not is_safe:
        raise DownloadError(f"The hub redirects from {_shown(url)!r} to {_shown(target)!r}, which is not safe.")
    return target


def _check_status(response: httpx2.Response, part: _Part, remote: RemoteFile) -> None:
    """Leave the part at the position where the body continues it. Raises: HubRefused, _Interrupted."""
    status = response.status_code
    if status == 206:
        found = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
        if not found or int(found[1]) != part.size or int(found[3]) != remote.size_bytes:
            raise _Interrupted(f"the server sends {response.headers.get('Content-Range')!r}, not what was asked for")
    elif status == 200:
        if part.size:
            part.clear()  # the server ignores ranges
    elif status == 416:
        part.clear()
        raise _Interrupted("the server has no such range")
    elif status in (408, 429) or status >= 500:
        raise _Interrupted(f"status {status}", _retry_after(response))
    else:
        raise refused(status, _shown(remote.url))


def _retry_after(response: httpx2.Response) -> float | None:
    value = response.headers.get("Retry-After", "")
    return float(value) if re.fullmatch(r"[0-9]{1,18}", value) else None


def _check_hash(part: _Part, remote: RemoteFile, path: Path) -> None:
    found = part.digest.hexdigest()
    if found != remote.sha256:
        path.unlink()
        raise IntegrityError(
            f"{remote.path!r} arrived with SHA-256 {found}, the hub promised {remote.sha256}. It was deleted.",
            hint="Try again; if it happens again, the repository or the connection is not to be trusted.",
            expected=remote.sha256,
            found=found,
        )


@contextmanager
def _opened(path: Path) -> Iterator[_Part]:
    """The part file, created when missing; a full disk becomes DiskFull."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, PRIVATE_FILE)
    try:
        yield _Part(descriptor)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise DiskFull(
            f"The disk is full: {str(path.parent)!r}.", hint="Free some space and run the same command again."
        ) from error
    finally:
        os.close(descriptor)


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)


def _schemes_after(url: str) -> tuple[str, ...]:
    return ("https",) if urlsplit(url).scheme == "https" else ("http", "https")


def _shown(url: str) -> str:
    """The address without its query, which may carry a signature."""
    return url.partition("?")[0]
