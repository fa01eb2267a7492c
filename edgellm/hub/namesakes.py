"""Which files may carry the name of a card: those that are of its model, as far as their headers tell."""

from __future__ import annotations

from edgellm.errors import InvalidInput
from edgellm.hub.cards import ModelCard, card_ids, load_catalogue
from edgellm.hub.inspect import Inspection
from edgellm.hub.names import STARTER

NEAR = 2.0
"""Cards round the number of parameters, and count embeddings once, twice or not at all."""


def check_namesake(name: str, found: Inspection) -> None:
    """Refuse a file that would be taken for a card's model. Raises: InvalidInput.

    A file of another repository, another quantization and a further trained model of the same sizes are let in. Their
    hashes cannot tell: a publisher may replace a file at any time.
    """
    if name not in card_ids():
        return
    card = load_catalogue().cards[name]
    difference = f"that name is kept for the package {card.package}" if name == STARTER else _difference(card, found)
    if difference:
        raise InvalidInput(
            f"{name!r} is the catalogue's name for {card.name}, and this file is another model: {difference}.",
            hint="Give it a name of its own.",
            field="name",
            remedy="name",
        )


def _difference(card: ModelCard, found: Inspection) -> str:
    """What tells them apart; empty when nothing does."""
    kind = "embedder" if found.shape.is_embedder else "chat"
    if kind != card.kind:
        return f"its kind is {kind}, not {card.kind}"
    if card.shape and card.shape.embedding != found.shape.embedding:
        return f"its embeddings have {found.shape.embedding:,} numbers, not {card.shape.embedding:,}"
    if card.parameters and not card.parameters / NEAR <= found.parameters <= card.parameters * NEAR:
        return f"it has {found.parameters / 1e6:,.0f} million parameters, not {card.parameters / 1e6:,.0f}"
    return ""
