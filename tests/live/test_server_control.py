"""A server with the starter model, started and stopped as the app does it."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from edgellm.errors import ModelNotFound
from edgellm.sdk.facade import EdgeLLM
from edgellm.sdk.remote import RemoteEdgeLLM
from edgellm.sdk.servers import ServerOptions
from edgellm.types import Sampling


def test_a_server_outlives_its_starter_and_lets_an_open_answer_end(tmp_path: Path) -> None:
    with EdgeLLM("starter", home=tmp_path) as starter:
        running = starter.server.start(ServerOptions(port=0))
        secret = starter.keys.create("Ana").secret
    assert running.url is not None
    time.sleep(0.6)  # a server looks at its keys twice a second
    with EdgeLLM(home=tmp_path) as edge, RemoteEdgeLLM(running.url, secret) as client:
        assert edge.server.status() == running
        stream = client.chat("Count to ten.", stream=True, sampling=Sampling(max_tokens=60, temperature=0))
        stopping = threading.Thread(target=edge.server.stop)
        for number, _ in enumerate(stream):
            if number == 3:
                request = edge.server.live().requests[0]
                assert (request.key, request.stage) == ("Ana", "writing")
                stopping.start()
        stopping.join(20)
        assert stream.reply.usage.completion_tokens > 10
        assert edge.server.status() is None


def test_a_server_for_an_alias_follows_it(tmp_path: Path) -> None:
    short = Sampling(max_tokens=3, temperature=0)
    with EdgeLLM("assistant", home=tmp_path) as edge:
        edge.aliases.set("assistant", "starter")
        running = edge.server.start(ServerOptions(port=0, model="assistant"))
        assert (running.model, edge.server.status()) == ("assistant", running)
        assert running.url is not None
        with RemoteEdgeLLM(running.url) as client:
            assert edge.models.loaded() == []
            assert client.chat("Hello.", model="assistant", sampling=short).usage.completion_tokens == 3
            edge.aliases.set("assistant", "nowhere")
            with pytest.raises(ModelNotFound, match="assistant"):
                client.chat("Hello.", model="assistant", sampling=short)
        edge.server.stop()
