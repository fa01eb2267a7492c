"""What the render child is asked, answers, and is allowed."""

from __future__ import annotations

from typing import Any

import msgspec

TEMPLATE_LIMIT_BYTES = 64 * 1024
OUTPUT_LIMIT_BYTES = 1024**2
MEMORY_LIMIT_BYTES = 512 * 1024**2
TIME_LIMIT_S = 1.0
OUT_OF_MEMORY_EXIT = 86
"""Exit code of a child whose render met the memory limit."""


class RenderAsk(msgspec.Struct, frozen=True):
    """Render `template` once for each set of variables."""

    template: str
    variables: list[dict[str, Any]]


class RenderAnswer(msgspec.Struct, frozen=True):
    """The texts, or the reason why there are none. The first answer is empty: the child is ready."""

    texts: list[str] = []
    refused: str = ""
