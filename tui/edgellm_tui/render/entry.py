"""A turn of the conversation as lines of the transcript."""

from __future__ import annotations

from collections.abc import Mapping

from textual.content import Content

from edgellm.types import FinishReason
from edgellm_tui.render import meter
from edgellm_tui.render.sources import source_lines
from edgellm_tui.turns import Phase, Turn

WIDEST = 96
"""Cells a line of text may take; longer lines are hard to read."""
_INDENT = Content("  ")
_SELECTED = Content.styled("▌ ", "cursor")
_ENDINGS: Mapping[str, str] = {
    FinishReason.LENGTH: "cut at the token limit",
    FinishReason.CANCELLED: "stopped",
    FinishReason.DEADLINE: "stopped: out of time",
    "failed": "cut off by an error",
}


def entry_lines(turn: Turn, width: int, *, is_selected: bool = False) -> list[Content]:
    """The lines of one turn, ending with an empty one; with their mark at most `width` cells wide."""
    inner = max(min(width, WIDEST) - 4, 8)
    body = _question(turn, inner) if turn.role == "user" else _answer(turn, inner, is_selected)
    return [*body, Content("")]


def entry_mark(turn: Turn, *, is_selected: bool) -> Content:
    """What stands left of every line of a turn but the last."""
    mark = _SELECTED if is_selected else _INDENT
    return mark if turn.role == "user" else mark + _INDENT


def _question(turn: Turn, width: int) -> list[Content]:
    bar = Content.styled("▎ ", "user-bar")
    text = Content.styled(turn.text.source, "user-text")
    lines = [bar + line for line in text.wrap(width - 2)] or [bar]
    foot = _branch(turn)
    if turn.phase is Phase.QUEUED:
        foot.append(("waits for its turn", "dim"))
    return [*lines, *(_INDENT + line for line in _foot(foot))]  # below the text, not below the bar


def _answer(turn: Turn, width: int, is_selected: bool) -> list[Content]:
    lines = [_headline(turn)]
    for notice in turn.notices:
        lines.extend(Content.styled(f"· {notice}", "notice").wrap(width))
    lines.extend(_reasoning(turn, width))
    lines.extend(turn.text.lines(width))
    if turn.is_open:
        lines = _with_activity(turn, lines, width)
    if turn.evidence is not None:
        lines.extend(source_lines(turn.evidence, width))
    if turn.error:
        lines.extend(Content.styled(f"✗ {turn.error}", "error").wrap(width))
    return [*lines, *_foot(_facts(turn, is_selected))]


def _reasoning(turn: Turn, width: int) -> list[Content]:
    if not turn.reasoning.strip():
        return []
    words = len(turn.reasoning.split())
    sign = "▾" if turn.reasoning_open else "▸"
    doing = "Thinking" if turn.is_open and not turn.text.source else "Thought"
    lines = [Content.assemble((f"{sign} {doing} ", "dim"), (f"{words} words", "faint"))]
    if turn.reasoning_open:
        bar = Content.styled("▎ ", "faint")
        lines.extend(bar + line for line in Content.styled(turn.reasoning.strip(), "reasoning").wrap(width - 2))
    return [*lines, Content("")]


def _with_activity(turn: Turn, lines: list[Content], width: int) -> list[Content]:
    if turn.phase is Phase.WRITING:
        if not turn.text.source:
            return lines
        cursor = Content.styled("▍", "cursor")
        if lines[-1].cell_length >= width:
            return [*lines, cursor]
        return [*lines[:-1], lines[-1] + cursor]
    if turn.phase in (Phase.LOADING, Phase.READING):
        note = Content.styled(f"{turn.progress_note}  ", "dim")
        return [*lines, note + meter.bar(turn.progress, 20) + Content.styled(f" {turn.progress:4.0%}", "dim")]
    doing = turn.progress_note if turn.phase is Phase.SEARCHING else ""
    return [*lines, Content.styled(f"{doing}…", "dim")]


def _headline(turn: Turn) -> Content:
    facts = _branch(turn)
    if turn.rating:
        facts.append(("▲ good", "good") if turn.rating > 0 else ("▼ poor", "error"))
    if turn.is_corrected:
        facts.append(("✎ corrected", "accent"))
    name = Content.styled(turn.model or "Answer", "name")
    return Content("  ").join([name, *(Content.styled(text, role) for text, role in facts)])


def _facts(turn: Turn, is_selected: bool) -> list[tuple[str, str]]:
    facts: list[tuple[str, str]] = []
    if ending := _ENDINGS.get(turn.finish_reason or ""):
        facts.append((ending, "notice"))
    if is_selected and turn.timings and turn.usage:
        facts.append((f"{turn.usage.completion_tokens} tokens", "dim"))
        facts.append((f"{turn.timings.decode_tokens_per_s:.0f} tok/s", "dim"))
        facts.append((f"first token {meter.seconds(turn.timings.ttft_s)}", "dim"))
    return facts


def _branch(turn: Turn) -> list[tuple[str, str]]:
    number, total = turn.branch
    return [(f"‹ {number}/{total} ›", "accent")] if total > 1 else []


def _foot(facts: list[tuple[str, str]]) -> list[Content]:
    if not facts:
        return []
    return [Content.styled("  ·  ", "faint").join([Content.styled(text, role) for text, role in facts])]
