"""What a training job is asked to do."""

from __future__ import annotations

from typing import Any

import msgspec

from edgellm.decoding import convert
from edgellm.errors import InvalidInput
from edgellm.train.ring import Member, loopback, read_hosts
from edgellm.train.settings import TrainSettings, check


class PreferenceFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file of judged answers that was read when the run was asked for."""

    path: str
    """Absolute."""
    sha256: str
    left_out: dict[str, int] = {}
    """How many rows cannot be used, by reason."""


class TrainRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The arguments of a `train` job, JSON values."""

    dataset: str
    """Name of a dataset; of a file of judged answers, the name made from the file's."""
    base: str
    """Name of the base model."""
    name: str
    """What the adapter will be called; of dora and full, the model."""
    settings: TrainSettings
    preferences: PreferenceFile | None = None
    """What is learnt from in preference tuning, in place of the dataset."""
    start: str = ""
    """Name of an adapter of the base that goes on learning; empty: a new one."""
    ranks: int = 1
    """Processes on this machine that share each batch."""
    hosts: str = ""
    """Machines that share each batch, as `ring.read_hosts` reads them; empty: this one alone."""

    @property
    def makes_adapter(self) -> bool:
        """False: what is learnt has no adapter form, and becomes a model in the library."""
        return self.settings.makes_adapter

    @property
    def processes_here(self) -> int:
        """How many processes learn on this machine."""
        members = self.members()
        return max(1, sum(not member.target for member in members))

    def members(self) -> list[Member]:
        """The processes, at ports that are free now; none: one, here."""
        if self.hosts:
            return read_hosts(self.hosts)
        return loopback(self.ranks) if self.ranks > 1 else []


def request_from(arguments: Any) -> TrainRequest:
    """The request in a job's arguments. Raises: InvalidInput."""
    try:
        request = convert(arguments, TrainRequest)
    except msgspec.ValidationError as error:
        raise InvalidInput(f"The training job is not understood: {error}.", field="arguments") from error
    check(request.settings)
    if request.settings.is_preference != (request.preferences is not None):
        raise InvalidInput("Judged answers are learnt from by dpo, orpo and kto, and only by these.", field="objective")
    if not 1 <= request.ranks <= 64:
        raise InvalidInput(f"ranks is {request.ranks}; it must be from 1 to 64.", field="ranks")
    if request.hosts:
        read_hosts(request.hosts)
        if request.ranks > 1:
            raise InvalidInput("A run is shared by processes here or by other machines, not both.", field="ranks")
    return request
