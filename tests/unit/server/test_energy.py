"""Energy: counters as Linux and NVIDIA's tool report them, and how they are shared among requests."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgellm.sdk.facade import EdgeLLM
from edgellm.server.energy import Meter, Nvidia, Rapl, read_nvidia
from edgellm.server.service import ServeOptions, open_service
from tests.unit.server.conftest import client_of


def zone(folder: Path, place: str, name: str, microjoules: int) -> Path:
    """As `/sys/class/powercap` has it."""
    path = folder / place
    path.mkdir(parents=True)
    (path / "name").write_text(f"{name}\n")
    (path / "energy_uj").write_text(f"{microjoules}\n")
    (path / "max_energy_range_uj").write_text("1000000000\n")
    return path / "energy_uj"


def test_the_processors_are_added_up_and_their_parts_are_not(tmp_path: Path) -> None:
    first = zone(tmp_path, "intel-rapl:0", "package-0", 5_000_000)
    second = zone(tmp_path, "intel-rapl:1", "package-1", 7_000_000)
    part = zone(tmp_path, "intel-rapl:0:0", "core", 1)
    platform = zone(tmp_path, "intel-rapl:2", "psys", 1)
    found = Rapl(tmp_path)
    assert found
    assert found.joules() == 0.0
    first.write_text("6500000")
    second.write_text("7250000")
    part.write_text("900000000")
    platform.write_text("900000000")
    assert found.joules() == pytest.approx(1.75)


def test_a_counter_that_begins_anew_goes_on(tmp_path: Path) -> None:
    file = zone(tmp_path, "intel-rapl:0", "package-0", 999_000_000)
    found = Rapl(tmp_path)
    file.write_text("500000")
    assert found.joules() == pytest.approx(1.5)
    file.write_text("")  # it cannot be read for once
    assert found.joules() == pytest.approx(1.5)


def test_what_cannot_be_read_reports_nothing(tmp_path: Path) -> None:
    assert not Rapl(tmp_path / "none")
    zone(tmp_path, "intel-rapl:0", "package-0", 1).unlink()
    assert not Rapl(tmp_path)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_power_is_added_up_over_time() -> None:
    clock, watts = Clock(), [100.0, 300.0, None]
    found = Nvidia(lambda: watts.pop(0), clock)
    assert found
    clock.now = 2.0
    assert found.joules() == 200.0
    found.sample()
    clock.now = 3.0
    assert found.joules() == 500.0
    found.sample()  # nothing is known this time: it stays as it was
    clock.now = 4.0
    assert found.joules() == 800.0
    assert not Nvidia(lambda: None)


@pytest.mark.parametrize(
    ("said", "watts"),
    [("70.25\n12.5\n", 82.75), ("[N/A]\n", None), ("", None), ("70.25\n[Not Supported]\n", None)],
)
def test_what_nvidias_tool_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, watts: float | None
) -> None:
    tool = tmp_path / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\nprintf '{said}'\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert read_nvidia() == watts
    tool.write_text("#!/bin/sh\nexit 9\n")
    assert read_nvidia() is None


class Counted:
    """A counter that a test moves."""

    now = 0.0
    looks = 0

    def joules(self) -> float:
        return self.now

    def sample(self) -> None:
        self.looks += 1


def test_requests_share_what_is_used_while_they_run() -> None:
    counter = Counted()
    meter = Meter([counter])
    counter.now = 1000.0  # nobody runs: nobody's
    one = meter.begin()
    counter.now += 10
    two = meter.begin()
    counter.now += 20
    assert meter.end(one) == 20.0
    counter.now += 5
    assert meter.end(two) == 15.0
    assert not meter.is_running


def test_a_machine_that_reports_nothing_gets_no_figure() -> None:
    meter = Meter()
    assert meter.end(meter.begin()) is None


async def test_a_request_is_noted_with_its_energy(own_edge: EdgeLLM, monkeypatch: pytest.MonkeyPatch) -> None:
    counter = Counted()
    monkeypatch.setattr("edgellm.server.service.meter_here", lambda: Meter([counter]))
    service = open_service(own_edge, ServeOptions(), is_open=True)
    begin = service.meter.begin

    def used() -> float:
        mark = begin()
        counter.now += 7.5
        return mark

    monkeypatch.setattr(service.meter, "begin", used)
    async with client_of(service) as client:
        body = {"model": "fake:", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 2}
        assert (await client.post("/v1/chat/completions", json=body)).status_code == 200
        text = (await client.get("/metrics")).text
    [total] = own_edge.usage.totals()
    assert (total.energy_j, total.measured) == (7.5, 1)
    assert total.cost(0.4) == pytest.approx(7.5 / 3_600_000 * 0.4)
    assert "edgellm_energy_joules_total 7.5\n" in text


async def test_without_a_report_there_is_null(own_edge: EdgeLLM, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgellm.server.service.meter_here", Meter)
    async with client_of(open_service(own_edge, ServeOptions(), is_open=True)) as client:
        body = {"model": "fake:", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 2}
        await client.post("/v1/chat/completions", json=body)
        assert "energy" not in (await client.get("/metrics")).text
    [total] = own_edge.usage.totals()
    assert (total.energy_j, total.measured, total.cost(0.4)) == (None, 0, None)
