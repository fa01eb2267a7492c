"""A safetensors folder that enters the library as a GGUF file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from edgellm.errors import InvalidInput
from edgellm.events import JobEvent
from edgellm.hub.installed import Library
from edgellm.hub.names import STARTER, checked_name, name_from

if TYPE_CHECKING:
    from edgellm.export.convert.write import FloatType


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    """A folder that may be converted, and the name it is to have."""

    folder: Path
    name: str
    type: FloatType
    """Of the file's matrices."""

    def arguments(self) -> dict[str, str]:
        """As `convert_job` takes them."""
        return {"folder": str(self.folder), "name": self.name, "type": self.type}


def conversion(library: Library, folder: Path, name: str | None, type: str | None) -> Conversion:
    """Check what can be checked quickly; nothing of the folder is imported or run, and no tensor is read.

    Args:
        name: None: after the folder.
        type: F32, F16 or BF16; None: BF16 for a folder in bfloat16, else F16.

    Raises: ModelRejected, naming the file and the reason; InvalidInput (the name is taken or impossible, unknown type).
    """
    from edgellm.export.convert.config import Config
    from edgellm.export.convert.families import read_family
    from edgellm.export.convert.folder import open_folder
    from edgellm.export.convert.write import FloatType, fitting_type

    if type is not None and type not in get_args(FloatType):
        message = f"A model cannot be converted to {type!r}."
        hint = f"Choose one of {', '.join(get_args(FloatType))}; `edgellm export` quantizes."
        raise InvalidInput(message, hint=hint, field="type", value=type)
    place = folder.expanduser().absolute()
    opened = open_folder(place)
    read_family(Config(place / "config.json", opened.config))
    chosen = name_from(place.resolve().name) if name is None else checked_name(name)
    if chosen == STARTER or library.recorded_sha256(chosen) is not None:
        hint = f"Choose another name, or remove it first: edgellm models remove {chosen}"
        raise InvalidInput(f"Another model is already named {chosen!r}.", hint=hint, field="name")
    return Conversion(folder=place, name=chosen, type=type or fitting_type(opened))  # type: ignore[arg-type]


def convert_job(library: Library, arguments: Mapping[str, Any], on_event: Callable[[JobEvent], None]) -> dict[str, Any]:
    """The work of a `convert` job; returns the model's name, path, size and family, and notes for its user."""
    from edgellm.export.convert.write import convert_folder
    from edgellm.export.folder import appearing

    folder, name = Path(arguments["folder"]), str(arguments["name"])
    wanted = conversion(library, folder, name, arguments["type"])
    with appearing(library.path_of(name)) as work:
        made = convert_folder(wanted.folder, work / f"{name}.gguf", wanted.type, on_event)
        model = library.add(made.path, name, on_event, source=str(wanted.folder))
    return {
        "name": model.name,
        "path": str(model.path),
        "size_bytes": model.size_bytes,
        "type": wanted.type,
        "architecture": made.architecture,
        "parameters": made.parameters,
        "notes": list(made.notes),
    }
