"""EdgeLLM from prompt to stored answer, on the built-in fake model."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from edgellm.errors import ContextOverflow, DiskFull, InvalidInput, ModelNotFound, SessionNotFound, StoreError
from edgellm.sdk.facade import EdgeLLM
from edgellm.settings import Settings
from edgellm.types import Constraint, Delta, FinishReason, Message, Sampling

GREEDY = Sampling(temperature=0, max_tokens=24)


def test_the_same_greedy_question_gets_the_same_answer_and_uses_the_cache(edge: EdgeLLM) -> None:
    first = edge.chat("A question that is long enough to be worth keeping.", sampling=GREEDY)
    second = edge.chat("A question that is long enough to be worth keeping.", sampling=GREEDY)
    assert second.text == first.text
    assert first.usage.cached_tokens == 0
    assert second.usage.cached_tokens >= second.usage.prompt_tokens - 1
    assert first.usage.completion_tokens <= 24
    assert first.timings.ttft_s > 0


@pytest.mark.parametrize("value", [9.0, float("nan")])
def test_sampling_out_of_range_is_refused_before_anything_is_stored(edge: EdgeLLM, value: float) -> None:
    session = edge.sessions.create()
    wrong = Sampling(temperature=value)
    with pytest.raises(InvalidInput, match="temperature"):
        edge.chat("Hi", session=session.id, sampling=wrong, stream=True)
    with pytest.raises(InvalidInput, match="temperature"):
        edge.complete("Hi", sampling=wrong, stream=True)
    assert edge.sessions.messages(session.id) == []


def test_a_stream_adds_up_to_its_reply(edge: EdgeLLM) -> None:
    with edge.chat("Hello", sampling=GREEDY, stream=True) as stream:
        pieces = [event.text for event in stream if isinstance(event, Delta)]
    assert "".join(pieces) == stream.reply.text


def test_a_cancelled_answer_is_kept_in_its_session(tmp_path: Path) -> None:
    with EdgeLLM("fake:decode_row_s=0.005", home=tmp_path, settings=Settings(context_tokens=1024)) as edge:
        session = edge.sessions.create()
        with edge.chat("Go on for long", session=session.id, sampling=Sampling(seed=0), stream=True) as stream:
            for event in stream:
                if isinstance(event, Delta):
                    stream.cancel()
        assert stream.reply.finish_reason in {FinishReason.CANCELLED, FinishReason.STOP}
        stored = edge.sessions.messages(session.id)
    assert [message.role for message in stored] == ["user", "assistant"]
    assert stored[1].content == stream.reply.text
    assert stored[1].finish_reason == stream.reply.finish_reason


def test_leaving_a_stream_early_records_what_was_written(tmp_path: Path) -> None:
    with EdgeLLM("fake:decode_row_s=0.005", home=tmp_path, settings=Settings(context_tokens=1024)) as edge:
        session = edge.sessions.create()
        with edge.chat("Go on for long", session=session.id, sampling=Sampling(seed=7), stream=True) as stream:
            next(event for event in stream if isinstance(event, Delta) and event.text)
        assert edge.sessions.messages(session.id)[-1].role == "assistant"


def test_a_session_sends_its_history_and_its_system_message(edge: EdgeLLM) -> None:
    session = edge.sessions.create(system="Be brief.")
    first = edge.chat("One", session=session.id, sampling=GREEDY)
    second = edge.chat("Two", session=session.id, sampling=GREEDY)
    by_hand = edge.chat(
        [
            Message(role="system", content="Be brief."),
            Message(role="user", content="One"),
            Message(role="assistant", content=first.text),
            Message(role="user", content="Two"),
        ],
        sampling=GREEDY,
    )
    assert second.text == by_hand.text
    assert second.message_id == edge.sessions.messages(session.id)[-1].id


def test_a_question_that_got_no_answer_goes_in_with_the_next_one(edge: EdgeLLM) -> None:
    session = edge.sessions.create()
    with pytest.raises(ModelNotFound):
        edge.chat("One", session=session.id, model="no-such-model")
    together = edge.chat("Two", session=session.id, sampling=GREEDY)
    assert together.text == edge.chat("One\n\nTwo", sampling=GREEDY).text
    assert [message.content for message in edge.sessions.messages(session.id)] == ["One", "Two", together.text]


def test_an_answer_is_kept_before_its_tokens_are_counted(edge: EdgeLLM, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise DiskFull("There is no space left.")

    monkeypatch.setattr("edgellm.store.usage.UsageLog.add", refuse)
    session = edge.sessions.create()
    with pytest.raises(DiskFull):
        edge.chat("One", session=session.id, sampling=GREEDY)
    assert [message.role for message in edge.sessions.messages(session.id)] == ["user", "assistant"]


def test_a_model_asked_for_by_its_path_answers_to_its_name(edge: EdgeLLM, monkeypatch: pytest.MonkeyPatch) -> None:
    engines = edge._engines
    chosen = replace(engines.choose("fake:"), name="tiny")
    monkeypatch.setattr(engines, "choose", lambda _: chosen)
    edge.chat("x", model="folder/tiny.gguf", sampling=GREEDY)
    assert edge.models.loaded() == ["tiny"]
    assert edge.stats("tiny") == edge.stats("folder/tiny.gguf")
    assert edge.memory_bytes("tiny") > 0
    edge.models.unload("tiny")
    assert edge.models.loaded() == []
    assert edge.stats("folder/tiny.gguf") is None


def test_answering_again_makes_a_sibling_and_an_edit_makes_a_branch(edge: EdgeLLM) -> None:
    session = edge.sessions.create()
    first = edge.chat("One", session=session.id, sampling=GREEDY)
    assert first.message_id is not None
    again = edge.sessions.regenerate(first.message_id, Sampling(seed=5, max_tokens=10))
    assert {message.id for message in edge.sessions.siblings(first.message_id)} == {first.message_id, again.message_id}
    assert edge.sessions.forks(session.id)[first.message_id] == (first.message_id, again.message_id)
    question = edge.sessions.messages(session.id)[0]
    edge.chat("Another", session=session.id, parent=question.parent_id or "", sampling=GREEDY)
    assert [message.content for message in edge.sessions.siblings(question.id)] == ["One", "Another"]
    switched = edge.sessions.switch(session.id, first.message_id)
    assert [message.content for message in switched] == ["One", first.text]


def test_many_threads_share_one_model(edge: EdgeLLM) -> None:
    expected = edge.chat("Shared", sampling=GREEDY).text
    answers: list[str] = []
    threads = [
        threading.Thread(target=lambda: answers.append(edge.chat("Shared", sampling=GREEDY).text)) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert answers == [expected] * 8
    assert edge.models.loaded() == ["fake:"]


def test_two_instances_live_side_by_side(edge: EdgeLLM, tmp_path: Path) -> None:
    with EdgeLLM("fake:", home=tmp_path / "other", settings=Settings(context_tokens=1024)) as other:
        assert other.chat("Hi", sampling=GREEDY).text == edge.chat("Hi", sampling=GREEDY).text
        other.sessions.create(title="Elsewhere")
        assert edge.sessions.list() == []


def test_n_answers_come_from_one_prompt(edge: EdgeLLM) -> None:
    reply = edge.chat("Several", sampling=Sampling(temperature=1.5, n=3, seed=7, max_tokens=12))
    assert len(reply.choices) == 3
    assert len({choice.text for choice in reply.choices}) > 1


def test_a_question_that_was_refused_is_kept_but_not_sent_with_the_next(edge: EdgeLLM) -> None:
    session = edge.sessions.create()
    edge.chat("First.", session=session.id, sampling=GREEDY)
    with pytest.raises(ContextOverflow):
        edge.chat("word " * 2000, session=session.id, sampling=GREEDY)
    with pytest.raises(InvalidInput, match=r"(?i)schema|constraint"):
        edge.chat(
            "Junk.", session=session.id, sampling=GREEDY, constraint=Constraint(kind="json_schema", text="nonsense")
        )
    reply = edge.chat("Second.", session=session.id, sampling=GREEDY)
    plain = edge.sessions.create()
    edge.chat("First.", session=plain.id, sampling=GREEDY)
    assert reply.usage.prompt_tokens == edge.chat("Second.", session=plain.id, sampling=GREEDY).usage.prompt_tokens
    roles = [message.role for message in edge.sessions.messages(session.id)]
    assert roles == ["user", "assistant", "user", "user", "user", "assistant"], "nothing that was typed is lost"


def test_what_is_wrong_is_said_by_type_and_name(edge: EdgeLLM) -> None:
    with pytest.raises(InvalidInput, match="temperature"):
        edge.chat("x", sampling=Sampling(temperature=float("nan")))
    with pytest.raises(ContextOverflow):
        edge.chat("word " * 2000, sampling=GREEDY)
    with pytest.raises(SessionNotFound, match="nowhere"):
        edge.chat("x", session="nowhere")
    with pytest.raises(InvalidInput, match="empty"):
        edge.chat([])
    with pytest.raises(InvalidInput, match="Message values; one of these is a dict"):
        edge.chat([{"role": "user", "content": "x"}])  # type: ignore[list-item]
    with pytest.raises(InvalidInput, match="n = 2"):
        edge.chat("x", session=edge.sessions.create().id, sampling=Sampling(n=2))
    with pytest.raises(ModelNotFound):
        edge.chat("x", model="no-such-model")
    with pytest.raises(TypeError, match="Did you mean 'system'"):
        edge.chat("x", sytem="y")  # type: ignore[call-overload]
    with pytest.raises(InvalidInput, match="embedding model"):
        edge.embed(["x"])


def test_a_home_that_cannot_be_written_to_still_answers(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    for name in ("data", "cache"):
        (home / name).write_text("a file where a folder should be")
    with EdgeLLM("fake:", home=home, settings=Settings(context_tokens=1024)) as edge:
        reply = edge.chat("Hi", sampling=GREEDY)
        assert reply.text
        assert "not counted" in reply.notices[-1]
        with pytest.raises(StoreError, match="EDGELLM_HOME"):
            edge.sessions.create()


def test_usage_is_counted(edge: EdgeLLM) -> None:
    reply = edge.chat("Count me", sampling=GREEDY)
    stats = edge.stats()
    assert stats is not None
    assert stats.completion_tokens == reply.usage.completion_tokens
    assert edge.stats("not-loaded") is None


def test_closing_twice_is_fine_and_later_use_opens_again(edge: EdgeLLM) -> None:
    edge.chat("x", sampling=GREEDY)
    edge.close()
    edge.close()
    assert edge.chat("x", sampling=GREEDY).text


def test_a_deleted_session_leaves_no_state_behind(tmp_path: Path) -> None:
    settings = Settings(context_tokens=1024)
    with EdgeLLM("fake:", home=tmp_path, settings=settings) as edge:
        kept, deleted, later = (edge.sessions.create() for _ in range(3))
        for session in (kept, deleted, later):
            edge.chat("A question worth keeping.", session=session.id, sampling=GREEDY)
        edge.sessions.delete(deleted.id)
    folder = tmp_path / "cache" / "conversations"
    assert len(list(folder.glob("*.kv"))) == 2
    with EdgeLLM("fake:", home=tmp_path, settings=settings) as edge:
        edge.sessions.delete(later.id)
    assert len(list(folder.glob("*.kv"))) == 1


def test_a_session_is_answered_by_its_own_model(edge: EdgeLLM) -> None:
    session = edge.sessions.create(model="no-such-model")
    with pytest.raises(ModelNotFound, match="no-such-model"):
        edge.chat("x", session=session.id)
    assert edge.chat("x", session=session.id, model="fake:", sampling=GREEDY).model == "fake:"


def test_an_answer_can_be_written_again_from_its_stored_seed(edge: EdgeLLM) -> None:
    session = edge.sessions.create()
    reply = edge.chat("Go on for long", session=session.id, sampling=Sampling(temperature=1.2, max_tokens=20))
    stored = edge.sessions.messages(session.id)[-1].sampling
    assert stored is not None
    assert stored.seed is not None
    assert edge.chat("Go on for long", sampling=stored).text == reply.text


def test_a_session_keeps_a_model_file_by_its_whole_path(
    edge: EdgeLLM, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "m.gguf").write_bytes(b"GGUF")
    monkeypatch.chdir(tmp_path)
    kept = {name: edge.sessions.create(model=name).model for name in ("m.gguf", "./m.gguf@mine", "starter", "n.gguf")}
    whole = str(tmp_path / "m.gguf")
    assert kept == {"m.gguf": whole, "./m.gguf@mine": f"{whole}@mine", "starter": "starter", "n.gguf": "n.gguf"}
