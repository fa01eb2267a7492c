"""What an empty conversation shows: where you are, and the keys to begin with."""

from __future__ import annotations

from textual.content import Content

from edgellm.safetext import clean_line


def greeting_lines(model: str) -> list[Content]:
    """The lines, with the model that would answer."""
    return [
        Content(""),
        Content.assemble("  ", ("EdgeLLM", "bold $primary")),
        Content.assemble("  ", ("A language model on your own computer. ", "text"), ("Nothing leaves it.", "dim")),
        Content(""),
        Content.assemble("  ", ("Model  ", "dim"), (clean_line(model), "name"), ("   Ctrl+T switches", "dim")),
        Content(""),
        _keys(("Enter", "sends"), ("Ctrl+J", "new line"), ("/", "commands"), ("@", "puts a file in")),
        _keys(("F3", "earlier conversations"), ("/explain", "shows how a model writes")),
    ]


def _keys(*keys: tuple[str, str]) -> Content:
    named = [Content.assemble((key, "strong"), (f" {what}", "dim")) for key, what in keys]
    return Content("  ") + Content.styled("   ", "dim").join(named)
