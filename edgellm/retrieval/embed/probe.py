"""Texts on which runtimes of one embedder are compared: lengths, scripts, code, signs, hardly anything."""

from __future__ import annotations

from edgellm.export.convert.probe import TEXTS as SCRIPTS

_STORY = (
    "The lighthouse keeper wrote down the weather every evening: "
    "wind from the north-west, force 6, visibility 4 miles. "
)
_LIST = "Article 12(3): the tenant gives notice in writing, three months before the end of the quarter. "

PROBES: tuple[str, ...] = (
    *(text for text in SCRIPTS if text.strip()),
    "a",
    ".",
    "?!",
    "   x   ",
    "\u200b",
    "[CLS] [SEP] [MASK] [PAD] [UNK] ##ing",
    "0",
    "𓀀𓀁",
    "cafe\u0301 café CAFÉ",
    "Ａｂｃ ｆｕｌｌｗｉｄｔｈ ﬁne ligature",
    "How do I reset the password of my account?",
    "What is the notice period?",
    "error: linker `cc` not found (os error 2)",
    "SELECT count(*) FROM users GROUP BY country HAVING count(*) > 10",
    "Invoice no. 2024-0117, 1.250,00 EUR, due 31.01.2024",
    "| Region | 2023 | 2024 |\n| --- | --- | --- |\n| North | 12.4 | 13.9 |",
    "From: ann@example.org\nTo: bob@example.org\nSubject: Re: minutes of Tuesday",
    "pneumonoultramicroscopicsilicovolcanoconiosis antidisestablishmentarianism",
    "The bank raised interest rates.",
    "Interest rates were raised by the central bank.",
    "A cat sleeps on the sofa.",
    "word " * 60,
    _STORY,
    _STORY * 4,
    _STORY * 9,
    _STORY * 40,
    _LIST * 3,
    _LIST * 12,
    "日本語の文章です。" * 30,
    "".join(f"{number}, " for number in range(300)),
)
