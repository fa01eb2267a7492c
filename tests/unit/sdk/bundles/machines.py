"""Machines with a model, an adapter and a collection, which open no file in llama.cpp."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgellm.export.adapter_gguf import write_adapter_gguf
from edgellm.hub.inspect import check_header
from edgellm.hub.installed import Library
from edgellm.paths import Home, home_from
from edgellm.retrieval.shelf import CollectionShelf
from edgellm.retrieval.values import EmbedderIdentity
from edgellm.sdk.bundles import Bundles
from tests.ggufs import GGUF, Tensor, model_keys, string, u32
from tests.unit.export.loras import random_lora

FARES = ("A ticket to Oban costs 12 pounds.", "Children travel free.")


class Machine:
    """A home with its library, which opens no file in llama.cpp."""

    def __init__(self, folder: Path) -> None:
        self.home: Home = home_from({"EDGELLM_HOME": str(folder)})
        self.library = Library(self.home, check_header)
        self.bundles = Bundles(self.home, self.library)
        self.collections = CollectionShelf(self.home)

    def files(self) -> list[str]:
        """Everything in the home but locks and empty folders."""
        return sorted(str(path.relative_to(self.home.data)) for path in self.home.data.rglob("*") if path.is_file())


def base_file(path: Path, seed: int = 0) -> Path:
    tensors = [Tensor("token_embd.weight", (32, 8)), Tensor("blk.0.attn_q.weight", (32, 32))]
    keys = model_keys(general__seed=u32(seed), general__license=string("mit"))
    return GGUF(keys=keys, tensors=tensors).write(path)


def lora_file(path: Path, alpha: float = 6.0, inputs: int = 32) -> Path:
    write_adapter_gguf(path, random_lora({"blk.0.attn_q.weight": (inputs, 32)}, alpha=alpha))
    return path


def identity_of(embedder: EmbedderIdentity) -> EmbedderIdentity:
    return embedder


def sealed(here: Machine, tmp_path: Path, name: str = "fares", **more: Any) -> Path:
    """A bundle of all that the machine has."""
    prompt = tmp_path / "prompt.txt"
    prompt.write_text("You sell tickets.")
    out = tmp_path / f"{name}.bundle"
    said: dict[str, Any] = {"collections": ["ferries"], "prompts": [prompt]} | more
    return here.bundles.create(name, "tiny@fares", out, **said).path
