"""Addresses: where to listen, and by which names the server may be called."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable

from edgellm.errors import InvalidInput

BACKLOG = 512


def is_loopback(host: str) -> bool:
    """Whether only programs of this machine reach an address. A name other than `localhost` counts as reachable."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def own_names(host: str, allowed: Iterable[str]) -> list[str]:
    """The names that a Host header may hold besides those of the loopback: the address, and what was allowed.

    An address that means all of them (`0.0.0.0`) is no name; a port behind an allowed name is left out.
    """
    names = [host, *allowed]
    return [_bracketed(name) for name in names if name not in ("0.0.0.0", "::", "")]


def listen(host: str, port: int) -> socket.socket:
    """A socket that takes connections. Raises: InvalidInput when the address cannot be used."""
    plain = host.strip("[]")
    family = socket.AF_INET6 if ":" in plain else socket.AF_INET
    try:
        return socket.create_server((plain, port), family=family, backlog=BACKLOG)
    except (OSError, OverflowError) as error:
        message = f"The address {_bracketed(plain)}:{port} cannot be used: {getattr(error, 'strerror', None) or error}."
        raise InvalidInput(message, hint="Choose another one: --host, --port.", field="port") from error


def url_of(listening: socket.socket, host: str) -> str:
    """The address that a client on this machine calls."""
    shown = "127.0.0.1" if host in ("0.0.0.0", "::", "") else _bracketed(host.strip("[]"))
    return f"http://{shown}:{listening.getsockname()[1]}"


def _bracketed(name: str) -> str:
    """An IPv6 address in brackets, as addresses of pages write it; of `NAME:PORT` the name."""
    if name.startswith("["):
        return name.partition("]")[0].lower() + "]"
    return f"[{name.lower()}]" if name.count(":") > 1 else name.partition(":")[0].lower()
