"""Why a file is not read, in words; raised by the readers, within the child."""

from __future__ import annotations


class Refused(Exception):
    """The file cannot be read; the text says why: "it is encrypted"."""


class NotInstalled(Refused):
    """What would read the file is not here; it may be tomorrow."""
