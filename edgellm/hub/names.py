"""Names of models: what they may look like, and which existing one was probably meant."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from difflib import get_close_matches

from edgellm.errors import InvalidInput, ModelNotFound

STARTER = "starter"
"""The model that comes with the `starter` extra."""

MAX_NAME = 96
_NAME = re.compile(rf"[A-Za-z0-9](?:[A-Za-z0-9_-]|\.(?!\.)){{0,{MAX_NAME - 1}}}")


def is_name(text: str) -> bool:
    """Whether `text` can name a model: letters, digits, `_`, `-` and single dots; nothing a path could be made of."""
    return bool(_NAME.fullmatch(text)) and not text.endswith(".")


def checked_name(text: str) -> str:
    """`text` itself. Raises: InvalidInput when it cannot name a model."""
    if not is_name(text):
        raise InvalidInput(
            f"{text[:MAX_NAME]!r} cannot be a model's name.",
            hint=f"Use letters, digits, '_', '-' and single dots; a letter or digit first; at most {MAX_NAME}.",
            field="name",
        )
    return text


def name_from(stem: str) -> str:
    """A name made from a file's stem: other characters become '-'."""
    name = re.sub(r"\.{2,}", ".", re.sub(r"[^A-Za-z0-9._-]+", "-", stem)).strip("-._")
    return checked_name(name[:MAX_NAME].rstrip("-._"))


def no_such_model(name: str, known: Iterable[str]) -> ModelNotFound:
    """The error for an unknown name, with the nearest known one as its hint."""
    if name.endswith(".gguf") or "/" in name:
        what = "is no GGUF file: its name does not end in .gguf" if os.path.isfile(name) else "does not exist"
        return ModelNotFound(f"The file {name[:MAX_NAME]!r} {what}.", hint="Check the path.", name=name[:MAX_NAME])
    near = get_close_matches(name[:MAX_NAME], list(known), n=1)
    hint = f"Did you mean {near[0]!r}?" if near else "See which there are: edgellm models list"
    return ModelNotFound(f"There is no model named {name[:MAX_NAME]!r}.", hint=hint, name=name[:MAX_NAME])
