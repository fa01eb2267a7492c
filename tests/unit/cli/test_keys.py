"""`edgellm keys`: the secret alone on standard output, once; lists without it."""

from __future__ import annotations

import json
import time

import pytest

from edgellm.cli.diagnostics import Code
from edgellm.sdk.facade import EdgeLLM
from edgellm.sdk.serving import Limits
from edgellm.store.keys import SECRET
from tests.unit.cli.bench import Bench


def test_a_new_key_is_the_only_thing_on_standard_output(serving: Bench, real: EdgeLLM) -> None:
    assert serving.run("keys", "create", "Ana") == 0
    secret = serving.out.removesuffix("\n")
    assert SECRET.fullmatch(secret)
    found = real.keys.find(secret)
    assert found is not None
    assert (found.name, found.role, found.expires_at) == ("Ana", "user", None)
    assert "shown once" in serving.err
    assert secret not in serving.err


def test_every_limit_can_be_said(serving: Bench, real: EdgeLLM) -> None:
    said = "--role viewer --days 30 --model starter --model team --collection ferry --adapter lighthouse"
    said += " --tokens-per-minute 1000 --tokens-per-day 50000 --requests 2 --log content-free --json"
    assert serving.run("keys", "create", "Ana", *said.split()) == 0
    told = json.loads(serving.out)
    key = real.keys.find(told["secret"])
    assert key is not None
    assert key.limits == Limits(
        models=("starter", "team"),
        collections=("ferry",),
        adapter="lighthouse",
        tokens_per_minute=1000,
        tokens_per_day=50_000,
        requests=2,
        log="content-free",
    )
    assert (told["id"], told["state"], told["role"]) == (key.id, "active", "viewer")
    assert told["expires_at"] == pytest.approx(time.time() + 30 * 86_400, abs=60)
    assert serving.run("keys", "list") == 0
    for word in ("starter", "team", "+ferry", "@lighthouse", "1,000 tok/min", "50,000 tok/day", "2 at once"):
        assert word in serving.out


def test_a_limit_that_names_nothing_here_is_noted_and_the_key_made(serving: Bench, real: EdgeLLM) -> None:
    real.aliases.set("team", "starter")
    assert serving.run("keys", "create", "Ana", "--model", "team", "--model", "taem", "--collection", "ferry") == 0
    assert "Not on this machine, so that nothing is allowed by it yet: taem, +ferry." in serving.err
    assert real.keys.find(serving.out.removesuffix("\n")) is not None
    assert serving.run("keys", "create", "Ben", "--model", "team") == 0
    assert "Not on this machine" not in serving.err


def test_lists_show_prefix_and_state_and_never_the_secret(serving: Bench, real: EdgeLLM) -> None:
    made = [real.keys.create(name) for name in ("Ana", "Ben")]
    assert serving.run("keys", "revoke", made[0].key.id) == 0
    assert serving.out == f"revoked  Ana  {made[0].key.id[:10]}\n"
    assert serving.run("keys", "list") == 0
    header, ben, ana = serving.out.splitlines()
    assert header.split() == ["ID", "NAME", "ROLE", "STATE", "KEY", "USED", "UNTIL", "LIMITS"]
    assert ben.split() == [made[1].key.id[:10], "Ben", "user", "active", f"{made[1].key.prefix}…", "never"]
    assert ana.split()[3] == "revoked"
    shown = serving.out
    serving.run("keys", "list", "--json")
    assert [(key["name"], key["state"]) for key in json.loads(serving.out)] == [("Ben", "active"), ("Ana", "revoked")]
    assert not any(each.secret in shown + serving.out for each in made)


def test_a_key_is_revoked_by_the_beginning_of_its_id(serving: Bench, real: EdgeLLM) -> None:
    made = real.keys.create("Ana")
    assert serving.run("keys", "revoke", made.key.id[:10], "--json") == 0
    assert json.loads(serving.out)["state"] == "revoked"
    assert real.keys.find(made.secret) is None
    assert serving.run("keys", "revoke", "nope") == Code.NOT_FOUND
    assert "edgellm keys list" in serving.err


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["keys", "create", ""], Code.USAGE),
        (["keys", "create", "a", "--role", "root"], Code.USAGE),
        (["keys", "create", "a", "--days", "0"], Code.INVALID_INPUT),
        (["keys", "create", "a", "--days", "nan"], Code.INVALID_INPUT),
        (["keys", "create", "a", "--requests", "0"], Code.INVALID_INPUT),
        (["keys", "create", "a\x1b[2J"], Code.INVALID_INPUT),
        (["keys", "create", "a", "--model", ""], Code.USAGE),
        (["keys", "revoke", ""], Code.USAGE),
    ],
)
def test_malformed_values_are_refused(serving: Bench, real: EdgeLLM, words: list[str], code: Code) -> None:
    assert serving.run(*words) == code
    assert serving.out == ""
    assert "\x1b" not in serving.err
    assert real.keys.list() == []


def test_an_empty_list_says_how_to_make_one(serving: Bench) -> None:
    assert serving.run("keys", "list") == 0
    assert serving.out == ""
    assert "edgellm keys create" in serving.err
