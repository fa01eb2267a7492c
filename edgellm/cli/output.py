"""Everything on standard output: results."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from edgellm.cli.channel import Channel
from edgellm.cli.style import Part, dim, plain

if TYPE_CHECKING:
    from edgellm.cli.table import Column


class Output(Channel):
    """Standard output: text for people, or one JSON document for programs."""

    def table(self, header: Sequence[Column], rows: Sequence[Sequence[Part]]) -> None:
        """Aligned columns; on a terminal no wider than it is."""
        from edgellm.cli.table import lay_out

        for parts in lay_out(header, rows, self.width):
            self.line(*parts)

    def facts(self, pairs: Iterable[tuple[str, Part]]) -> None:
        """Names and values below each other; pairs without a value are left out."""
        shown = [(name, value) for name, value in pairs if plain(value)]
        wide = max((len(name) for name, _ in shown), default=0)
        for name, value in shown:
            self.hanging((dim(name.ljust(wide)), "  "), value)

    def text(self, text: str) -> None:
        """A whole document, made harmless, ending with a line break."""
        from edgellm.safetext import clean

        cleaned = clean(text)
        self.write(cleaned if cleaned.endswith("\n") else cleaned + "\n")

    def json(self, value: Any) -> None:
        """One JSON document; every character outside printable ASCII is written as an escape."""
        self.write(json_text(value) + "\n")


def json_text(value: Any) -> str:
    """JSON in which no control, C1 or bidirectional character survives unescaped."""
    import json

    import msgspec  # deferred: only `--json` needs it

    builtins = msgspec.to_builtins(value, enc_hook=str, str_keys=True)
    return json.dumps(builtins, ensure_ascii=True, indent=2).replace("\x7f", "\\u007f")
