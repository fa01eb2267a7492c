"""One holder at a time, and no lock file afterwards."""

from __future__ import annotations

import threading
from pathlib import Path

from edgellm.file_lock import locked


def test_a_lock_keeps_others_out_and_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "folder" / ".name.lock"
    inside: list[int] = []
    most: list[int] = []

    def work() -> None:
        for _ in range(3):
            with locked(path):
                inside.append(1)
                most.append(len(inside))
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert most == [1] * 12
    assert not path.exists()
