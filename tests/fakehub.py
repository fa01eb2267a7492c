"""A model hub on 127.0.0.1 that can be told to misbehave."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass(frozen=True, kw_only=True)
class Fault:
    """How one request for a file goes wrong; the defaults change nothing."""

    status: int | None = None
    retry_after: str | None = None
    cut_after: int | None = None
    """Close the connection after this many bytes of the body."""
    stated_length: int | None = None
    """A Content-Length that is not true."""
    stated_range: str | None = None
    """A Content-Range that is not true."""
    ignores_range: bool = False
    redirect: str | None = None
    """Address to send the client to."""
    pause_s: float = 0.0
    """Wait before every 64 KiB."""
    corrupt: bool = False
    """Send other bytes of the same length."""


@dataclass
class Seen:
    """One request as it arrived, and how many bytes of body were handed to the network."""

    path: str
    headers: dict[str, str]
    sent_bytes: int = 0


@dataclass
class FakeHub:
    """One hub. Faults are used up in order, one for each file request; then `always`, then none."""

    url: str = ""
    files: dict[str, dict[str, bytes]] = field(default_factory=dict)
    """Repository to path to content."""
    faults: deque[Fault] = field(default_factory=deque)
    always: Fault = field(default_factory=Fault)
    api_status: int = 200
    api_body: bytes | None = None
    api_redirect: str | None = None
    """Address of another hub that answers instead."""
    wrong_hash: bool = False
    needs_token: str | None = None
    seen: list[Seen] = field(default_factory=list)
    closing: threading.Event = field(default_factory=threading.Event)

    @property
    def file_requests(self) -> list[Seen]:
        """Requests for content, not for metadata."""
        return [seen for seen in self.seen if not seen.path.startswith("/api/")]

    @property
    def sent_bytes(self) -> int:
        """Bytes of content sent, over all requests."""
        return sum(seen.sent_bytes for seen in self.file_requests)

    def info(self, repository: str) -> dict[str, Any]:
        """What the hub's API says about a repository."""
        siblings: list[dict[str, Any]] = [{"rfilename": "README.md", "size": 5}]
        for path, content in self.files[repository].items():
            digest = hashlib.sha256(content + (b"x" if self.wrong_hash else b"")).hexdigest()
            lfs = {"sha256": digest, "size": len(content), "pointerSize": 134}
            siblings.append({"rfilename": path, "size": len(content), "blobId": "b" * 40, "lfs": lfs})
        return {"id": repository, "modelId": repository, "sha": COMMIT, "private": False, "siblings": siblings}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: FakeHub

    def log_message(self, *_: Any) -> None:
        """Keep the test's output clean."""

    def do_GET(self) -> None:
        """Serve metadata or content."""
        path = unquote(urlsplit(self.path).path)
        seen = Seen(self.path, {name.lower(): value for name, value in self.headers.items()})
        self.hub.seen.append(seen)
        if self.hub.needs_token and seen.headers.get("authorization") != f"Bearer {self.hub.needs_token}":
            self._short(401, b"")
        elif self.hub.api_redirect and path.startswith("/api/"):
            self.send_response(307)
            self.send_header("Location", self.hub.api_redirect + self.path)
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif api := re.fullmatch(r"/api/models/([^/]+/[^/]+)(/revision/.+)?", path):
            self._metadata(api[1])
        elif content := re.fullmatch(rf"/([^/]+/[^/]+)/resolve/{COMMIT}/(.+)", path):
            self._content(self.hub.files[content[1]][content[2]], seen)
        elif path == "/cdn":
            self._content(next(iter(next(iter(self.hub.files.values())).values())), seen)
        else:
            self._short(404, b"")

    def _metadata(self, repository: str) -> None:
        if self.hub.api_status != 200 or repository not in self.hub.files:
            self._short(self.hub.api_status if self.hub.api_status != 200 else 404, b"{}")
        else:
            self._short(200, self.hub.api_body or json.dumps(self.hub.info(repository)).encode())

    def _short(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _content(self, content: bytes, seen: Seen) -> None:
        fault = self.hub.faults.popleft() if self.hub.faults else self.hub.always
        if fault.redirect or fault.status:
            self.send_response(fault.status or 302)
            if fault.redirect:
                self.send_header("Location", fault.redirect)
            if fault.retry_after:
                self.send_header("Retry-After", fault.retry_after)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        start = self._start(content, seen, fault)
        body = content[start:]
        if fault.corrupt:
            body = bytes(byte ^ 0xFF for byte in body)
        self.send_header("Content-Length", str(len(body) if fault.stated_length is None else fault.stated_length))
        self.end_headers()
        self._body(body, seen, fault)

    def _start(self, content: bytes, seen: Seen, fault: Fault) -> int:
        wanted = re.fullmatch(r"bytes=(\d+)-", seen.headers.get("range", ""))
        if not wanted or fault.ignores_range:
            self.send_response(200)
            return 0
        start = int(wanted[1])
        self.send_response(206)
        self.send_header("Content-Range", fault.stated_range or f"bytes {start}-{len(content) - 1}/{len(content)}")
        return start

    def _body(self, body: bytes, seen: Seen, fault: Fault) -> None:
        end = len(body) if fault.cut_after is None else min(fault.cut_after, len(body))
        for at in range(0, end, 65_536):
            if fault.pause_s:
                self.hub.closing.wait(fault.pause_s)
            piece = body[at : min(at + 65_536, end)]
            try:
                self.wfile.write(piece)
            except ConnectionError:
                break
            seen.sent_bytes += len(piece)
        if end < len(body) or fault.stated_length is not None:
            self.close_connection = True


@contextmanager
def fake_hub() -> Iterator[FakeHub]:
    """A hub that runs while the block does."""
    hub = FakeHub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    server.daemon_threads = True
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield hub
    finally:
        hub.closing.set()
        server.shutdown()
        thread.join()
        server.server_close()
