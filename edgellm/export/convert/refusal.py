"""How a model folder is refused."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

from edgellm.errors import ModelRejected


def refuse(path: Path, reason: str, hint: str = "Get the model again or choose another one.") -> NoReturn:
    """Raises: ModelRejected, naming the file or folder and the reason."""
    raise ModelRejected(f"{str(path)!r} cannot be converted: {reason}.", hint=hint, path=str(path), reason=reason)
