"""What is refused before anything learns."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgellm.errors import ModelRejected
from edgellm.gguf_header import read_header
from edgellm.train.gate import Gate, refuse
from tests.live.tiny_models import write_dense


def test_a_base_that_is_read_alike_passes(tmp_path: Path) -> None:
    refuse(read_header(Path(write_dense(tmp_path / "base.gguf"))), Gate(kl=3e-8, layers=2))


def test_a_refusal_names_the_part_and_the_family(tmp_path: Path) -> None:
    header = read_header(Path(write_dense(tmp_path / "base.gguf")))
    with pytest.raises(ModelRejected, match=r"attention of the family 'llama' differs, by 0\.25 nats"):
        refuse(header, Gate(kl=0.25, layers=2, fault="attention"))
