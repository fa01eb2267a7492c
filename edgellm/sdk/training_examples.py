"""What a run learns from, as its caller names it: a dataset, a file with its columns, or drafts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgellm.errors import InvalidInput
from edgellm.paths import as_text
from edgellm.sdk.datasets import Columns

if TYPE_CHECKING:  # numpy, and what reading needs, are imported when examples are read
    from edgellm.data.dataset import Manifest


@dataclass(frozen=True, slots=True)
class Examples:
    """What is learnt from, as the caller names it."""

    data: str | Path
    columns: Columns | None

    @property
    def source(self) -> str | Path:
        """`drafts:NAME` as it is, anything else as a path."""
        from edgellm.data.draft_source import PREFIX

        data = self.data
        return data if isinstance(data, str) and data.startswith(PREFIX) else Path(data).expanduser()

    def check_no_columns(self, what: str) -> None:
        """Raises: InvalidInput when columns are named where `what` has none to choose from."""
        if self.columns:
            hint = "Leave the columns out, or learn from a file of examples."
            raise InvalidInput(f"{what}; its columns cannot be chosen.", hint=hint, field="columns")

    def check_source(self) -> None:
        """Whether a dataset can be made of it, as far as that is known before it is read.

        Raises: InvalidInput when there is no such file, or it has no columns to be named; DataRejected when nobody
        knows what it is.
        """
        from edgellm.data.detect import Format, detect

        source = self.source
        if isinstance(source, str):
            self.check_no_columns(f"{source!r} are drafted examples")
        elif not source.exists():
            raise InvalidInput(
                f"{str(self.data)!r} is neither a dataset nor a file.",
                hint="See which datasets there are: edgellm data list",
                field="data",
            )
        elif self.columns and detect(source, as_text(source)).format in (Format.TEXT, Format.FOLDER):
            self.check_no_columns(f"{as_text(source)!r} is plain text")

    def made(self, dataset: Manifest) -> bool:
        """Whether a dataset is these examples, read in the same way by the default rules."""
        from edgellm.data.rules import Rules
        from edgellm.data.schemas import AS_GIVEN, chosen_columns, schema_as_given

        if [each.path for each in dataset.sources] != [as_text(self.source)] or dataset.rules != Rules():
            return False
        schema = dataset.sources[0].schema
        if self.columns:
            return schema == schema_as_given(chosen_columns(self.columns)).described
        return not schema.startswith(AS_GIVEN)
