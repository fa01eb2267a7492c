"""What a server does beside its requests."""

from __future__ import annotations

import asyncio
import os

import pytest

from edgellm.errors import StoreBusy
from edgellm.sdk.facade import EdgeLLM
from edgellm.sdk.serving import Answers
from edgellm.server import upkeep
from edgellm.server.energy import Meter
from edgellm.server.service import ServeOptions, open_service
from edgellm.server.uploads import remove_leftovers
from edgellm.settings import Settings
from tests.unit.server.serving import served


class Looked:
    looks = 0

    def joules(self) -> float:
        return 0.0

    def sample(self) -> None:
        self.looks += 1


async def test_answers_are_pruned_by_the_setting_and_tried_again(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[float] = []

    def prune(_self: Answers, days: float) -> int:
        asked.append(days)
        if len(asked) == 1:
            raise StoreBusy("The store is busy.")
        return 0

    monkeypatch.setattr(Answers, "prune", prune)
    monkeypatch.setattr(upkeep, "PRUNE_EVERY_S", 0.01)
    with EdgeLLM("fake:", home=tmp_path_factory.mktemp("kept"), settings=Settings(feedback_days=7)) as edge:
        service = open_service(edge, ServeOptions(), is_open=True)
        task = asyncio.create_task(upkeep.upkeep(service))
        while len(asked) < 2:
            await asyncio.sleep(0.01)
        task.cancel()
        assert asked[:2] == [7, 7]
        assert "StoreBusy" in service.log.path.read_text()


async def test_power_is_looked_at_while_requests_run(own_edge: EdgeLLM, monkeypatch: pytest.MonkeyPatch) -> None:
    looked = Looked()
    monkeypatch.setattr(upkeep, "POWER_EVERY_S", 0.01)
    monkeypatch.setattr("edgellm.server.service.meter_here", lambda: Meter([looked]))
    service = open_service(own_edge, ServeOptions(), is_open=True)
    task = asyncio.create_task(upkeep.upkeep(service))
    await asyncio.sleep(0.1)
    assert looked.looks == 0
    service.meter.begin()
    while not looked.looks:
        await asyncio.sleep(0.01)
    task.cancel()


def test_a_server_does_it(own_edge: EdgeLLM, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[float] = []
    monkeypatch.setattr(Answers, "prune", lambda _self, days: asked.append(days))
    with served(own_edge):
        pass
    assert asked == [own_edge.settings.feedback_days]


def test_what_a_killed_server_left_of_an_upload_goes(own_edge: EdgeLLM) -> None:
    folder = own_edge.home.uploads / "files" / "ana"
    folder.mkdir(parents=True)
    for name in (".old.part", ".new.part", "file-1.jsonl"):
        (folder / name).write_text("x")
    for name in (".old.part", "file-1.jsonl"):
        os.utime(folder / name, (0, 0))
    remove_leftovers(own_edge.home)
    assert sorted(path.name for path in folder.iterdir()) == [".new.part", "file-1.jsonl"]
