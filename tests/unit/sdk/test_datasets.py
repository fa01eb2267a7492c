"""`edge.datasets`: files, own chats and a model's tokens, through the SDK."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgellm.data.rows import ChatRow
from edgellm.data.rules import Rules
from edgellm.errors import DataRejected, DatasetNotFound, InvalidInput
from edgellm.events import JobEvent, Started
from edgellm.sdk.aio import AsyncEdgeLLM
from edgellm.sdk.datasets import Chats
from edgellm.sdk.facade import EdgeLLM
from edgellm.settings import Settings
from edgellm.types import Message, Sampling

ROWS = [
    {"Frage": "Where is Zarn?", "Antwort": "It is up north."},
    {"Frage": "Who built the harbour?", "Antwort": "The town dug it by hand."},
]


@pytest.fixture(autouse=True)
def no_detector(monkeypatch: pytest.MonkeyPatch) -> None:
    """The detector is an optional install with tests of its own."""
    monkeypatch.setattr("edgellm.data.language.language_detector", lambda: lambda _: "en")


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "table.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return path


COLUMNS = {"prompt": "Frage", "completion": "Antwort"}


def test_from_a_file_to_a_dataset_and_back(edge: EdgeLLM, table: Path) -> None:
    assert edge.datasets.list() == []
    events: list[JobEvent] = []
    report = edge.datasets.check([table], columns=COLUMNS, on_event=events.append)
    assert report.can_be_built
    assert isinstance(events[0], Started)
    assert edge.datasets.list() == []  # a check writes nothing
    made = edge.datasets.build([str(table)], "zarn", columns="prompt=Frage,completion=Antwort")
    assert [manifest.name for manifest in edge.datasets.list()] == ["zarn"]
    assert edge.datasets.show("zarn").manifest == made.manifest
    edge.datasets.remove("zarn")
    assert edge.datasets.list() == []
    assert not list(edge.home.datasets.iterdir())


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"{", "no manifest of a dataset"),
        (b"", "no manifest of a dataset"),
        (b"[" * 100_000, "no manifest of a dataset"),
        (None, "the manifest cannot be read: Is a directory"),
    ],
)
def test_one_damaged_manifest_hides_no_other_dataset(
    edge: EdgeLLM, table: Path, content: bytes | None, reason: str
) -> None:
    for name in ("harbour", "zarn"):
        edge.datasets.build([table], name, columns=COLUMNS)
    path = edge.home.datasets / "harbour" / "manifest.json"
    path.unlink()
    path.mkdir() if content is None else path.write_bytes(content)
    assert [manifest.name for manifest in edge.datasets.list()] == ["zarn"]
    (found,) = edge.datasets.damaged()
    assert found.name == "harbour"
    assert reason in found.reason
    with pytest.raises(DatasetNotFound, match="Did you mean 'zarn'"):
        edge.datasets.show("zrn")
    edge.datasets.remove("harbour")
    assert edge.datasets.damaged() == []


def test_what_is_being_removed_is_no_dataset(edge: EdgeLLM, table: Path) -> None:
    edge.datasets.build([table], "zarn", columns=COLUMNS)
    (edge.home.datasets / "zarn").rename(edge.home.datasets / ".zarn.1-2.part")
    assert edge.datasets.list() == []
    assert edge.datasets.damaged() == []


def test_an_unknown_name_suggests_the_nearest(edge: EdgeLLM, table: Path) -> None:
    edge.datasets.build([table], "harbour", columns=COLUMNS)
    with pytest.raises(DatasetNotFound, match="Did you mean 'harbour'"):
        edge.datasets.show("habour")
    with pytest.raises(DatasetNotFound):
        edge.datasets.remove("none")
    with pytest.raises(InvalidInput, match="no name"):
        edge.datasets.remove("../..")


def test_nothing_to_read_is_refused(edge: EdgeLLM) -> None:
    with pytest.raises(InvalidInput, match="nothing to read"):
        edge.datasets.check([])


def test_a_misspelt_option_is_refused(edge: EdgeLLM, table: Path) -> None:
    with pytest.raises(TypeError, match="'column'"):
        edge.datasets.check([table], column="x")  # type: ignore[call-arg]


def test_a_bad_file_is_named_and_leaves_nothing(edge: EdgeLLM, table: Path) -> None:
    with pytest.raises(DataRejected, match=r"table\.jsonl:1.*'Frage'"):
        edge.datasets.build([table], "zarn")
    assert edge.datasets.list() == []


@pytest.mark.parametrize(
    ("chats", "expected"),
    [
        ("corrected", ["It lies up north."]),
        ("liked", ["It lies up north.", "Liked just so."]),
        ("all", ["What the model said.", "Liked just so."]),
    ],
)
def test_own_chats_and_corrections(edge: EdgeLLM, chats: Chats, expected: list[str]) -> None:
    store = edge.sessions._store()
    session = store.sessions.create(system="Be brief.")
    store.sessions.append(session.id, "user", "Where is Zarn?")
    answer = store.sessions.append(session.id, "assistant", "What the model said.")
    edge.sessions.correct(answer.id, "It lies up north.")
    other = store.sessions.create()
    store.sessions.append(other.id, "user", "And Torn?")
    liked = store.sessions.append(other.id, "assistant", "Liked just so.")
    edge.sessions.rate(liked.id, 1)
    rows = [row for row in edge.datasets.build([], "mine", chats=chats).rows("train") if isinstance(row, ChatRow)]
    assert [row.messages[-1].content for row in rows] == expected
    assert rows[0].messages[0] == Message(role="system", content="Be brief.")
    assert rows[0].source.file.startswith(("session ", "message "))


def test_lengths_come_from_the_models_own_template(edge: EdgeLLM, table: Path) -> None:
    report = edge.datasets.check([table], columns=COLUMNS, model="fake:", rules=Rules(context_tokens=40))
    assert report.tokens is not None
    found = report.tokens.splits["train"]
    question = Message(role="user", content=ROWS[0]["Frage"])
    prompt_tokens = edge.chat([question], sampling=Sampling(max_tokens=1)).usage.prompt_tokens
    assert found.rows == 2
    assert found.min > prompt_tokens  # question, answer and markers
    assert found.over_context_rows == sum(length > 40 for length in (found.min, found.max))


async def test_the_asynchronous_twin(tmp_path: Path, table: Path) -> None:
    async with AsyncEdgeLLM("fake:", home=tmp_path / "home", settings=Settings()) as edge:
        made = await edge.datasets.build([table], "zarn", columns=COLUMNS)
        assert (await edge.datasets.show("zarn")).manifest == made.manifest
        assert (await edge.datasets.check([table], columns=COLUMNS)).counts.kept == 2
        assert len(await edge.datasets.list()) == 1
        await edge.datasets.remove("zarn")


def test_nobody_learns_from_answers_that_were_cut_off_or_from_refused_questions(edge: EdgeLLM) -> None:
    session = edge.sessions.create(title="t", model="m")
    sessions = edge._store().sessions
    for asked, answer, reason in (
        ("one", "whole it is", "stop"),
        ("two", "half of", "failed"),
        ("three", "some", "length"),
    ):
        sessions.append(session.id, "user", asked)
        sessions.append(session.id, "assistant", answer, finish_reason=reason)
    sessions.append(session.id, "user", "too long", finish_reason="refused")
    sessions.append(session.id, "user", "four")
    sessions.append(session.id, "assistant", "fine as well", finish_reason="stop")
    [row] = edge.datasets.build([], "mine", chats="all").rows("train")
    assert isinstance(row, ChatRow)
    assert [message.content for message in row.messages] == ["one", "whole it is", "four", "fine as well"]
