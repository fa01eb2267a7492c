"""Opening what may be no file at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edgellm.data.detect import opened
from edgellm.errors import DataRejected


def test_a_folder_is_refused_and_its_descriptor_closed(tmp_path: Path) -> None:
    before = len(os.listdir("/dev/fd"))
    with pytest.raises(DataRejected, match="no regular file"), opened(tmp_path, "a"):
        pass
    assert len(os.listdir("/dev/fd")) == before
