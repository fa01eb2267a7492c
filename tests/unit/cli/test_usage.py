"""`edgellm usage`: what was used by day, model and tenant."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import pytest

from edgellm.cli.diagnostics import Code
from edgellm.sdk.facade import EdgeLLM
from edgellm.sdk.serving import UsageRow
from edgellm.server.caller import LOCAL
from edgellm.settings import Settings
from edgellm.types import Usage
from tests.unit.cli.bench import Bench
from tests.unit.cli.fakes import ServingEdge


@pytest.fixture
def used(real: EdgeLLM) -> str:
    """Three requests; returns: the tenant of two of them."""
    ana = real.keys.create("Ana B.").key.id
    spent = Usage(prompt_tokens=1500, cached_tokens=300, completion_tokens=20)
    real.usage.add(UsageRow(tenant=ana, model="starter", usage=spent, seconds=2.5, energy_j=7200.0))
    real.usage.add(UsageRow(tenant=ana, model="starter", usage=Usage(), status="QueueFull", seconds=0.1))
    real.usage.add(UsageRow(model="tiny\x1b[2J", usage=Usage(prompt_tokens=3)))
    return ana


def test_a_day_in_a_line(serving: Bench, used: str) -> None:
    assert used
    assert serving.run("usage") == 0
    header, line = serving.out.splitlines()
    assert header.split() == ["DAY", "REQUESTS", "ERRORS", "READ", "CACHED", "WRITTEN", "P50", "P99", "ENERGY"]
    day = f"{datetime.now():%Y-%m-%d}"
    assert line.split() == [day, "3", "1", "1,503", "300", "20", "2.50", "s", "2.50", "s", "2.0", "Wh"]


def test_tenants_have_their_keys_names_and_hostile_ones_are_shown(serving: Bench, used: str) -> None:
    assert serving.run("usage", "--by", "tenant") == 0
    assert f"({used[:10]})" in serving.out
    assert "this machine" in serving.out
    assert serving.run("usage", "--by", "model") == 0
    assert "starter" in serving.out
    assert "tiny␛[2J" in serving.out
    assert "\x1b" not in serving.out


def test_clients_that_need_no_key_are_called_so(serving: Bench, real: EdgeLLM) -> None:
    real.usage.add(UsageRow(tenant=LOCAL, model="starter", usage=Usage(prompt_tokens=3)))
    assert serving.run("usage", "--by", "tenant") == 0
    assert "clients without a key" in serving.out
    assert "unknown" not in serving.out


def test_json_has_every_number(serving: Bench, used: str) -> None:
    assert serving.run("usage", "--by", "tenant", "--json") == 0
    ana, machine = json.loads(serving.out)
    assert (ana["key"], ana["requests"], ana["errors"], ana["p50_s"], ana["energy_j"]) == (used, 2, 1, 2.5, 7200.0)
    assert ana["usage"] == {"prompt_tokens": 1500, "cached_tokens": 300, "completion_tokens": 20}
    assert (machine["key"], machine["name"], machine["p50_s"]) == ("", "this machine", None)


def test_a_line_for_each_day_of_each_tenant(serving: Bench, used: str) -> None:
    assert serving.run("usage", "--by", "tenant", "--by", "day", "--by", "tenant") == 0
    header, machine, ana = serving.out.splitlines()
    day = f"{datetime.now():%Y-%m-%d}"
    assert header.split()[:3] == ["TENANT", "DAY", "REQUESTS"]
    assert machine.split()[:4] == ["this", "machine", day, "1"]
    assert ana.split()[:5] == ["Ana", "B.", f"({used[:10]})", day, "2"]
    assert serving.run("usage", "--by", "day", "--by", "tenant", "--json") == 0
    of_machine, of_ana = json.loads(serving.out)
    assert (of_ana["keys"], of_ana["requests"]) == ({"day": day, "tenant": used}, 2)
    assert of_ana["name"] == f"{day} / Ana B. ({used[:10]})"
    assert of_machine["keys"] == {"day": day, "tenant": ""}
    assert serving.run("usage", "--json") == 0
    assert "keys" not in json.loads(serving.out)[0]


def test_since_leaves_earlier_days_out(serving: Bench, used: str) -> None:
    assert used
    today = datetime.now()
    assert serving.run("usage", "--since", f"{today:%Y-%m-%d}") == 0
    assert serving.out
    assert serving.run("usage", "--since", f"{today + timedelta(days=2):%Y-%m-%d}") == 0
    assert serving.out == ""
    assert "Nothing was used in that time" in serving.err
    assert serving.run("usage", "--since", "0001-01-01") == 0
    assert serving.out
    assert serving.run("usage", "--since", "yesterday") == Code.USAGE


def test_without_any_use_it_says_so(serving: Bench) -> None:
    assert serving.run("usage") == 0
    assert (serving.out, serving.err) == ("", "Nothing was used yet.\n")
    assert serving.run("usage", "--json") == 0
    assert json.loads(serving.out) == []


def test_with_a_price_it_shows_what_the_energy_cost(bench: Bench, real: EdgeLLM, used: str) -> None:
    real.settings = Settings(kwh_price=500)
    bench.edge = ServingEdge(real)
    assert bench.run("usage", "--by", "tenant") == 0
    header, ana, machine = bench.out.splitlines()
    assert header.split()[-3:] == ["COST", "A", "REQUEST"]
    assert ana.split()[-4:] == ["2.0", "Wh", "1.00", "1.00"]  # of one request the machine reported it
    assert "Wh" not in machine
    assert bench.run("usage", "--by", "tenant", "--json") == 0
    ana_json, machine_json = json.loads(bench.out)
    assert (ana_json["cost"], ana_json["cost_per_request"], ana_json["measured"]) == (1.0, 1.0, 1)
    assert (machine_json["cost"], machine_json["cost_per_request"]) == (None, None)
    assert used
