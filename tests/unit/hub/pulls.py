"""A small model on a fake hub, and how tests pull it."""

from __future__ import annotations

from typing import Any

from edgellm.hub.download import pull
from edgellm.hub.installed import InstalledModel, Library
from tests.fakehub import FakeHub
from tests.ggufs import GGUF, Tensor

REPOSITORY = "acme/tiny-GGUF"
FILE = "tiny-Q8_0.gguf"


def model_bytes(rows: int = 8_192) -> bytes:
    """About a mebibyte."""
    return GGUF(tensors=[Tensor("token_embd.weight", (32, 8)), Tensor("blk.0.w", (32, rows))]).bytes()


CONTENT = model_bytes()
SIZE = len(CONTENT)


def fetch(hub: FakeHub, library: Library, reference: str = f"{REPOSITORY}/{FILE}", **more: Any) -> InstalledModel:
    return pull(reference, library, offline=False, endpoint=hub.url, **more)


def assert_nothing_final(library: Library) -> None:
    assert not list(library.folder.glob("*.gguf"))
    assert not list(library.folder.glob("*.json"))
