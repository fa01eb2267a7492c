"""The fakes' clock: it stands still, so that pictures do not change."""

NOW = 1_790_000_000.0
"""Seconds since 1970."""
