"""A command line in one process: what it is typed, where it writes, and which EdgeLLM it opens."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field

from edgellm.cli.command import run
from edgellm.cli.diagnostics import Diagnostics
from edgellm.cli.output import Output
from edgellm.cli.world import World
from tests.unit.cli.fakes import FakeEdge


class Stream(io.TextIOWrapper):
    """A text stream in memory that says whether it is a terminal."""

    def __init__(self, content: bytes = b"", *, is_terminal: bool = False) -> None:
        self.bytes = io.BytesIO(content)
        super().__init__(self.bytes, encoding="utf-8", newline="", write_through=True)
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        return self._is_terminal

    def fileno(self) -> int:
        raise OSError("no file behind this stream")

    @property
    def text(self) -> str:
        return self.bytes.getvalue().decode()


@dataclass
class Bench:
    """A command line to try, with what surrounds it."""

    edge: FakeEdge = field(default_factory=FakeEdge)
    stdin: bytes = b""
    is_terminal: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)
    out: str = ""
    err: str = ""

    def run(self, *arguments: str) -> int:
        """Run a command line. Returns: its exit code; `out` and `err` hold what it wrote."""
        out, err = Stream(is_terminal=self.is_terminal), Stream(is_terminal=self.is_terminal)
        with self._connected_stdin() as stdin:
            world = World(
                stdin=stdin,
                out=Output(out, self.environment),
                err=Diagnostics(err, self.environment),
                environment=self.environment,
                opener=self.edge.open,
            )
            code = run(arguments, world)
        self.out, self.err = out.text, err.text
        return code

    def _connected_stdin(self) -> io.TextIOWrapper:
        if self.is_terminal:
            return Stream(self.stdin, is_terminal=True)
        file = tempfile.TemporaryFile()  # noqa: SIM115  closed by the wrapper around it
        file.write(self.stdin)
        file.seek(0)
        return io.TextIOWrapper(file)
