"""Adapters on the starter, by name, through the whole of EdgeLLM: kept apart, switched at once, refused when unfit."""

from __future__ import annotations

import shutil
import statistics
import time
from collections.abc import Callable, Iterator
from itertools import takewhile
from pathlib import Path

import numpy as np
import pytest

from edgellm.errors import InvalidInput, ModelError
from edgellm.export.adapter_gguf import Lora, write_adapter_gguf
from edgellm.hub.adapters import BaseRecord, Shelf
from edgellm.sdk.facade import EdgeLLM
from edgellm.sdk.stream import ReplyStream
from edgellm.settings import Settings
from edgellm.types import Sampling

pytestmark = pytest.mark.live

WIDTH, INNER, KEYS, RANK = 576, 1536, 192, 8
PARTS = {"attn_q": (WIDTH, WIDTH), "attn_v": (WIDTH, KEYS), "ffn_down": (INNER, WIDTH)}
QUESTION = "Name three rivers and say where each of them flows."
SHORT = Sampling(temperature=0, max_tokens=24)
TRACED = Sampling(temperature=0, max_tokens=12, logprobs=5)
MODELS = ("starter", "starter@one", "starter@two")
MOST_SWITCH_S = 0.1


def lora(seed: int) -> Lora:
    """A random adapter on every fifth layer, strong enough to be read in the answer."""
    chance = np.random.default_rng(seed)

    def factor(*shape: int) -> np.ndarray:
        return chance.normal(0, 0.06, shape).astype(np.float32)

    factors = {
        f"blk.{layer}.{part}.weight": (factor(inputs, RANK), factor(RANK, outputs))
        for layer in range(0, 30, 5)
        for part, (inputs, outputs) in PARTS.items()
    }
    return Lora("llama", 2.0 * RANK, factors)


def opened(home: Path) -> EdgeLLM:
    return EdgeLLM("starter", home=home, settings=Settings(context_tokens=1024, threads=1))


def attach(edge: EdgeLLM, folder: Path, name: str, seed: int) -> None:
    write_adapter_gguf(folder / f"{name}.gguf", lora(seed))
    edge.adapters.attach(folder / f"{name}.gguf", "starter")


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EdgeLLM]:
    """With the adapters `one` and `two`."""
    folder = tmp_path_factory.mktemp("adapters")
    with opened(folder / "home") as made:
        attach(made, folder, "one", 1)
        attach(made, folder, "two", 2)
        yield made


def answer(edge: EdgeLLM, model: str, question: str = QUESTION) -> str:
    return edge.chat(question, model=model, sampling=SHORT).text


def pid(edge: EdgeLLM) -> int:
    return edge._engines.open("starter").worker.pid


def test_the_base_is_bit_identical_before_and_after(tmp_path: Path) -> None:
    with opened(tmp_path / "home") as edge:
        before = edge.chat(QUESTION, sampling=TRACED).choices[0]
        attach(edge, tmp_path, "one", 1)
        adapted = edge.chat(QUESTION, model="starter@one", sampling=TRACED).choices[0]
        after = edge.chat(QUESTION, sampling=TRACED).choices[0]
        edge.adapters.remove("one")
        detached = edge.chat(QUESTION, sampling=TRACED).choices[0]
    assert before.tokens
    assert before == after == detached
    assert adapted.tokens != before.tokens


def test_models_side_by_side_answer_as_alone(edge: EdgeLLM) -> None:
    alone = {model: answer(edge, model) for model in MODELS}
    assert len(set(alone.values())) == len(MODELS)
    worker = pid(edge)
    streams: list[tuple[str, ReplyStream]] = [
        (model, edge.chat(QUESTION, model=model, sampling=SHORT, stream=True)) for model in (*MODELS, *MODELS[::-1])
    ]

    def shared(text: str, model: str) -> int:
        """Characters until the answer leaves the one that this model gave alone."""
        return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(text, alone[model], strict=False)))

    def likest(text: str) -> str:
        """Several rows are rounded otherwise than one: where two words are as likely, an answer may end otherwise."""
        return max(MODELS, key=lambda model: shared(text, model))

    assert [likest(stream.finish().text) for _, stream in streams] == [model for model, _ in streams]
    assert pid(edge) == worker
    assert edge.models.loaded() == ["starter"]


def test_switching_takes_milliseconds(edge: EdgeLLM, record_property: Callable[[str, object], None]) -> None:
    one_token = Sampling(temperature=0, max_tokens=1)

    def seconds(models: tuple[str, ...], rounds: int = 8) -> float:
        spent = []
        for at in range(rounds * len(models)):
            begin = time.perf_counter()
            edge.chat(QUESTION, model=models[at % len(models)], sampling=one_token)
            spent.append(time.perf_counter() - begin)
        return statistics.median(spent[len(models) :])

    staying = statistics.mean([seconds(("starter@one",)), seconds(("starter@two",))])
    switching = seconds(("starter@one", "starter@two"))
    record_property("switch_ms", 1000 * (switching - staying))
    print(f"staying {1000 * staying:.1f} ms, switching {1000 * switching:.1f} ms a request")
    assert switching - staying < MOST_SWITCH_S


def test_an_adapter_for_another_base_is_refused(edge: EdgeLLM, tmp_path: Path) -> None:
    write_adapter_gguf(tmp_path / "stray.gguf", lora(3))
    Shelf(edge.home).attach(tmp_path / "stray.gguf", BaseRecord(name="smollm2-360m", sha256="12" * 32))
    with pytest.raises(ModelError, match=r"'stray' was made for 'smollm2-360m'.*not for 'starter'"):
        answer(edge, "starter@stray")
    deeper = {"blk.30.attn_q.weight": lora(3).factors["blk.0.attn_q.weight"]}
    write_adapter_gguf(tmp_path / "deep.gguf", Lora("llama", 8.0, deeper))
    with pytest.raises(InvalidInput, match=r"no tensor 'blk\.30\.attn_q\.weight'"):
        edge.adapters.attach(tmp_path / "deep.gguf", "starter")


def test_a_damaged_file_is_a_clear_error_and_the_worker_lives(edge: EdgeLLM, tmp_path: Path) -> None:
    expected, worker = answer(edge, "starter@one"), pid(edge)
    attach(edge, tmp_path, "broken", 4)
    path = edge.adapters.get("broken").path
    whole = path.read_bytes()
    damaged = {
        "truncated": whole[:-1000],
        "ends inside": whole[:100],
        "not finite": whole[:-4] + np.array(np.nan, "<f4").tobytes(),
    }
    for reason, content in damaged.items():
        path.write_bytes(content)
        with pytest.raises(InvalidInput, match=reason) as caught:
            answer(edge, "starter@broken")
        assert str(path) in str(caught.value)
    assert answer(edge, "starter@one") == expected
    assert pid(edge) == worker


def test_saved_conversations_of_base_and_adapter_are_kept_apart(tmp_path: Path) -> None:
    follow_up = "And which of them is the longest?"

    def continued(home: Path, first: str, second: str, *, forget: bool) -> tuple[str, int]:
        """A session's second answer after a restart, and how many of its prompt's tokens were not computed."""
        with opened(home) as edge:
            if not edge.adapters.list():
                attach(edge, tmp_path, "one", 1)
            session = edge.sessions.create()
            edge.chat(QUESTION, session=session.id, model=first, sampling=SHORT)
        if forget:
            shutil.rmtree(edge.home.conversations)
        with opened(home) as edge:
            reply = edge.chat(follow_up, session=session.id, model=second, sampling=SHORT)
            return reply.text, reply.usage.cached_tokens

    home = tmp_path / "home"
    for first, second in (("starter", "starter@one"), ("starter@one", "starter")):
        fresh, computed = continued(home, first, second, forget=True)
        text, cached = continued(home, first, second, forget=False)
        assert (text, cached) == (fresh, computed) == (fresh, 0)
    for model in ("starter", "starter@one"):
        assert continued(home, model, model, forget=False)[1] > 0
