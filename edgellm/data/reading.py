"""One source while it is read: its schema, settled by the first row, and what was noticed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgellm.data.rows import Record, Source
from edgellm.data.schemas import Part, Schema, find_schema
from edgellm.errors import DataRejected


class Reading:
    """What the rows of one file have in common."""

    def __init__(self, file: str, columns: Mapping[Part, str] | None = None) -> None:
        self.file = file
        self.notes: list[str] = []
        """What is worth knowing and no error."""
        self.schema_name = ""
        self.columns = columns
        self._schema: Schema | None = None

    @property
    def has_schema(self) -> bool:
        """Whether a first row was understood."""
        return self._schema is not None

    def settle(self, schema: Schema) -> None:
        """Read every row by this schema."""
        self._schema = schema
        self.schema_name = schema.described
        if schema.unused:
            self.notes.append(f"columns not used: {', '.join(name[:40] for name in schema.unused[:12])}")

    def record(self, row: Mapping[str, Any], source: Source) -> Record:
        """The example in a row, by the schema of the first one.

        Raises: DataRejected when no schema fits the first row, or a later row follows another one.
        """
        if self._schema is None:
            self.settle(find_schema(row, source, self.columns))
        assert self._schema is not None  # settled above
        if self.columns is None and any(column not in row for column in self._schema.required):
            self._refuse_mixture(self._schema, row, source)
        return self._schema.read(row, source)

    def _refuse_mixture(self, schema: Schema, row: Mapping[str, Any], source: Source) -> None:
        try:
            other = find_schema(row, source)
        except DataRejected:
            return  # no schema at all: one damaged row
        raise DataRejected(
            f"{source}: this row is written as {other.described}, the rows before it as {schema.described}.",
            hint="Give each kind of row a file of its own.",
            file=source.file,
            line=source.line,
        )
