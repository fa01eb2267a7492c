"""The hub's word on a repository: which GGUF files it has, their sizes and hashes. The door to huggingface_hub."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from edgellm.errors import DownloadError, HubRefused

DEFAULT_ENDPOINT = "https://huggingface.co"
_SHA256 = re.compile(r"[0-9a-f]{64}")
_PART_OF_MANY = re.compile(r"-\d{5}-of-\d{5}\.gguf$")
_TIMEOUT_S = 20
_HINTS = {
    401: "The repository is private, gated or does not exist. Set HF_TOKEN if you have access.",
    403: "Access must be granted on the model's page; then set HF_TOKEN.",
    404: "Check the spelling of the repository and the revision.",
    429: "The hub asks for a pause; try again later.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteFile:
    """One file on the hub, pinned to a commit."""

    repository: str
    commit: str
    path: str
    size_bytes: int
    sha256: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How to reach the hub."""

    endpoint: str = DEFAULT_ENDPOINT
    token: str | None = None


def list_gguf(repository: str, revision: str | None, access: Access) -> list[RemoteFile]:
    """The single-file GGUF models in a repository at a revision.

    Raises: HubRefused when the hub says no, DownloadError when it cannot be reached or makes no sense.
    """
    import httpx2
    from huggingface_hub import HfApi  # deferred: a quarter of a second
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    api = HfApi(endpoint=access.endpoint, token=access.token or False)
    try:
        info = api.model_info(repository, revision=revision, files_metadata=True, timeout=_TIMEOUT_S)
        return _files(repository, str(info.sha), info.siblings or (), access.endpoint)
    except HfHubHTTPError as error:
        raise refused(error.response.status_code, f"{access.endpoint}/{repository}") from error
    except (httpx2.TransportError, OfflineModeIsEnabled) as error:
        raise DownloadError(
            f"{access.endpoint} cannot be reached: {error}.", hint="Check the connection and try again."
        ) from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise DownloadError(f"{access.endpoint} gave no sensible answer about {repository!r}: {error}.") from error


def refused(status: int, url: str) -> HubRefused:
    """The error for an HTTP status that will not get better by trying again."""
    return HubRefused(
        f"The hub refused {url!r} with status {status}.",
        hint=_HINTS.get(status, "Try again later."),
        status=status,
        url=url,
    )


def _files(repository: str, commit: str, siblings: Sequence[Any], endpoint: str) -> list[RemoteFile]:
    if not re.fullmatch(r"[0-9a-f]{40}", commit):
        raise ValueError(f"{commit!r} is no commit")
    files = []
    for sibling in siblings:
        path, stored = sibling.rfilename, sibling.lfs
        if not path.endswith(".gguf") or _PART_OF_MANY.search(path) or "mmproj" in path.lower() or stored is None:
            continue
        if not _SHA256.fullmatch(stored.sha256) or not isinstance(stored.size, int) or stored.size < 1:
            raise ValueError(f"{path!r} has the hash {stored.sha256!r} and the size {stored.size!r}")
        files.append(
            RemoteFile(
                repository=repository,
                commit=commit,
                path=path,
                size_bytes=stored.size,
                sha256=stored.sha256,
                url=_url(endpoint, repository, commit, path),
            )
        )
    return files


def _url(endpoint: str, repository: str, commit: str, path: str) -> str:
    from huggingface_hub import hf_hub_url

    return hf_hub_url(repository, path, revision=commit, endpoint=endpoint)
