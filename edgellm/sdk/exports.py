"""Exports: a model, and what it was taught, as files for llama.cpp, Hugging Face libraries, mlx_lm and vLLM."""

from __future__ import annotations

import builtins
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import to_builtins

from edgellm.errors import NotFound
from edgellm.hub.installed import Library
from edgellm.paths import Home
from edgellm.sdk.damaged import Damaged, damaged, folders_with, readable
from edgellm.sdk.evaluation import FOLDER
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
        return self._begin("export", f"Export {request.model} as {made if to == 'gguf' else to}", request, {})

    def compare(
        self,
        model: str,
        quants: str = COMPARED,
        *,
        text: str | Path | None = None,
        suite: str | Path | None = None,
        folder: str | Path = FOLDER,
    ) -> StoredJob:
        """Begin to measure quantizations side by side; nothing but the numbers is kept.

        Args:
            model: as in `ExportRequest`; `quants` and `text`, too.
            suite: questions that each quantization is asked, a file or a name as `Evals.run` takes it.
            folder: where the project keeps its suites.

        Returns: the job, whose result is the manifest with `recommended`, `reason` and, where a suite was named,
        `task`: a quantization whose score is clearly worse than the best is not recommended.
        """
        from edgellm.sdk.quants import task_suite

        request = ExportRequest(model=model, quants=quants, text=text)
        order(self._home, self._library, request)
        asked = {} if suite is None else {"suite": to_builtins(task_suite(suite, folder))}
        return self._begin("quants", f"Compare quantizations of {request.model}", request, asked)

    def list(self) -> builtins.list[Manifest]:
        """The manifests of the home's exports that can be read, by name of their folder."""
        from edgellm.export.manifest import read_manifest

        return readable(self._folders(), read_manifest)

    def damaged(self) -> builtins.list[Damaged]:
        """The exports that `list` leaves out, with the reason."""
        from edgellm.export.manifest import read_manifest

        return damaged(self._folders(), read_manifest)

    def show(self, name: str) -> Manifest:
        """One export of the home, by its folder's name."""
        from edgellm.export.manifest import read_manifest

        names = [folder.name for folder in self._folders()]
        if name not in names:
            near = get_close_matches(name, names, 1)
            hint = f"Did you mean {near[0]!r}?" if near else "`edgellm export MODEL --quant Q4_K_M` makes one."
            raise NotFound(f"There is no export named {name!r}.", hint=hint)
        return read_manifest(self.folder / name)

    def _folders(self) -> builtins.list[Path]:
        from edgellm.export.manifest import MANIFEST

        return folders_with(self.folder, MANIFEST)

    def _begin(self, kind: str, title: str, request: ExportRequest, more: Mapping[str, Any]) -> StoredJob:
        arguments = {
            "model": _absolute(request.model) if request.model.endswith(".gguf") else request.model,
            "to": request.to,
            "quants": request.quants,
            "text": _absolute(request.text) if request.text else None,
            "out": _absolute(request.out) if request.out else None,
            **more,
        }
        return self._jobs.start(kind, title, arguments)


def export_job(home: Home, library: Library, arguments: Mapping[str, Any], on_event: OnEvent) -> dict[str, Any]:
    """The work of an `export` job; returns the manifest with the folder under `path`."""
    from edgellm.export.package import package

    wanted = order(home, library, ExportRequest(**arguments))
    manifest = package(wanted, on_event)
    return {"path": str(wanted.folder), "passed": manifest.passed, **to_builtins(manifest)}


def _absolute(path: str | Path) -> str:
    return str(Path(path).expanduser().absolute())
