"""What EdgeLLM advises in terms of the command line, in terms of the app's pages and keys."""

from __future__ import annotations

import re

from edgellm.safetext import clean_line

_SAID = tuple(
    (re.compile(pattern), said)
    for pattern, said in (
        (
            r"or remove it first: edgellm (models|adapters) remove \S+",
            "or remove it first (F9 on the models page, F4).",
        ),
        (r"`?edgellm data list`? shows", "The data page (F8) shows"),
        (r"`?edgellm sessions list`? shows", "The sessions page (F3) shows"),
        (r"Make it of documents: edgellm docs add \S+ -c \S+", "F5 on the documents page (Ctrl+F) makes one."),
        (r"Make one first: edgellm keys create NAME", "n on the server page (Ctrl+X) makes one."),
        (r"`?edgellm keys list`? shows", "The server page (Ctrl+X) shows"),
        (r"[Ss]tart one: edgellm serve", "s on the server page (Ctrl+X) starts one."),
        (r" Choose another one: --host, --port\.", " Choose another one."),
        (r"See which there are: edgellm eval list", "The evaluation page (Shift+F7) shows them."),
        (r"`?edgellm eval list`? shows", "The evaluation page (Shift+F7) shows"),
        (r"`?edgellm jobs list`? shows", "The training page (F7) shows"),
        (r"`?edgellm jobs resume`?", "r on the training page (F7)"),
        (r"`?edgellm jobs list`?", "on the training page (F7)"),
        (r"`?edgellm data list`?", "on the data page (F8)"),
        (r"`?edgellm sessions list`?", "on the sessions page (F3)"),
        (r"`?edgellm (models pull \S+|(models|adapters) list( --fits)?)`?", "on the models page (F4)"),
        (r"Decide: edgellm improve promote \S+", "p on the improve page (Shift+F4) lets it go live."),
        (r"Watch it: edgellm jobs follow \S+", "The improve page (Shift+F4) shows it."),
        (
            r"Say which is which, for example: ",
            "Say which is which with c in the report of what was found (a on the data page, F8), for example ",
        ),
    )
)
"""Pattern to what stands in its place. Commands that have no page stay: they can be typed in a terminal."""


def in_app(text: str) -> str:
    """One clean line of a message of EdgeLLM, with the app's keys in place of commands and flags."""
    line = clean_line(text)
    for pattern, said in _SAID:
        line = pattern.sub(said, line)
    return line
