"""Exports: a model, and what it was taught, as files for llama.cpp, Hugging Face libraries, mlx_lm and vLLM."""

from __future__ import annotations

import builtins
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgellm.errors import NotFound
from edgellm.hub.installed import Library
from edgellm.paths import Home, private_dir
from edgellm.sdk.export_order import ExportRequest, folder_of, order
from edgellm.store import StoredJob

if TYPE_CHECKING:  # numpy is imported when something is exported
    from edgellm.export.manifest import Manifest
    from edgellm.export.order import Kind
    from edgellm.export.workshop import OnEvent
    from edgellm.sdk.jobs import Jobs

COMPARED = "Q8_0,Q6_K,Q5_K_M,Q4_K_M,IQ4_NL,Q4_0"
"""What `compare` measures when nothing else is asked for."""


class Exports:
    """Errors: InvalidInput, ModelNotFound, AdapterNotFound, NotFound, DiskFull, JobError."""

    def __init__(self, home: Home, library: Library, jobs: Jobs) -> None:
        self._home = home
        self._library = library
        self._jobs = jobs

    @property
    def folder(self) -> Path:
        """Where exports go that name no folder."""
        return folder_of(self._home)

    def start(
        self,
        model: str,
        quants: str | None = None,
        *,
        to: Kind = "gguf",
        text: str | Path | None = None,
        out: str | Path | None = None,
    ) -> StoredJob:
        """Begin an export in a process of its own; the job's result is the manifest, with the folder under `path`.

        Arguments as in `ExportRequest`.
        """
        request = ExportRequest(model=model, to=to, quants=quants, text=text, out=out)
        from edgellm.export.folder import check_vacant

        wanted = order(self._home, self._library, request)  # refuses at once what the job would refuse
        check_vacant(wanted.folder)
        made = ",".join(quant.name for quant in wanted.quants)
        return self._begin("export", f"Export {request.model} as {made if to == 'gguf' else to}", request)

    def compare(self, model: str, quants: str = COMPARED, *, text: str | Path | None = None) -> StoredJob:
        """Begin to measure quantizations side by side; nothing but the numbers is kept.

        The job's result is the manifest, with `recommended` and `reason`.
        """
        request = ExportRequest(model=model, quants=quants, text=text)
        order(self._home, self._library, request)
        return self._begin("quants", f"Compare quantizations of {request.model}", request)

    def list(self) -> builtins.list[Manifest]:
        """The manifests of the home's exports, by name of their folder."""
        from edgellm.export.manifest import MANIFEST, read_manifest

        return [read_manifest(path.parent) for path in sorted(self.folder.glob(f"*/{MANIFEST}"))]

    def show(self, name: str) -> Manifest:
        """One export of the home, by its folder's name."""
        from edgellm.export.manifest import MANIFEST, read_manifest

        names = sorted(path.parent.name for path in self.folder.glob(f"*/{MANIFEST}"))
        if name not in names:
            near = get_close_matches(name, names, 1)
            hint = f"Did you mean {near[0]!r}?" if near else "`edgellm export MODEL --quant Q4_K_M` makes one."
            raise NotFound(f"There is no export named {name!r}.", hint=hint)
        return read_manifest(self.folder / name)

    def _begin(self, kind: str, title: str, request: ExportRequest) -> StoredJob:
        arguments = {
            "model": _absolute(request.model) if request.model.endswith(".gguf") else request.model,
            "to": request.to,
            "quants": request.quants,
            "text": _absolute(request.text) if request.text else None,
            "out": _absolute(request.out) if request.out else None,
        }
        return self._jobs.start(kind, title, arguments)


def export_job(home: Home, library: Library, arguments: Mapping[str, Any], on_event: OnEvent) -> dict[str, Any]:
    """The work of an `export` job; returns the manifest with the folder under `path`."""
    from edgellm.export.package import package

    wanted = order(home, library, ExportRequest(**arguments))
    manifest = package(wanted, on_event)
    return {"path": str(wanted.folder), "passed": manifest.passed, **_plain(manifest)}


def quants_job(home: Home, library: Library, arguments: Mapping[str, Any], on_event: OnEvent) -> dict[str, Any]:
    """The work of a `quants` job; returns the manifest, and what to use here under `recommended`."""
    from edgellm.export.choose import recommended
    from edgellm.export.package import package
    from edgellm.hub.hardware import probe

    with tempfile.TemporaryDirectory(dir=private_dir(home.cache)) as scratch:
        request = replace(ExportRequest(**arguments), out=Path(scratch) / "quants")
        manifest = package(order(home, library, request, keeps_files=False), on_event)
    choice = recommended(manifest.files, probe().available_bytes)
    return {"recommended": choice.quantization, "reason": choice.reason, **_plain(manifest)}


def _plain(manifest: Manifest) -> dict[str, Any]:
    import msgspec

    plain: dict[str, Any] = msgspec.to_builtins(manifest)
    return plain


def _absolute(path: str | Path) -> str:
    return str(Path(path).expanduser().absolute())
