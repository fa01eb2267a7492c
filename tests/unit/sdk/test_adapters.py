"""Models with adapters, by name: on the fake model, whose output depends on the adapter's content."""

from __future__ import annotations

import asyncio
import inspect
from pathlib import Path

import pytest

from edgellm import disk_space
from edgellm.errors import AdapterNotFound, InvalidInput, ModelError, ModelNotFound
from edgellm.export.adapter_gguf import write_adapter_gguf
from edgellm.hub.adapters import BaseRecord, Shelf
from edgellm.hub.inspect import check_header
from edgellm.sdk.adapters import Adapters
from edgellm.sdk.aio import AsyncAdapters, AsyncEdgeLLM
from edgellm.sdk.facade import EdgeLLM
from edgellm.settings import Settings
from edgellm.types import Sampling
from tests.ggufs import GGUF, Tensor, model_keys, u32
from tests.unit.export.loras import random_lora

GREEDY = Sampling(temperature=0, max_tokens=24)
FAKE = BaseRecord(name="fake:", sha256="fake:")


@pytest.fixture(autouse=True)
def small_disk_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk_space, "SPARE_BYTES", 0)


@pytest.fixture
def edge(edge: EdgeLLM) -> EdgeLLM:
    """Opens no model file in llama.cpp: the header is enough here."""
    edge.models._library.inspect = check_header
    return edge


def shelved(edge: EdgeLLM, tmp_path: Path, *names: str, base: BaseRecord = FAKE) -> None:
    for name in names:
        path = tmp_path / f"{name}.gguf"
        path.write_text(name)
        Shelf(edge.home).attach(path, base)


def said(edge: EdgeLLM, model: str) -> list[str]:
    """Answers to several questions: some of the fake's are empty."""
    return [edge.chat(f"Question {number}", model=model, sampling=GREEDY).text for number in range(8)]


def test_base_and_adapters_answer_from_one_worker(edge: EdgeLLM, tmp_path: Path) -> None:
    alone = said(edge, "fake:")
    shelved(edge, tmp_path, "one", "two")
    one, two = said(edge, "fake:@one"), said(edge, "fake:@two")
    assert one != two
    assert alone not in (one, two)
    assert said(edge, "fake:") == alone
    assert edge.chat("Hello", model="fake:@one", sampling=GREEDY).model == "fake:@one"
    assert edge.models.loaded() == ["fake:"]
    assert edge.stats("fake:@one") == edge.stats("fake:") is not None
    assert edge.memory_bytes("fake:@two") > 0
    edge.models.unload("fake:@one")
    assert edge.models.loaded() == []


def test_a_text_is_continued_with_the_adapter(edge: EdgeLLM, tmp_path: Path) -> None:
    shelved(edge, tmp_path, "one")
    texts = [
        [edge.complete(f"Text {number}", model=model, sampling=GREEDY).text for number in range(8)]
        for model in ("fake:", "fake:@one")
    ]
    assert texts[0] != texts[1]


def test_a_session_keeps_its_adapter(edge: EdgeLLM, tmp_path: Path) -> None:
    shelved(edge, tmp_path, "one")
    question, expected = next((f"Question {at}", text) for at, text in enumerate(said(edge, "fake:@one")) if text)
    session = edge.sessions.create(model="fake:@one")
    first = edge.chat(question, session=session.id, sampling=GREEDY)
    assert (first.model, first.text) == ("fake:@one", expected)
    assert first.message_id is not None
    again = edge.sessions.regenerate(first.message_id, GREEDY)
    assert (again.model, again.text) == ("fake:@one", expected)
    assert edge.sessions.messages(session.id)[-1].model == "fake:@one"


def test_names_that_lead_nowhere_are_refused_and_the_model_goes_on(edge: EdgeLLM, tmp_path: Path) -> None:
    shelved(edge, tmp_path, "one")
    for name in ("fake:@two", "fake:@", "fake:@../one", "fake:@one@two"):
        with pytest.raises(ModelNotFound):
            edge.chat("Hello", model=name, sampling=GREEDY)
    with pytest.raises(AdapterNotFound, match="Did you mean 'one'"):
        edge.chat("Hello", model="fake:@on", sampling=GREEDY)
    with pytest.raises(ModelNotFound):
        edge.chat("Hello", model="@one", sampling=GREEDY)
    assert edge.chat("Hello", model="fake:@one", sampling=GREEDY).model == "fake:@one"


def test_an_adapter_for_another_base_is_refused_by_name(edge: EdgeLLM, tmp_path: Path) -> None:
    shelved(edge, tmp_path, "one", base=BaseRecord(name="qwen3-8b", sha256="12" * 32))
    with pytest.raises(
        ModelError, match=r"'one' was made for 'qwen3-8b' \(SHA-256 121212121212….*not for 'fake:'"
    ) as caught:
        edge.chat("Hello", model="fake:@one", sampling=GREEDY)
    assert "qwen3-8b@one" in str(caught.value)
    assert edge.chat("Hello", sampling=GREEDY).model == "fake:"


def test_a_removed_adapter_is_gone_for_the_next_request(edge: EdgeLLM, tmp_path: Path) -> None:
    shelved(edge, tmp_path, "one")
    edge.chat("Hello", model="fake:@one", sampling=GREEDY)
    edge.adapters.remove("one")
    with pytest.raises(AdapterNotFound):
        edge.chat("Hello", model="fake:@one", sampling=GREEDY)


def base_file(path: Path, seed: int = 0) -> Path:
    tensors = [Tensor("token_embd.weight", (32, 8)), Tensor("blk.0.attn_q.weight", (32, 32))]
    return GGUF(keys=model_keys(general__seed=u32(seed)), tensors=tensors).write(path)


def lora_file(path: Path, inputs: int = 32) -> Path:
    write_adapter_gguf(path, random_lora({"blk.0.attn_q.weight": (inputs, 32)}))
    return path


def test_attaching_compares_the_headers(edge: EdgeLLM, tmp_path: Path) -> None:
    model = edge.models.add(base_file(tmp_path / "tiny.gguf"))
    made = edge.adapters.attach(lora_file(tmp_path / "good.gguf"), "tiny", "mine")
    assert made.reference == "tiny@mine"
    assert made.manifest.base == BaseRecord(name="tiny", sha256=str(model.sha256), architecture="llama")
    assert edge.adapters.list() == edge.adapters.list(model) == [edge.adapters.get("mine")]
    with pytest.raises(InvalidInput, match="does not fit"):
        edge.adapters.attach(lora_file(tmp_path / "wide.gguf", 64), "tiny")
    with pytest.raises(InvalidInput, match=r"general\.type is None"):
        edge.adapters.attach(base_file(tmp_path / "model.gguf"), "tiny")
    with pytest.raises(ModelNotFound):
        edge.adapters.attach(tmp_path / "good.gguf", "unknown")
    with pytest.raises(ModelNotFound, match="does not exist"):
        edge.adapters.attach(tmp_path / "missing.gguf", "tiny")
    assert len(edge.adapters.list()) == 1


def test_the_hash_of_a_base_outside_the_library_is_read(edge: EdgeLLM, tmp_path: Path) -> None:
    base = base_file(tmp_path / "tiny.gguf")
    edge.adapters.attach(lora_file(tmp_path / "a.gguf"), str(base), "mine")
    assert edge._engines.open(f"{base}@mine").adapter == str(edge.adapters.get("mine").path)
    edge.models.unload(str(base))
    base_file(base, seed=1)
    with pytest.raises(ModelError, match="was made for"):
        edge._engines.open(f"{base}@mine")


def test_an_embedder_takes_no_adapter(edge: EdgeLLM, tmp_path: Path) -> None:
    keys = model_keys(llama__pooling_type=u32(1))
    edge.models.add(GGUF(keys=keys).write(tmp_path / "vectors.gguf"))
    shelved(edge, tmp_path, "one")
    with pytest.raises(ModelError, match="'vectors' is an embedder; it takes no adapter"):
        edge.embed(["text"], model="vectors@one")


def test_facts_of_a_model_with_an_adapter_are_those_of_its_base(edge: EdgeLLM, tmp_path: Path) -> None:
    model = edge.models.add(base_file(tmp_path / "tiny.gguf"))
    assert edge.models.get("tiny@any") == model
    edge.aliases.set("assistant", "tiny@any+handbook")
    assert edge.models.inspect("tiny@any") == edge.models.inspect("assistant") == edge.models.inspect("tiny")
    assert edge.models.fit("tiny@any").total_bytes == edge.models.fit("tiny").total_bytes
    with pytest.raises(ModelNotFound):
        edge.models.remove("tiny@any")
    assert edge.models.get("tiny") == model


def test_the_async_facade_has_the_same_methods(tmp_path: Path) -> None:
    public = {name for name, value in inspect.getmembers(Adapters, inspect.isfunction) if not name.startswith("_")}
    assert public <= set(dir(AsyncAdapters))

    async def listed() -> int:
        async with AsyncEdgeLLM("fake:", home=tmp_path, settings=Settings(context_tokens=1024)) as edge:
            shelved(edge.blocking, tmp_path, "one")
            return len(await edge.adapters.list())

    assert asyncio.run(listed()) == 1
