"""Keys, aliases, audit log, answers and usage through EdgeLLM, without any model."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgellm.errors import NotFound
from edgellm.sdk.aio import AsyncEdgeLLM
from edgellm.sdk.facade import EdgeLLM
from edgellm.sdk.serving import Limits, ServedAnswer, UsageRow
from edgellm.settings import Settings
from edgellm.types import Sampling, Usage


@pytest.fixture
def plain(tmp_path: Path) -> EdgeLLM:
    return EdgeLLM(home=tmp_path / "home", settings=Settings())


def test_a_store_is_opened_when_it_is_first_needed(plain: EdgeLLM, tmp_path: Path) -> None:
    assert plain.aliases is not None
    assert not (tmp_path / "home").exists()
    assert plain.aliases.resolve("starter") == "starter"
    assert plain.home.store.is_file()
    plain.close()


def test_a_key_lives_from_its_making_to_its_end(plain: EdgeLLM) -> None:
    with plain as edge:
        made = edge.keys.create("Ana", role="viewer", limits=Limits(requests=2), days=1, actor="boss")
        assert edge.keys.find(made.secret) == made.key
        edge.keys.used(made.key.id)
        assert edge.keys.get(made.key.id).last_used_at is not None
        edge.keys.revoke(made.key.id, actor="boss")
        assert edge.keys.find(made.secret) is None
        assert [key.id for key in edge.keys.list()] == [made.key.id]
        assert [(entry.actor, entry.action) for entry in edge.audit.list()] == [
            ("boss", "key.revoke"),
            ("boss", "key.create"),
        ]


def test_names_in_limits_that_nothing_answers_to(plain: EdgeLLM) -> None:
    with plain as edge:
        edge.aliases.set("team", "fake:")
        here = ("fake:", "team")
        assert edge.keys.absent(Limits(models=here)) == ()
        limits = Limits(models=(*here, "taem", "fake:@lost"), collections=("ferry",), adapter="lighthouse")
        assert edge.keys.absent(limits) == ("taem", "fake:@lost", "@lighthouse", "+ferry")


def test_aliases_and_the_audit_log(plain: EdgeLLM) -> None:
    with plain as edge:
        edge.aliases.set("team", "starter")
        edge.aliases.set("team", "starter@lighthouse", actor="boss")
        assert edge.aliases.resolve("team") == edge.aliases.get("team").target == "starter@lighthouse"
        assert [alias.name for alias in edge.aliases.list()] == ["team"]
        edge.aliases.remove("team")
        assert [change.target for change in edge.aliases.history("team")] == [None, "starter@lighthouse", "starter"]
        edge.audit.add("boss", "document.remove", "ferry", files=3)
        check = edge.audit.verify()
        assert (check.is_sound, check.entries) == (True, 4)
        assert edge.audit.verify(check.head).is_sound
        assert edge.audit.list(limit=1, before=4)[0].action == "alias.remove"


def test_answers_belong_to_a_tenant(plain: EdgeLLM) -> None:
    with plain as edge:
        edge.answers.add(ServedAnswer(id="a1", tenant="ana", model="starter", text="The Nile."))
        assert edge.answers.rate("a1", "ana", 1, "The Amazon.").correction == "The Amazon."
        assert edge.answers.get("a1", "ana").rating == 1
        with pytest.raises(NotFound):
            edge.answers.get("a1", "ben")


def test_usage_of_tenants_and_of_this_machine(edge: EdgeLLM) -> None:
    reply = edge.chat("Hello", sampling=Sampling(temperature=0, max_tokens=4))
    edge.usage.add(UsageRow(tenant="ana", model="fake:", usage=Usage(prompt_tokens=7), seconds=1.5))
    totals = {total.key: total for total in edge.usage.totals("tenant")}
    assert totals[""].usage == reply.usage
    assert (totals["ana"].tokens, totals["ana"].p50_s) == (7, 1.5)
    assert edge.usage.totals(since=4e9) == []


async def test_the_same_from_an_event_loop(tmp_path: Path) -> None:
    async with AsyncEdgeLLM(home=tmp_path, settings=Settings()) as edge:
        made = await edge.keys.create("Ana")
        assert await edge.keys.find(made.secret) == made.key
        await edge.aliases.set("team", "starter")
        assert await edge.aliases.resolve("team") == "starter"
        await edge.usage.add(UsageRow(model="m", usage=Usage()))
        assert [total.requests for total in await edge.usage.totals()] == [1]
        await edge.answers.add(ServedAnswer(id="a1", tenant="ana", model="m"))
        assert (await edge.answers.get("a1", "ana")).text is None
        assert (await edge.audit.verify()).entries == 2


def test_answers_go_when_they_are_too_old(plain: EdgeLLM) -> None:
    with plain as edge:
        edge.answers.add(ServedAnswer(id="chatcmpl-1", tenant="ana", model="starter"))
        assert edge.answers.prune(days=1) == 0
        assert edge.answers.get("chatcmpl-1", "ana").model == "starter"
        assert edge.answers.prune(days=-1) == 1
        with pytest.raises(NotFound):
            edge.answers.get("chatcmpl-1", "ana")
