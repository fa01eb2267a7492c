"""`edgellm audit`: the log shown, checked, and found broken."""

from __future__ import annotations

import json

import apsw
import pytest

from edgellm.cli.diagnostics import Code
from edgellm.sdk.facade import EdgeLLM
from tests.unit.cli.bench import Bench


@pytest.fixture
def logged(real: EdgeLLM) -> EdgeLLM:
    """Three entries."""
    real.audit.add("boss", "document.remove", "ferry\nFAKE", files=3)
    real.keys.create("Ana")
    real.aliases.set("team", "starter")
    return real


def tamper(edge: EdgeLLM, *statements: str) -> None:
    edge.close()  # the log is read by a process of its own
    connection = apsw.Connection(str(edge.home.store))
    for statement in ("DROP TRIGGER audit_update", "DROP TRIGGER audit_delete", *statements):
        connection.execute(statement)
    connection.close()


def test_entries_are_listed_one_a_line(serving: Bench, logged: EdgeLLM) -> None:
    assert logged
    assert serving.run("audit", "list") == 0
    header, alias, key, document = serving.out.splitlines()
    assert header.split() == ["ENTRY", "AT", "ACTOR", "ACTION", "TARGET", "FACTS"]
    assert [line.split()[0] for line in (alias, key, document)] == ["3", "2", "1"]
    assert document.split()[3:] == ["boss", "document.remove", "ferry", "FAKE", "files", "3"]
    assert "alias.set" in alias
    assert "target starter" in alias
    assert serving.run("audit", "list", "--limit", "1", "--before", "3", "--json") == 0
    [entry] = json.loads(serving.out)
    assert (entry["number"], entry["action"], entry["facts"]["name"]) == (2, "key.create", "Ana")


def test_a_sound_log_prints_its_end_which_a_later_check_takes(serving: Bench, logged: EdgeLLM) -> None:
    assert serving.run("audit", "verify") == Code.DONE
    first, head = serving.out.splitlines()
    assert first == "sound  3 entries"
    assert head.startswith("3:")
    logged.audit.add("boss", "later")
    assert serving.run("audit", "verify", "--head", head) == Code.DONE
    assert serving.run("audit", "verify", "--head", head, "--json") == Code.DONE
    told = json.loads(serving.out)
    assert (told["is_sound"], told["head"][:2], told["check"]["entries"]) == (True, "4:", 4)


def test_a_changed_entry_is_named(serving: Bench, logged: EdgeLLM) -> None:
    tamper(logged, "UPDATE audit SET actor = 'nobody' WHERE number = 2")
    assert serving.run("audit", "verify") == Code.ANSWER_IS_NO
    assert serving.out == "broken  entry 2 is not as it was written\n"
    assert serving.err == "sound before it: 1 entry\n"
    assert serving.run("audit", "verify", "--json") == Code.ANSWER_IS_NO
    assert json.loads(serving.out)["check"]["broken_at"] == 2


def test_a_log_that_was_cut_off_is_found_with_its_end(serving: Bench, logged: EdgeLLM) -> None:
    serving.run("audit", "verify")
    head = serving.out.splitlines()[1]
    tamper(logged, "DELETE FROM audit WHERE number = 3")
    assert serving.run("audit", "verify") == Code.DONE
    assert serving.run("audit", "verify", "--head", head) == Code.ANSWER_IS_NO
    assert "ends after 2 entries, but it had 3" in serving.out


@pytest.mark.parametrize(("head", "code"), [("", Code.USAGE), ("5", Code.INVALID_INPUT), ("5:xyz", Code.INVALID_INPUT)])
def test_what_is_no_end_is_refused(serving: Bench, head: str, code: Code) -> None:
    assert serving.run("audit", "verify", "--head", head) == code


def test_an_empty_log(serving: Bench) -> None:
    assert serving.run("audit", "list") == 0
    assert serving.err == "No entry.\n"
    assert serving.run("audit", "verify") == 0
    assert serving.out.startswith("sound  0 entries\n0:")
