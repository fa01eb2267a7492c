"""Eight questions at once from asyncio, one shared model."""

import asyncio
import time

from edgellm import AsyncEdgeLLM, Sampling

WORDS = ("river", "lamp", "bridge", "apple", "storm", "violin", "desert", "train")


async def main() -> None:
    async with AsyncEdgeLLM() as edge:
        began = time.perf_counter()
        sampling = Sampling(temperature=0, max_tokens=40)
        asked = (edge.chat(f"Describe a {word} in one sentence.", sampling=sampling) for word in WORDS)
        replies = await asyncio.gather(*asked)
        for word, reply in zip(WORDS, replies, strict=True):
            print(f"{word:8} {reply.text.strip()[:80]}")
        tokens = sum(reply.usage.completion_tokens for reply in replies)
        print(f"{tokens / (time.perf_counter() - began):.0f} tokens a second together")


asyncio.run(main())
