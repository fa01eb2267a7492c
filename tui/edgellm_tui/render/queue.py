"""An item of the review queue to decide on: question, answers, correction, evidence, and all it came from."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from textual.content import Content

from edgellm.safetext import clean, clean_line
from edgellm_tui.queued import NOT_KEPT, WORDS, teaches

if TYPE_CHECKING:
    from edgellm.sdk.reviews import Masked
    from edgellm.store import ReviewItem
    from edgellm.types import Message

DIM = "$foreground 55%"
_ROLES = {"system": "System prompt", "user": "Asked before", "assistant": "Answered before that", "tool": "Result"}


def item_content(masked: Masked, key: str = "", held: str = "") -> Content:
    """Everything that is needed to decide.

    `key`: name of the key whose answer it is; empty: this computer's own. `held`: why it is not learnt from.
    """
    item, context = masked.item, masked.item.context
    lines = [_origin(item, key)]
    if masked.found:
        told = ", ".join(f"{number:,} {kind.replace('_', ' ')}" for kind, number in masked.found.items())
        lines.append(Content.styled(f"Personal data masked: {told}", "$text-warning"))
    if held:
        lines.append(Content.styled(f"Held back: {held}", "$text-warning"))
    lines.append(Content.styled(teaches(item), DIM))
    lines += _part("Question", item.question or NOT_KEPT, "bold $primary")
    lines += _part("Failed", context.error, "bold $text-error")
    is_good = item.wanted is not None and item.wanted == context.answer
    look = "bold $text-success" if is_good else "bold $text-warning"
    lines += _part("Answer", context.answer or (NOT_KEPT if not context.messages else None), look)
    lines += _part("The answer that it replaced", context.other, "bold $text-warning")
    lines += _part("Correction", item.correction, "bold $text-success")
    lines += _part("Question in other words", item.edited_prompt, "bold $text-success")
    lines += _part("Answer in other words", item.edited_answer, "bold $text-success")
    lines += [line for part in _evidence(context.evidence) for line in part]
    lines += [line for part in _before(context.messages) for line in part]
    lines += _part("Settings", _settings(item), f"bold {DIM}")
    return Content("\n").join(lines)


def alike_content(item: ReviewItem, *, is_taken: bool, stays: bool, is_other: bool) -> Content:
    """An item of those that ask much the same, with its answer. `is_other`: it is answered in other words."""
    mark, colour = ("■ ", "$text-success") if is_taken else ("□ ", "$foreground 50%")
    told = "   stays" if stays else "   answered in other words" if is_other else ""
    said = item.correction if item.correction is not None else item.context.answer
    head = Content.assemble((mark, colour), (WORDS[item.reason.value], DIM), (told, "bold $primary"))
    asked = Content(f"  {clean_line(item.question)}")
    return Content("\n").join([head, asked, Content.styled(f"  {clean_line(said or NOT_KEPT)}", "$foreground 70%")])


def _origin(item: ReviewItem, key: str) -> Content:
    """Why it is here, when it came, and who answered whom."""
    context = item.context
    collection = f"from {context.collection}" if context.collection else ""
    when = f"{datetime.fromtimestamp(item.created_at):%Y-%m-%d %H:%M}"
    told = [when, context.model or "", collection, f"key {key}" if key else ""]
    rest = "   ".join(clean_line(each) for each in told if each)
    return Content.assemble((WORDS[item.reason.value], "bold"), (f"   {rest}", DIM))


def _part(title: str, text: str | None, look: str) -> list[Content]:
    if text is None:
        return []
    return [Content(""), Content.styled(title, look), Content(clean(text))]


def _evidence(evidence: Mapping[str, Any] | None) -> Iterator[list[Content]]:
    """What the answer rests on, as far as it is of the known form."""
    for citation in (evidence or {}).get("citations") or ():
        if isinstance(citation, Mapping):
            where = clean_line(f"Evidence: {citation.get('file', '')}")
            yield _part(where, str(citation.get("text") or ""), f"bold {DIM}")


def _before(messages: Sequence[Message]) -> Iterator[list[Content]]:
    """The conversation before the question."""
    last = max((at for at, message in enumerate(messages) if message.role == "user"), default=-1)
    for at, message in enumerate(messages):
        if at != last:
            calls = "".join(f"\n{call.name} {call.arguments}" for call in message.tool_calls)
            yield _part(_ROLES[message.role], message.content + calls, f"bold {DIM}")


def _settings(item: ReviewItem) -> str | None:
    """What was asked for beside the conversation."""
    sampling, told = item.context.sampling, []
    if sampling is not None:
        seed = "" if sampling.seed is None else f"   seed {sampling.seed}"
        told.append(f"temperature {sampling.temperature:g}   top_p {sampling.top_p:g}{seed}")
    for name, value in (item.context.settings or {}).items():
        told.append(f"{name}   {json.dumps(value, ensure_ascii=False)}")
    return "\n".join(told) or None
