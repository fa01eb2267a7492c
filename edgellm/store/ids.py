"""Ids that sort by the time they were made."""

from __future__ import annotations

import secrets
import time

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: no i, l, o, u


def new_id() -> str:
    """26 characters: nanoseconds since the epoch (64 bits), then 64 random bits."""
    number = (time.time_ns() << 64) | secrets.randbits(64)
    return "".join(_ALPHABET[(number >> shift) & 31] for shift in range(125, -1, -5))
