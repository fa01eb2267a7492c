"""Names of models: what they may look like, and which existing one was probably meant."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from difflib import get_close_matches

from edgellm.errors import InvalidInput, ModelNotFound

STARTER = "starter"
"""The model that comes with the `starter` extra."""

MAX_NAME = 96
SUGGESTED, MIN_WITHIN = 3, 3
"""Names that a hint offers at most; letters from which on a part of a name counts."""
MAX_PATH = 300
"""Characters of a path that an error repeats."""
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


def split_adapter(name: str) -> tuple[str, str | None]:
    """The base and the adapter of a model's name: `starter@lighthouse`; without one, the name itself and None."""
    base, at, adapter = name.rpartition("@")
    return (base, adapter) if at and not name.endswith(".gguf") else (name, None)


def name_from(stem: str) -> str:
    """A name made from a file's stem: other characters become '-'."""
    name = re.sub(r"\.{2,}", ".", re.sub(r"[^A-Za-z0-9._-]+", "-", stem)).strip("-._")
    if not name:
        message = f"{stem[:MAX_NAME]!r} holds no letter or digit of English, of which a model's name could be made."
        raise InvalidInput(message, hint="Choose a name for it.", field="name", remedy="name")
    return checked_name(name[:MAX_NAME].rstrip("-._"))


def no_such_model(name: str, known: Iterable[str]) -> ModelNotFound:
    """The error for an unknown name, with the nearest known ones as its hint."""
    if name.endswith(".gguf") or "/" in name or name in (".", ".."):
        return no_such_file(name)
    near = _near(name[:MAX_NAME], list(dict.fromkeys(known)))
    hint = f"Did you mean {' or '.join(map(repr, near))}?" if near else "See which there are: edgellm models list"
    return ModelNotFound(f"There is no model named {name[:MAX_NAME]!r}.", hint=hint, name=name[:MAX_NAME])


def _near(name: str, known: Sequence[str]) -> list[str]:
    """The name that is most like it and those that have it in them, three at most; capitals are no difference."""
    small = {other.lower(): other for other in reversed(known)}
    like = get_close_matches(name.lower(), list(small), n=1)
    within = [other for other in small if len(name) >= MIN_WITHIN and name.lower() in other]
    return [small[other] for other in dict.fromkeys([*like, *sorted(within, key=len)])][:SUGGESTED]


def no_such_file(path: str) -> ModelNotFound:
    """The error for a path that leads to no GGUF file: what is there instead, and what to do."""
    found, hint = os.path.expanduser(path), "Check the path."
    if os.path.isdir(found):
        what, hint = "is a folder, not a model's file", _within(path, found)
    elif os.path.isfile(found):
        what = "is no GGUF file: its name does not end in .gguf"
    else:
        what = "is no ordinary file" if os.path.exists(found) else "does not exist"
    return ModelNotFound(f"{path[:MAX_PATH]!r} {what}.", hint=hint, name=path[:MAX_PATH])


def _within(path: str, folder: str) -> str:
    """What to do with a folder: take it in when it is a model's, else name a file in it."""
    name = "NAME.gguf"
    with suppress(OSError):
        names = os.listdir(folder)
        if "config.json" in names:
            return f"Take it into the library first: edgellm models add {path[:MAX_PATH]}"
        name = min((name for name in names if name.endswith(".gguf")), default=name)
    return f"Name a .gguf file in it, such as {os.path.join(folder, name)!r}."
