"""The twin: an embedder's GGUF, made once, proven, kept, and run in an engine worker."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from edgellm.decoding import from_json
from edgellm.engine.config import EngineConfig
from edgellm.engine.supervisor import Worker
from edgellm.errors import EdgeLLMError
from edgellm.file_lock import locked
from edgellm.hub.names import name_from
from edgellm.paths import write_private
from edgellm.retrieval.embed.embedder import OnDone, Tokens, nothing, unit_rows
from edgellm.retrieval.embed.parity import Parity, check_tokens, cosines, differently_cut
from edgellm.retrieval.embed.probe import PROBES
from edgellm.retrieval.embed.source import EmbedderSource
from edgellm.retrieval.embed.twin_file import write_twin
from edgellm.retrieval.embed.wordpiece import WordPiece
from edgellm.retrieval.values import EmbedderIdentity

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FORMAT = 1
"""Raised when the converter changes what a twin holds: older ones are made again."""
_BATCH_TEXTS = 64


class TwinManifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is remembered beside a twin."""

    format: int
    identity: EmbedderIdentity
    source: str
    """The folder it was made from."""
    pooling: str
    size_bytes: int
    made_at: float
    """Seconds since the epoch."""
    parity: Parity
    """Against the forward pass in numpy, with equal token ids."""


class Twin:
    """Computes vectors with llama.cpp in a process of its own; the process starts with the first request."""

    def __init__(
        self, path: Path, identity: EmbedderIdentity, log_dir: Path | None = None, threads: int | None = None
    ) -> None:
        """`path`: the GGUF file; `threads`: None takes all cores."""
        config = EngineConfig(model_path=str(path), mode="embed", context_tokens=identity.max_tokens, threads=threads)
        self._worker = Worker(config, log_dir=log_dir)
        self._dimensions = identity.dimensions

    @property
    def pid(self) -> int:
        """The process id; 0 while there is no process."""
        return self._worker.pid

    def tokenize(self, text: str) -> list[int]:
        """llama.cpp's own token ids, without what stands around a text."""
        return [token.id for token in self._worker.tokenize(text)]

    def embed(self, inputs: Sequence[Tokens], on_done: OnDone = nothing) -> NDArray[np.float32]:
        """As `Runtime.embed`. Raises: WorkerDied, EngineError, ModelLoadFailed."""
        import numpy as np

        found = np.empty((len(inputs), self._dimensions), np.float32)
        order = sorted(range(len(inputs)), key=lambda at: len(inputs[at]))
        for start in range(0, len(order), _BATCH_TEXTS):
            batch = order[start : start + _BATCH_TEXTS]
            found[batch] = self._worker.embed_tokens([inputs[at] for at in batch])
            on_done(start + len(batch))
        return unit_rows(found)

    def close(self) -> None:
        """End the process."""
        self._worker.stop(save=False)


def find_or_make_twin(
    source: EmbedderSource, kept: Path, on_make: Callable[[], None] = lambda: None
) -> tuple[Path, TwinManifest]:
    """The twin's file and what is known of it, below `kept`; made and proven when there is none yet.

    `on_make` is called before one is made, which takes seconds. Two processes at once make it one after the other.
    Raises: ModelRejected when it differs from its source, or the source cannot be converted; DiskFull.
    """
    stem = f"{name_from(source.identity.name)}-{_fingerprint(source)[:12]}"
    path = kept / f"{stem}.gguf"
    if (manifest := _manifest(path, source)) is not None:
        return path, manifest
    with locked(kept / f".{stem}.lock"):
        if (manifest := _manifest(path, source)) is None:
            on_make()
            manifest = _make(source, path)
    return path, manifest


def _fingerprint(source: EmbedderSource) -> str:
    """Of the weights and how they are used."""
    return hashlib.sha256(msgspec.json.encode([FORMAT, source.identity, source.pooling])).hexdigest()


def _manifest(path: Path, source: EmbedderSource) -> TwinManifest | None:
    """What is remembered of a twin that fits its source and is whole; None for any other."""
    with suppress(OSError, msgspec.DecodeError):
        found = from_json(path.with_suffix(".json").read_bytes(), type=TwinManifest)
        expected = (FORMAT, source.identity, source.pooling, path.stat().st_size)
        if (found.format, found.identity, found.pooling, found.size_bytes) == expected:
            return found
    return None


def _make(source: EmbedderSource, path: Path) -> TwinManifest:
    """Write, prove, and only then remember it."""
    path.with_suffix(".json").unlink(missing_ok=True)
    write_twin(source, path)
    try:
        parity = _proven(source, path)
    except EdgeLLMError:
        path.unlink(missing_ok=True)
        raise
    manifest = TwinManifest(
        format=FORMAT,
        identity=source.identity,
        source=str(source.folder.path),
        pooling=source.pooling,
        size_bytes=path.stat().st_size,
        made_at=time.time(),
        parity=parity,
    )
    write_private(path.with_suffix(".json"), msgspec.json.encode(manifest))
    return manifest


def _proven(source: EmbedderSource, path: Path) -> Parity:
    """Raises: ModelRejected."""
    from edgellm.retrieval.embed.reference import Reference

    wordpiece, path_of_source = WordPiece(source.rules), source.folder.path
    _check_original(wordpiece, source)
    inputs = [wordpiece.wrapped(text, source.identity.max_tokens) for text in PROBES]
    twin = Twin(path, source.identity)
    try:
        found = cosines(Reference(source), twin, inputs, path_of_source, "llama.cpp")
        cut_alike = len(PROBES) - len(differently_cut(wordpiece, twin.tokenize))
    finally:
        twin.close()
    return Parity(
        texts=len(found),
        cosine_min=float(found.min()),
        cosine_mean=float(found.mean()),
        texts_cut_alike=cut_alike,
    )


def _check_original(wordpiece: WordPiece, source: EmbedderSource) -> None:
    """Compare with the folder's own tokenizer, where there is a package that reads it. Raises: ModelRejected."""
    try:
        from tokenizers import Tokenizer
    except ImportError:
        return
    original = Tokenizer.from_str(source.folder.text("tokenizer.json") or "")
    original.no_truncation()
    original.no_padding()
    original.encode_special_tokens = True  # what looks like one in a document is text
    check_tokens(
        wordpiece,
        lambda text: original.encode(text, add_special_tokens=False).ids,
        source.folder.path / "tokenizer.json",
    )
