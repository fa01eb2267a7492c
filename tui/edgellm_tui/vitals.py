"""The numbers in the footer, gathered from the last answer and the loaded model."""

from __future__ import annotations

from edgellm.errors import EdgeLLMError
from edgellm_tui.conversation import Conversation
from edgellm_tui.ports import Edge
from edgellm_tui.widgets.status import Vitals


async def read_vitals(edge: Edge, conversation: Conversation) -> Vitals:
    """What is known now; a model that is not loaded has no memory or context to show."""
    turn = next((t for t in reversed(conversation.turns) if t.timings and t.usage), None)
    try:
        metrics = await edge.stats(conversation.model)
        memory_bytes = await edge.memory_bytes(conversation.model) if metrics else 0
    except EdgeLLMError:
        metrics, memory_bytes = None, 0  # the numbers are a convenience; the error shows where the model is used
    usage, timings = (turn.usage, turn.timings) if turn else (None, None)
    return Vitals(
        tokens_per_s=timings.decode_tokens_per_s if timings else 0.0,
        ttft_s=timings.ttft_s if timings else 0.0,
        context_used=usage.prompt_tokens + usage.completion_tokens if usage else 0,
        context_total=metrics.cells_total if metrics else 0,
        memory_bytes=memory_bytes,
        waiting=conversation.waiting,
    )
