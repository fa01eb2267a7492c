"""OpenAI's completions, without a server."""

from __future__ import annotations

import json
import math
from typing import Any

from edgellm.server.bodies import CompletionBody
from edgellm.server.call import AnswerId
from edgellm.server.dialects.openai_completions import DEFAULT_MAX_TOKENS, OpenAICompletions
from edgellm.types import Alternative, Choice, Delta, FinishReason, Reply, Timings, TokenTrace, Usage

ANSWER = AnswerId("cmpl-1", 1_700_000_000)
DIALECT = OpenAICompletions()
FIRST = TokenTrace(token=1, text="A", logprob=math.nan, entropy=0.0)
SECOND = TokenTrace(
    token=2, text=" b", logprob=-2.0, entropy=1.0, alternatives=(Alternative(token=3, text=" c", logprob=-0.5),)
)


def body(**fields: Any) -> CompletionBody:
    return CompletionBody.model_validate({"model": "m", "prompt": "A", **fields})


def reply(*texts: str) -> Reply:
    choices = tuple(Choice(text=text, finish_reason=FinishReason.LENGTH, tokens=(FIRST, SECOND)) for text in texts)
    return Reply(choices=choices, model="m", usage=Usage(prompt_tokens=2, completion_tokens=1), timings=Timings())


def test_prompts() -> None:
    def prompts(given: Any) -> list[Any]:
        return [call.prompt for call in DIALECT.calls(body(prompt=given))]

    assert prompts("A") == ["A"]
    assert prompts(["A", "B"]) == ["A", "B"]
    assert prompts([1, 2]) == [(1, 2)]
    assert prompts([[1], [2, 3]]) == [(1,), (2, 3)]


def test_lengths() -> None:
    def most(**fields: Any) -> int | None:
        return DIALECT.call(body(**fields)).sampling.max_tokens

    assert (most(), most(max_tokens=5), most(max_tokens=0, echo=True)) == (DEFAULT_MAX_TOKENS, 5, 0)


def test_a_whole_answer_with_logprobs() -> None:
    made = DIALECT.whole(DIALECT.call(body(echo=True, logprobs=1)), reply("A b"), ANSWER)
    choice = made["choices"][0]
    assert (made["object"], choice["text"], choice["finish_reason"]) == ("text_completion", "A b", "length")
    assert choice["logprobs"] == {
        "tokens": ["A", " b"],
        "token_logprobs": [None, -2.0],
        "top_logprobs": [None, {" b": -2.0, " c": -0.5}],
        "text_offset": [0, 1],
    }
    json.dumps(made, allow_nan=False)


def test_several_prompts_are_one_answer() -> None:
    calls = DIALECT.calls(body(prompt=["A", "B"], n=2))
    made = DIALECT.together(calls, [reply("a", "b"), reply("c", "d")], ANSWER)
    assert [(choice["index"], choice["text"]) for choice in made["choices"]] == [(0, "a"), (1, "b"), (2, "c"), (3, "d")]
    assert made["usage"]["total_tokens"] == 6
    assert made["choices"][0]["logprobs"] is None


def test_a_stream() -> None:
    call = DIALECT.call(body(stream=True, stream_options={"include_usage": True}, logprobs=1))
    frames = DIALECT.frames(call, ANSWER)
    raw = [*frames.begin(), *frames.event(Delta(text="A", tokens=(FIRST,)))]
    raw += [*frames.event(Delta(text=" b", tokens=(SECOND,))), *frames.end(reply("A b"))]
    *texts, done = [part.removeprefix(b"data: ").strip().decode() for part in raw]
    one, two, reason, usage = map(json.loads, texts)
    assert [one["choices"][0]["text"], two["choices"][0]["text"]] == ["A", " b"]
    assert two["choices"][0]["logprobs"]["text_offset"] == [1]
    assert (reason["choices"][0]["finish_reason"], reason["usage"]) == ("length", None)
    assert (usage["choices"], usage["usage"]["completion_tokens"], done) == ([], 1, "[DONE]")
