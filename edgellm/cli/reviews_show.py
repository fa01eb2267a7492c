"""How items of the review queue are shown in a terminal, and as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from edgellm.cli.ids import short
from edgellm.cli.style import Part, bold, dim, warn
from edgellm.cli.units import moment
from edgellm.cli.world import World

if TYPE_CHECKING:
    from edgellm.store import ReviewItem

WORDS = {
    "correction": "corrected",
    "thumbs_down": "rated down",
    "thumbs_up": "rated up",
    "weak_evidence": "weak evidence",
    "schema_refused": "schema refused",
    "tool_error": "tool error",
    "regenerated": "asked again",
}


def item_rows(items: Sequence[ReviewItem], now: float) -> list[tuple[Part, ...]]:
    """A line of the list for each item. `now`: seconds since the epoch."""
    return [
        (
            bold(short(item)),
            dim(moment(item.created_at, now)),
            WORDS[item.reason.value],
            item.state.value,
            item.tenant or dim("local"),
            item.question.replace("\n", " ") or dim("not kept"),
        )
        for item in items
    ]


def described(item: ReviewItem, masked: Mapping[str, int]) -> dict[str, Any]:
    """An item as JSON, with the adapter that answered, and what of it was masked."""
    from edgellm.sdk.reviews import adapter_of

    tree: dict[str, Any] = msgspec.to_builtins(item, str_keys=True)
    return {**tree, "adapter": adapter_of(item), "masked": dict(masked)}


def show_item(world: World, item: ReviewItem, masked: Mapping[str, int]) -> None:
    """Everything about one item."""
    out, context = world.out, item.context
    out.line(bold(WORDS[item.reason.value]), dim(f"  {item.id}  {item.state.value}"))
    facts: list[tuple[str, Part]] = [
        ("model", context.model or ""),
        ("collection", context.collection or ""),
        ("key", item.tenant),
        ("for", item.learner if item.learner != item.tenant else ""),
        ("merged into", item.merged_into or ""),
        ("failed", warn(context.error or "")),
        ("masked", ", ".join(f"{number:,} {kind}" for kind, number in masked.items())),
    ]
    out.facts(facts)
    for message in context.messages:
        _part(world, message.role, message.content)
    _part(world, "answer", context.answer)
    _part(world, "answered before", context.other)
    _part(world, "corrected", item.correction)
    _part(world, "edited question", item.edited_prompt)
    _part(world, "edited answer", item.edited_answer)
    for citation in (context.evidence or {}).get("citations", ()):
        _part(world, f"evidence {citation.get('file', '')}", citation.get("text"))


def _part(world: World, name: str, text: str | None) -> None:
    if text is not None:
        world.out.line()
        world.out.line(bold(name))
        world.out.text(text)
