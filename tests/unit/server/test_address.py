"""Where a server listens, and by which names it is called."""

from __future__ import annotations

import pytest

from edgellm.errors import InvalidInput
from edgellm.server.address import is_loopback, listen, own_names, url_of


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "[::1]", "localhost", "LOCALHOST"])
def test_this_machine_only(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "::", "192.168.1.7", "office.test", "", "localhost.evil.test", "::ffff:1.2.3.4"]
)
def test_others_too(host: str) -> None:
    assert not is_loopback(host)


def test_names() -> None:
    assert own_names("0.0.0.0", ["LLM.office.test:8000", "[fd00::1]:80", "fd00::2"]) == [
        "llm.office.test",
        "[fd00::1]",
        "[fd00::2]",
    ]
    assert own_names("192.168.1.7", []) == ["192.168.1.7"]
    assert own_names("::", []) == []


def test_the_address_that_is_called() -> None:
    with listen("127.0.0.1", 0) as socket:
        port = socket.getsockname()[1]
        assert url_of(socket, "127.0.0.1") == url_of(socket, "0.0.0.0") == f"http://127.0.0.1:{port}"
        assert url_of(socket, "::1") == f"http://[::1]:{port}"
        with pytest.raises(InvalidInput, match=f"127.0.0.1:{port} cannot be used") as refusal:
            listen("127.0.0.1", port)
    assert refusal.value.facts["field"] == "port"


def test_an_address_of_another_machine() -> None:
    with pytest.raises(InvalidInput):
        listen("192.0.2.1", 0)
