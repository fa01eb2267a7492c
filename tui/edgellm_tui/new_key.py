"""What is filled in for a new key and for a new server, checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from edgellm.errors import InvalidInput

if TYPE_CHECKING:
    from edgellm.sdk.servers import ServerOptions
    from edgellm.sdk.serving import Limits

ROLES = ("user", "viewer", "admin")
KEPT = ("full", "content-free")
MOST_PORT = 65_535


@dataclass(frozen=True, slots=True)
class WantedKey:
    """A new key as it was typed."""

    name: str = ""
    role: str = ROLES[0]
    models: str = ""
    """Names, separated by commas; empty: all."""
    numbers: Mapping[str, str] = field(default_factory=dict)
    """Field of `Limits`, or `days`, to what was typed; empty: no limit."""
    log: str = KEPT[0]

    def limits(self) -> Limits:
        """Raises: InvalidInput."""
        from edgellm.sdk.serving import Limits  # deferred: the page is drawn before the store is needed

        found: dict[str, Any] = {
            name: _whole(name, text) for name, text in self.numbers.items() if name != "days" and text.strip()
        }
        models = tuple(name for part in self.models.split(",") if (name := part.strip()))
        return Limits(models=models, log="content-free" if self.log == KEPT[1] else "full", **found)

    def days(self) -> float | None:
        """Raises: InvalidInput."""
        text = self.numbers.get("days", "").strip()
        return _whole("days", text) if text else None

    def check(self) -> None:
        """Raises: InvalidInput; `facts["field"]` names what is wrong."""
        if not self.name.strip():
            raise InvalidInput("A key needs a name: who will use it.", field="name")
        self.limits()
        self.days()


def _whole(name: str, text: str) -> int:
    digits = text.strip().replace(",", "").replace("_", "")
    if digits.isascii() and digits.isdigit() and int(digits) > 0:
        return int(digits)
    raise InvalidInput(f"{text.strip()[:40]!r} is no whole number above 0.", field=name)


@dataclass(frozen=True, slots=True)
class WantedServer:
    """A server as it was typed."""

    host: str = "127.0.0.1"
    port: str = "8000"
    model: str = ""
    """Empty: the default model."""

    def options(self, *, has_key: bool) -> ServerOptions:
        """`has_key`: whether a key is valid. Raises: InvalidInput; `facts["field"]` names what is wrong."""
        from edgellm.sdk.servers import ServerOptions  # deferred: the page is drawn before EdgeLLM is needed
        from edgellm.server.address import is_loopback

        port = self.port.strip()
        if not (port.isascii() and port.isdigit() and int(port) <= MOST_PORT):
            raise InvalidInput(f"{port[:40]!r} is no port: it takes 0 to {MOST_PORT}.", field="port")
        host = self.host.strip() or "127.0.0.1"
        if not is_loopback(host) and not has_key:
            message = f"Others can reach {host[:60]}, and there is no key that they would need."
            raise InvalidInput(message, hint="Esc, then n makes one.", field="host")
        return ServerOptions(host=host, port=int(port), model=self.model.strip() or None)
