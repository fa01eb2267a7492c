"""Tokens of whole conversations, under the fake model's template."""

from __future__ import annotations

from edgellm.sdk.facade import EdgeLLM
from edgellm.sdk.token_measure import TokenMeasure
from edgellm.types import Message, Sampling


def conversation(*contents: str) -> list[Message]:
    return [Message(role="assistant" if at % 2 else "user", content=text) for at, text in enumerate(contents)]


def test_a_conversation_is_its_prompt_and_its_answer(edge: EdgeLLM) -> None:
    question, answer = "Where is it?", "It is up north."
    asked = edge.chat([Message(role="user", content=question)], sampling=Sampling(max_tokens=1))
    with TokenMeasure("fake:", edge._engines.worker("fake:")[1]) as measure:
        whole = measure(conversation(question, answer))
        longer = measure(conversation(question, answer + "!" * 10))
        assert measure.text("abc") == len(edge.tokenize("abc")) + 1  # the begin marker
    assert whole >= asked.usage.prompt_tokens + len(edge.tokenize(answer))
    assert whole <= asked.usage.prompt_tokens + len(edge.tokenize(answer)) + 16  # markers of the answer's end
    assert longer == whole + len(edge.tokenize("!" * 10))
