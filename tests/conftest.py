"""What every test gets: a private EdgeLLM home and a network that ends at this machine."""

from __future__ import annotations

import ipaddress
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

settings.register_profile("edgellm", deadline=None, print_blob=True)  # a busy machine is no failure
settings.load_profile("edgellm")


# Who starts the tests in the background, or under `nohup`, has these ignored, and the processes of a test inherit it.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
for size in (
    "COLUMNS",
    "LINES",
):  # set where tests run on several processes; programs believe it more than their terminal
    os.environ.pop(size, None)


class NetworkRefused(RuntimeError):
    """A test tried to leave the machine."""


def is_local(host: object) -> bool:
    """Whether a host name or address stays on this machine."""
    text = host.decode() if isinstance(host, bytes) else host
    if text in (None, "", "localhost"):
        return True
    try:
        address = ipaddress.ip_address(str(text))
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def _refuse_far(address: Any) -> None:
    if isinstance(address, tuple) and not is_local(address[0]):
        raise NetworkRefused(f"A test tried to reach {address!r}; tests talk to 127.0.0.1 only.")


@pytest.fixture(scope="session", autouse=True)
def loopback_only() -> Iterator[None]:
    """Refuse name look-ups and connections that leave the machine."""
    connect, connect_ex, sendto = socket.socket.connect, socket.socket.connect_ex, socket.socket.sendto
    getaddrinfo = socket.getaddrinfo

    def guarded_connect(self: socket.socket, address: Any) -> None:
        _refuse_far(address)
        connect(self, address)

    def guarded_connect_ex(self: socket.socket, address: Any) -> int:
        _refuse_far(address)
        return connect_ex(self, address)

    def guarded_sendto(self: socket.socket, *arguments: Any) -> int:
        _refuse_far(arguments[-1])
        return sendto(self, *arguments)

    def guarded_getaddrinfo(host: Any, *arguments: Any, **named: Any) -> Any:
        _refuse_far((host,))
        return getaddrinfo(host, *arguments, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded_connect)
        patch.setattr(socket.socket, "connect_ex", guarded_connect_ex)
        patch.setattr(socket.socket, "sendto", guarded_sendto)
        patch.setattr(socket, "getaddrinfo", guarded_getaddrinfo)
        yield


@pytest.fixture(autouse=True)
def edgellm_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A private `EDGELLM_HOME` for this test and the processes it starts."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("EDGELLM_HOME", str(home))
    for name in ("HF_TOKEN", "HF_ENDPOINT", "HF_HUB_OFFLINE", "NO_COLOR", "EDGELLM_MODEL"):
        monkeypatch.delenv(name, raising=False)
    return home
