"""The test suite's own guards."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from tests.conftest import NetworkRefused, is_local


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost", "0.0.0.0", "", None, b"127.0.0.1"])
def test_local_hosts(host: object) -> None:
    assert is_local(host)


@pytest.mark.parametrize("host", ["192.0.2.1", "huggingface.co", "127.0.0.1.example.org", "2001:db8::1"])
def test_far_hosts(host: object) -> None:
    assert not is_local(host)


def test_connecting_outside_is_refused() -> None:
    with socket.socket() as connection, pytest.raises(NetworkRefused):
        connection.connect(("192.0.2.1", 80))


def test_looking_up_a_name_is_refused() -> None:
    with pytest.raises(NetworkRefused):
        socket.getaddrinfo("huggingface.co", 443)


def test_connecting_inside_works() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as connection:
        connection.connect(server.getsockname())


def test_home_is_private_to_the_test(edgellm_home: Path) -> None:
    assert os.environ["EDGELLM_HOME"] == str(edgellm_home)
    assert not list(edgellm_home.iterdir())
