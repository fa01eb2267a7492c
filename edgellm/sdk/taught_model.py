"""What a run leaves that has no adapter form (DoRA, full fine-tuning): a model in the library, half precision."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgellm.disk_space import check_space
from edgellm.errors import InvalidInput
from edgellm.events import Progressed, Started
from edgellm.gguf_header import read_header
from edgellm.hub.installed import InstalledModel, Library
from edgellm.hub.names import STARTER
from edgellm.sdk.work import Emit

if TYPE_CHECKING:
    from edgellm.train.settings import TrainSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Taught:
    """A finished run."""

    name: str
    """Of the model that is made."""
    base: InstalledModel
    dataset: str
    settings: TrainSettings
    weights: Path
    """What learnt, as the run's checkpoint holds it."""


def check_room(library: Library, name: str, base: Path) -> None:
    """Before a run that takes an hour. Raises: InvalidInput when the name is taken, DiskFull."""
    from edgellm.export.fuse import fused_bytes

    if name == STARTER or library.recorded_sha256(name) is not None:
        hint = f"Choose another name, or remove it first: edgellm models remove {name}"
        raise InvalidInput(f"There is a model named {name!r} already.", hint=hint, field="name")
    check_space(library.folder, fused_bytes(read_header(base), "F16"))


def keep_model(library: Library, taught: Taught, check: Callable[[Path], None], emit: Emit) -> InstalledModel:
    """Put what was learnt in place of the base's weights, and take the file in as any other, once `check` let it pass.

    Raises: as `check`; TrainingError, InvalidInput (a weight that half precision cannot hold), ModelRejected, DiskFull.
    """
    from edgellm.export.folder import appearing
    from edgellm.export.fuse import fuse
    from edgellm.export.learnt import learnt

    header = read_header(taught.base.path)
    total = len(header.tensors)
    emit(Started(title=f"Write {taught.name}", total=total, unit="tensors"))
    with appearing(library.path_of(taught.name)) as work:
        made = work / f"{taught.name}.gguf"
        changes = learnt(taught.weights, header, taught.settings.scale)
        source = f"{taught.base.name}, taught {taught.dataset} ({taught.settings.method})"
        fuse(header, changes, made, "F16", lambda done: emit(Progressed(done=done, total=total)), description=source)
        check(made)
        return library.add(made, taught.name, emit, source=source)
