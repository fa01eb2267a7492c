"""`edgellm aliases`: set, moved, listed, removed, and their history."""

from __future__ import annotations

import json

from edgellm.cli.diagnostics import Code
from edgellm.sdk.facade import EdgeLLM
from tests.unit.cli.bench import Bench


def test_an_alias_is_set_and_moved(serving: Bench, real: EdgeLLM) -> None:
    assert serving.run("aliases", "set", "team", "starter") == 0
    assert serving.out == "set  team  starter\n"
    assert serving.run("aliases", "set", "team", "starter@lighthouse+ferry", "--json") == 0
    assert json.loads(serving.out)["target"] == "starter@lighthouse+ferry"
    assert real.aliases.resolve("team") == "starter@lighthouse+ferry"
    assert [entry.action for entry in real.audit.list()] == ["alias.set", "alias.set"]


def test_aliases_are_listed(serving: Bench, real: EdgeLLM) -> None:
    assert serving.run("aliases", "list") == 0
    assert "edgellm aliases set" in serving.err
    real.aliases.set("zebra", "starter")
    real.aliases.set("gpt-4o", "starter@lighthouse")
    assert serving.run("aliases", "list") == 0
    header, first, second = serving.out.splitlines()
    assert header.split() == ["ALIAS", "CHANGED", "STANDS", "FOR"]
    assert (first.split()[0], first.split()[2]) == ("gpt-4o", "starter@lighthouse")
    assert second.startswith("zebra")
    assert serving.run("aliases", "list", "--json") == 0
    assert [alias["name"] for alias in json.loads(serving.out)] == ["gpt-4o", "zebra"]


def test_an_alias_is_removed_and_its_history_stays(serving: Bench, real: EdgeLLM) -> None:
    real.aliases.set("team", "starter", actor="boss")
    assert serving.run("aliases", "remove", "team") == 0
    assert serving.out == "removed  team\n"
    assert serving.run("aliases", "history", "team") == 0
    _, removed, was_set = serving.out.splitlines()
    assert removed.split()[1:] == ["local", "removed"]
    assert was_set.split()[1:] == ["boss", "starter"]
    assert serving.run("aliases", "history", "team", "--json") == 0
    assert [change["target"] for change in json.loads(serving.out)] == [None, "starter"]


def test_what_is_wrong_is_named(serving: Bench) -> None:
    assert serving.run("aliases", "set", "a b", "starter") == Code.INVALID_INPUT
    assert serving.run("aliases", "set", "team", "team") == Code.INVALID_INPUT
    assert serving.run("aliases", "set", "team", "") == Code.USAGE
    assert serving.run("aliases", "remove", "nope") == Code.NOT_FOUND
    assert serving.run("aliases", "history", "nope") == Code.NOT_FOUND
    assert "edgellm aliases list" in serving.err
