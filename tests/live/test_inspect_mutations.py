"""Two thousand mutated models reach llama.cpp in inspection children, and the app goes on as if nothing were."""

from __future__ import annotations

import asyncio
import random
import struct
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import psutil
import pytest
from edgellm_tui.app import make_app
from edgellm_tui.ports import Edge

from edgellm.errors import ModelRejected
from edgellm.gguf_header import read_header
from edgellm.hub.inspect import inspect
from edgellm.sdk.aio import AsyncEdgeLLM
from edgellm.settings import Settings
from edgellm.types import Sampling
from tests.live.tiny_models import write_whole
from tests.live.warm_trials import WarmTrials
from tests.tui.conftest import app_of, say
from tests.tui.fakes import FakePreferences

pytestmark = [pytest.mark.live, pytest.mark.long, pytest.mark.slow]

MUTATIONS = 2_000
"""Mutations whose header is sound enough for a child to be started."""
LANES = 2
LONGEST_SILENCE_S = 5.0
"""How long the app may be deaf on a busy machine."""
EXTREMES = (0, 1, 2**31 - 1, 2**32 - 1, 2**62, 2**63, 2**64 - 1)


def mutated(content: bytes, header_bytes: int, seed: int) -> bytes:
    """One or two changes: single bytes, words or extreme numbers, nine in ten of them in the header."""
    chance, changed = random.Random(seed), bytearray(content)
    for _ in range(chance.randint(1, 2)):
        at = chance.randrange(24, (header_bytes if chance.random() < 0.9 else len(content)) - 8)
        new = chance.choice([chance.randbytes(1), chance.randbytes(4), struct.pack("<Q", chance.choice(EXTREMES))])
        changed[at : at + len(new)] = new
    return bytes(changed)


def inspect_many(path: Path, original: Path, seeds: Iterator[int], count: int) -> Counter[str]:
    """Give `count` mutations to a child each, and say how the inspections ended."""
    content, header_bytes = original.read_bytes(), read_header(original).data_offset
    ends: Counter[str] = Counter()
    path.touch()
    while ends.total() - ends["refused by the header"] < count:
        with path.open("r+b") as file:  # emptying a file first takes longer than all the rest
            file.write(mutated(content, header_bytes, next(seeds)))
        try:
            inspect(path, timeout_s=5)
        except ModelRejected as error:
            ends[kind_of(str(error.facts["reason"]))] += 1
        else:
            ends["accepted"] += 1
    return ends


def kind_of(reason: str) -> str:
    if reason.startswith("llama.cpp cannot open it"):
        return "refused by llama.cpp"
    return "ended the child" if "opening it" in reason else "refused by the header"


async def longest_silence(lanes: asyncio.Future[list[Counter[str]]]) -> float:
    """The longest time for which the app's event loop did nothing, until the lanes are through."""
    longest, seen_at = 0.0, time.monotonic()
    while not lanes.done():
        await asyncio.sleep(0.05)
        now = time.monotonic()
        longest, seen_at = max(longest, now - seen_at), now
    return longest


@pytest.mark.timeout(600)
async def test_two_thousand_mutations_in_children_beside_the_app(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = Path(write_whole(tmp_path / "whole.gguf"))
    inspect(original)  # in a child of the usual kind
    trials = WarmTrials(tmp_path, LANES)
    monkeypatch.setattr("edgellm.hub.inspect.run_limited", trials.run_limited)
    inspect(original)
    settings = Settings(context_tokens=2048, sampling=Sampling(max_tokens=16))
    edge = AsyncEdgeLLM("fake:", home=tmp_path / "home", settings=settings)
    app = make_app(cast(Edge, edge), FakePreferences(default_model="fake:"))
    async with app.run_test() as pilot:
        await say(pilot, "Before")
        children = {child.pid for child in psutil.Process().children()}
        lanes = asyncio.gather(
            *(
                asyncio.to_thread(
                    inspect_many,
                    tmp_path / f"{lane}.gguf",
                    original,
                    iter(range(lane, 10**9, LANES)),
                    MUTATIONS // LANES,
                )
                for lane in range(LANES)
            )
        )
        silence = asyncio.create_task(longest_silence(lanes))
        while not lanes.done():
            await say(pilot, "Still there?")
            await asyncio.sleep(1)
        await say(pilot, "After")
        turns = app_of(pilot).chat.conversation.turns
        assert [turn.error for turn in turns if turn.error] == []
        assert sum(turn.role == "assistant" for turn in turns) >= 5
        assert await silence < LONGEST_SILENCE_S
        assert {child.pid for child in psutil.Process().children()} == children
    trials.close()
    await edge.close()
    ends = sum(await lanes, Counter())
    assert ends.total() - ends["refused by the header"] >= MUTATIONS, ends
    assert min(ends["accepted"], ends["refused by llama.cpp"], ends["refused by the header"]) > MUTATIONS // 10, ends
