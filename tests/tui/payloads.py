"""Texts that try to steer a terminal or an app."""

from __future__ import annotations

ESCAPES = (
    "\x1b]0;title\x07",
    "\x1b]2;title\x1b\\",
    "\x1b]8;;https://evil.example\x1b\\link\x1b]8;;\x1b\\",
    "\x1b]52;c;ZXZpbA==\x07",
    "\x1b]1337;File=name=x:AAAA\x07",
    "\x1b[2J\x1b[H",
    "\x1b[6n",
    "\x1b[?1049l",
    "\x1b[31mred",
    '\x1bP$q"p\x1b\\',
    "\x1b_Gf=100;AAAA\x1b\\",
    "\x1bc",
    "\x9b2J",
    "\x9d52;c;ZXZpbA==\x9c",
    "bell\x07",
    "back\x08\x08\x08space",
    "over\rwrite",
    "zero\x00byte",
    "\u202egnp.exe\u202c",
    "\u2066isolate\u2069",
    "zero\u200bwidth\ufeff",
    "del\x7f",
    "&#27;[2J &#155;2J &#x202e;x",
    "\udc9b2J",
)
MARKUP = (
    "[/path]",
    "[/",
    "[",
    "[[",
    "[@click=app.quit]press[/]",
    "[@click=app.bell()]x",
    "[bold",
    "[/bold]",
    "[red on blue]x[/red on blue]",
    "[$primary]x",
    "\\[/x]",
    "[link=https://evil.example]x[/link]",
    "[]",
    "[/]",
)
HOSTILE = ESCAPES + MARKUP


def is_harmless(text: str) -> bool:
    """Whether a text has no control character but newline and tab, no C1 and no bidirectional control."""
    return not any(
        (ord(c) < 0x20 and c not in "\n\t")
        or 0x7F <= ord(c) <= 0x9F
        or 0x202A <= ord(c) <= 0x202E
        or 0x2066 <= ord(c) <= 0x2069
        or 0xD800 <= ord(c) <= 0xDFFF
        for c in text
    )
