"""Models as lines of a list: installed ones first, then the catalogue, each with its verdict for this computer."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from textual.content import Content

from edgellm.errors import EdgeLLMError
from edgellm.safetext import clean_line
from edgellm.sizes import size
from edgellm_tui.errors import explain
from edgellm_tui.ports import Edge
from edgellm_tui.wording import in_app

if TYPE_CHECKING:
    from edgellm.hub.adapters import InstalledAdapter
    from edgellm.hub.cards import ModelCard
    from edgellm.store.aliases import Alias

_SIGNS = {
    "fits": ("● fits", "$text-success"),
    "tight": ("● tight", "$text-warning"),
    "no": ("○ too big", "$text-error"),
}
NAME_CELLS = 30


@dataclass(frozen=True, slots=True)
class ModelRow:
    """Everything the lists and the details show about one model; all text is clean."""

    name: str
    """What the SDK calls it: an installed name or a card's id."""
    title: str
    """The same, clean."""
    is_installed: bool
    adapter: str = ""
    """What the model was taught, by name; empty for a model alone."""
    is_loaded: bool = False
    is_removable: bool = False
    is_chat: bool = True
    file_bytes: int = 0
    """0 while unknown, here and below."""
    memory_bytes: int = 0
    """What it takes when it is open: weights, KV cache and buffers."""
    verdict: str = ""
    """`fits`, `tight`, `no`, or empty while unknown."""
    reason: str = ""
    tokens_per_s: float | None = None
    full_name: str = ""
    """As its publisher writes it."""
    licence: str = ""
    commercial_use: str = ""
    licence_note: str = ""
    languages: str = ""
    good_at: str = ""
    note: str = ""

    @property
    def search(self) -> str:
        """What a filter looks at."""
        return f"{self.name} {self.full_name} {self.languages} {self.licence} {self.verdict} {self.good_at}"

    def columns(self) -> Content:
        """Loaded marker, name, file, memory, verdict: what `HEAD` names."""
        sign, colour = _SIGNS.get(self.verdict, ("", "$foreground"))
        mark = ("◆ ", "$primary") if self.is_loaded else ("  ", "$foreground")
        name = Content.styled(self.title, "bold" if self.is_installed else "$foreground")
        shown = name.truncate(NAME_CELLS, ellipsis=True)
        gap = " " * (NAME_CELLS - shown.cell_length)
        sizes = "".join(f"{size(count) if count else '':>8}  " for count in (self.file_bytes, self.memory_bytes))
        return Content.assemble(mark, shown, gap, (sizes, "$foreground 70%"), (f"{sign:<10}", colour))

    def line(self) -> Content:
        """The columns, and whether it is here."""
        state = "in memory" if self.is_loaded else "" if self.is_installed else "not here"
        return self.columns() + Content.styled(state if self.is_chat else "embedder", "$foreground 50%")


HEAD = Content.styled(f"  {'Model':<{NAME_CELLS}}{'File':>8}  {'Memory':>8}  ", "$foreground 55%")
"""Above the columns."""


def alias_line(alias: Alias) -> Content:
    """An alias among models: its name, and what it stands for now."""
    name = Content(clean_line(alias.name)).truncate(NAME_CELLS, ellipsis=True)
    gap = " " * (NAME_CELLS - name.cell_length)
    target = clean_line(alias.target)
    return Content.assemble("  ", name.stylize("bold"), gap, (f"stands for {target}", "$foreground 70%"))


async def installed_rows(edge: Edge) -> list[ModelRow]:
    """Models that can answer at once, each followed by its adapters; chat models first."""
    loaded = {clean_line(name) for name in await edge.models.loaded()}
    cards = {card.id: card for card in await edge.models.cards()}
    adapters = await edge.adapters.list()
    rows: list[ModelRow] = []
    for model in await edge.models.list():
        row = _with_card(
            ModelRow(
                name=model.name,
                title=clean_line(model.name),
                is_installed=True,
                is_loaded=clean_line(model.name) in loaded,
                is_removable=model.removable,
                file_bytes=model.size_bytes,
                note=clean_line(f"from {model.source}"),
            ),
            cards.get(model.name),
        )
        rows += [row, *(_with_adapter(row, a) for a in adapters if a.manifest.base.sha256 == model.sha256)]
    judged = await asyncio.gather(*(_judged(edge, row) for row in rows))
    return sorted(judged, key=lambda row: not row.is_chat)


async def all_rows(edge: Edge) -> list[ModelRow]:
    """Installed models, then cards that are not here: chat models first, those that need less before others."""
    here = await installed_rows(edge)
    names = {row.name for row in here}
    rest = [
        _with_card(ModelRow(name=card.id, title=clean_line(card.id), is_installed=False), card)
        for card in await edge.models.cards()
        if card.id not in names
    ]
    judged = await asyncio.gather(*(_judged(edge, row) for row in rest))
    return here + sorted(judged, key=lambda row: (not row.is_chat, row.memory_bytes))


def _with_adapter(base: ModelRow, adapter: InstalledAdapter) -> ModelRow:
    name = f"{base.name}@{adapter.name}"
    return replace(
        base,
        name=name,
        title=clean_line(name),
        adapter=adapter.name,
        is_removable=True,
        file_bytes=adapter.size_bytes,
        note=clean_line(adapter.origin),
    )


def _with_card(row: ModelRow, card: ModelCard | None) -> ModelRow:
    if card is None:
        return row
    return replace(
        row,
        full_name=clean_line(card.name),
        is_chat=card.kind == "chat",
        licence=clean_line(card.licence.removeprefix("LicenseRef-")),
        commercial_use=clean_line(card.commercial_use),
        licence_note=clean_line(card.licence_note),
        languages=clean_line(", ".join(card.languages) or card.languages_note),
        good_at=clean_line(card.good_at),
    )


async def _judged(edge: Edge, row: ModelRow) -> ModelRow:
    try:
        fit = await edge.models.fit(row.name)
    except EdgeLLMError as error:
        return replace(row, reason=explain(error))
    return replace(
        row,
        is_chat=row.is_chat and not fit.is_embedder,
        verdict=str(fit.verdict),
        reason=in_app(fit.reason),
        tokens_per_s=fit.decode_tokens_per_s,
        file_bytes=row.file_bytes or fit.weights_bytes,
        memory_bytes=fit.total_bytes,
    )
