"""A card's name is for files of its model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edgellm.errors import InvalidInput
from edgellm.hub.cards import load_catalogue
from edgellm.hub.fit import shape_from_card
from edgellm.hub.inspect import Inspection, check_header
from edgellm.hub.namesakes import check_namesake
from tests.ggufs import GGUF


@pytest.fixture
def tiny(tmp_path: Path) -> Inspection:
    return check_header(GGUF().write(tmp_path / "tiny.gguf"))


@pytest.mark.parametrize("share", [0.9, 1.0, 1.3])
def test_a_file_of_the_sizes_on_the_card_may_carry_its_name(tiny: Inspection, share: float) -> None:
    card = load_catalogue().get("qwen3-0.6b")
    same = replace(tiny, parameters=int((card.parameters or 0) * share), shape=shape_from_card(card, card.files[0]))
    check_namesake("qwen3-0.6b", same)
    with pytest.raises(InvalidInput, match="its kind is chat, not embedder"):
        check_namesake("bge-m3", same)
    with pytest.raises(InvalidInput, match="its embeddings have 1,024 numbers, not 4,096"):
        check_namesake("qwen3-8b", same)


def test_the_number_of_parameters_tells_embedders_apart(tiny: Inspection) -> None:
    embedder = replace(tiny, parameters=33_000_000, shape=replace(tiny.shape, is_embedder=True))
    check_namesake("all-minilm-l6-v2", embedder)
    with pytest.raises(InvalidInput, match="it has 33 million parameters, not 568"):
        check_namesake("bge-m3", embedder)


def test_every_other_name_is_free(tiny: Inspection) -> None:
    check_namesake("mine", tiny)
