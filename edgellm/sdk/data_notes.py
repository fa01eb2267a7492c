"""What became of the files that a run learns from, in a few lines: beside a plan and a result, unasked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from edgellm.data.card import REASONS
from edgellm.data.dataset import Manifest, read_manifest
from edgellm.errors import EdgeLLMError


def data_notes(folder: Path, dataset_hash: str) -> list[str]:
    """How the dataset in `folder` was read, what was left out and what was masked.

    None where it is gone or another by now: a resumed run has its rows, whatever has become of them since.
    """
    try:
        manifest = read_manifest(folder)
    except EdgeLLMError:
        return []
    return list(_notes(manifest)) if manifest.dataset_hash == dataset_hash else []


def _notes(manifest: Manifest) -> Iterator[str]:
    kinds = dict.fromkeys(" of ".join(filter(None, (each.format.value, each.schema))) for each in manifest.sources)
    yield f"read as {', '.join(kinds)}"
    counts = manifest.counts
    dropped = ", ".join(f"{number:,} {REASONS[reason]}" for reason, number in counts.dropped.items())
    yield f"{counts.kept:,} of {counts.read:,} rows kept" + (f"; left out: {dropped}" if dropped else "")
    found = ", ".join(f"{each.kind.value} {each.matches:,} ({each.action.value})" for each in manifest.personal)
    if found:
        yield f"personal data: {found}"
