"""Which weights and KV layout a saved state belongs to."""

from __future__ import annotations

import hashlib
import os

from edgellm.engine.config import EngineConfig
from edgellm.engine.llama import library

SAMPLES = 256
SAMPLE_BYTES = 4096
HEAD_BYTES = 1024**2
DIGEST_BYTES = 16


def fingerprint(config: EngineConfig, architecture: str) -> bytes:
    """16 bytes over file size, modification time, the first MiB (header), 256 samples of 4 KiB spread evenly over the
    weights, KV type, architecture and llama.cpp version.

    Reading 2 MiB takes milliseconds where hashing the file takes seconds. A file edited in place has another
    modification time; a fine-tune of the same size differs in almost every tensor.
    """
    digest = hashlib.blake2b(digest_size=DIGEST_BYTES)
    with open(config.model_path, "rb", buffering=0) as file:
        facts = os.fstat(file.fileno())
        digest.update(
            f"{facts.st_size} {facts.st_mtime_ns} {config.kv_type} {architecture} {library.version()}".encode()
        )
        digest.update(file.read(HEAD_BYTES))
        for index in range(SAMPLES):
            file.seek(facts.st_size * index // SAMPLES)
            digest.update(file.read(SAMPLE_BYTES))
    return digest.digest()
