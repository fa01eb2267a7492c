"""Sealed bundles: one archive file that proves itself, written and read."""
