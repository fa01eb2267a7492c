"""The starter model's worker is killed, and so is its face."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from edgellm.engine.config import EngineConfig
from edgellm.engine.supervisor import Worker
from edgellm.errors import WorkerDied
from edgellm.types import Delta, Notice, Sampling
from tests.live.starter import starter_path
from tests.unit.engine.process.faces import is_gone, text_of, user, wait_until

pytestmark = pytest.mark.live

QUESTION = user("What is the capital of France?")
SHORT = Sampling(temperature=0.0, max_tokens=8)
LONG = Sampling(temperature=0.0, max_tokens=400)
FACE = """
import sys, time
from edgellm.engine.config import EngineConfig
from edgellm.engine.supervisor import Worker
from tests.unit.engine.process.faces import user
worker = Worker.start(EngineConfig(model_path=sys.argv[1], context_tokens=4096, threads=1), log_dir=None)
stream = worker.chat(user("word " * int(sys.argv[2])))
print(worker.pid, flush=True)
for _ in stream:
    pass
time.sleep(60)
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGABRT])
def test_a_killed_worker_is_reported_and_replaced(how: signal.Signals) -> None:
    with Worker.start(EngineConfig(model_path=starter_path(), context_tokens=1024, threads=1), log_dir=None) as worker:
        answer = text_of(worker.chat(QUESTION, sampling=SHORT))
        stream = worker.chat(user("Tell me a long story."), sampling=LONG)
        while not isinstance(next(stream), Delta):
            continue
        os.kill(worker.pid, how)
        for _ in stream:
            continue
        with pytest.raises(WorkerDied, match=how.name):
            stream.result()
        events = list(worker.chat(QUESTION, sampling=SHORT))
        assert isinstance(events[0], Notice)
        assert text_of(events) == answer


@pytest.mark.parametrize("words", [5, 3000])
def test_a_killed_face_leaves_no_worker(words: int) -> None:
    """With 5 words the worker answers or already waits, with 3,000 it is in the middle of a prefill."""
    face = subprocess.Popen([sys.executable, "-c", FACE, starter_path(), str(words)], stdout=subprocess.PIPE)
    assert face.stdout is not None
    try:
        pid = int(face.stdout.readline())
        time.sleep(0.5)
        assert not is_gone(pid)
    finally:
        face.kill()
        face.wait()
        face.stdout.close()
    assert wait_until(lambda: is_gone(pid), 5.0)
