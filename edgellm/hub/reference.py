"""What `pull` can be asked for: a card, a repository, or one file of it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from edgellm.errors import InvalidInput

_HOSTS = ("https://huggingface.co/", "https://hf.co/", "huggingface.co/", "hf.co/")
_PART = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]|\.(?!\.)){0,95}")
_REVISION = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_/-]|\.(?!\.)){0,199}")
_QUANTIZATION = re.compile(r"[A-Za-z0-9_]{1,24}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A request, taken apart. Either `card` or `repository` is filled."""

    card: str = ""
    repository: str = ""
    """`owner/name`."""
    file: str = ""
    """Path of a .gguf file in the repository; empty: choose the best that fits."""
    revision: str | None = None
    """Branch, tag or commit; None is the default branch."""
    quantization: str = ""
    """Wanted quantization, upper case; empty: choose."""


def parse_reference(text: str) -> Reference:
    """Understand `card`, `owner/repo`, `owner/repo/file.gguf`, `hf.co/...`; with `@revision`; with `:QUANTIZATION`.

    Raises: InvalidInput.
    """
    rest = next((text.removeprefix(host) for host in _HOSTS if text.startswith(host)), text)
    rest, _, revision = rest.partition("@")
    rest, _, quantization = rest.partition(":")
    if (revision and not _REVISION.fullmatch(revision)) or (quantization and not _QUANTIZATION.fullmatch(quantization)):
        raise _malformed(text)
    parts = rest.split("/")
    if len(parts) > 4 and parts[2] in ("blob", "resolve") and not revision:  # an address copied from a browser
        revision = parts[3]
        del parts[2:4]
    if not all(_PART.fullmatch(part) and not part.endswith(".") for part in parts):
        raise _malformed(text)
    if len(parts) == 1 and not revision:
        return Reference(card=parts[0], quantization=quantization.upper())
    if len(parts) < 2 or (len(parts) > 2 and not parts[-1].endswith(".gguf")):
        raise _malformed(text)
    return Reference(
        repository="/".join(parts[:2]),
        file="/".join(parts[2:]),
        revision=revision or None,
        quantization=quantization.upper(),
    )


def _malformed(text: str) -> InvalidInput:
    return InvalidInput(
        f"{text[:200]!r} is neither a card nor a repository.",
        hint="Use a card's id, OWNER/REPO, or OWNER/REPO/FILE.gguf; @REVISION and :QUANTIZATION may follow.",
        field="reference",
    )
