"""Transfers from a hub that cuts, lies and redirects."""

from __future__ import annotations

import hashlib
import time
from collections import deque

import pytest

from edgellm.errors import (
    DownloadError,
    IntegrityError,
)
from edgellm.hub.installed import Library
from tests.fakehub import FakeHub, Fault, fake_hub
from tests.unit.hub.pulls import CONTENT, FILE, REPOSITORY, SIZE, assert_nothing_final, fetch


@pytest.mark.parametrize("share", [0.01, 0.5, 0.99])
def test_a_cut_is_continued(hub: FakeHub, library: Library, share: float) -> None:
    hub.faults = deque([Fault(cut_after=int(share * SIZE))])
    assert fetch(hub, library).path.read_bytes() == CONTENT
    assert hub.sent_bytes == SIZE


def test_twenty_cuts_in_a_row_send_every_byte_once(hub: FakeHub, library: Library) -> None:
    hub.faults = deque([Fault(cut_after=SIZE // 25)] * 20)
    assert fetch(hub, library).path.read_bytes() == CONTENT
    assert len(hub.file_requests) == 21
    assert hub.sent_bytes == SIZE


def test_a_hub_that_never_sends_anything_is_given_up_and_the_part_is_kept(hub: FakeHub, library: Library) -> None:
    hub.faults = deque([Fault(cut_after=SIZE // 2)])
    hub.always = Fault(cut_after=0)
    with pytest.raises(DownloadError, match="could not be fetched"):
        fetch(hub, library)
    assert_nothing_final(library)
    hub.always = Fault()
    fetch(hub, library)
    assert hub.sent_bytes == SIZE


@pytest.mark.parametrize(
    "fault",
    [
        Fault(stated_length=SIZE // 3),
        Fault(stated_length=SIZE * 3),
        Fault(stated_length=0),
        Fault(cut_after=SIZE // 2, stated_length=SIZE // 2),
    ],
)
def test_a_false_length_is_survived(hub: FakeHub, library: Library, fault: Fault) -> None:
    hub.faults = deque([fault])
    assert fetch(hub, library).path.read_bytes() == CONTENT


@pytest.mark.parametrize("stated", ["bytes 0-9/10", f"bytes 7-{SIZE - 1}/{SIZE}", "nonsense", f"bytes 0-1/{2**70}"])
def test_a_false_range_is_not_believed(hub: FakeHub, library: Library, stated: str) -> None:
    hub.faults = deque([Fault(cut_after=SIZE // 2), Fault(stated_range=stated)])
    assert fetch(hub, library).path.read_bytes() == CONTENT


def test_a_hub_that_always_states_a_false_range_is_given_up(hub: FakeHub, library: Library) -> None:
    hub.faults = deque([Fault(cut_after=SIZE // 2)])
    hub.always = Fault(stated_range="bytes 0-9/10")
    with pytest.raises(DownloadError, match="not what was asked for"):
        fetch(hub, library)
    assert_nothing_final(library)


def test_a_server_without_ranges_starts_over(hub: FakeHub, library: Library) -> None:
    hub.faults = deque([Fault(cut_after=SIZE // 2), Fault(ignores_range=True)])
    assert fetch(hub, library).path.read_bytes() == CONTENT


def test_a_server_that_cannot_continue_starts_over(hub: FakeHub, library: Library) -> None:
    hub.faults = deque([Fault(cut_after=SIZE // 2), Fault(status=416)])
    assert fetch(hub, library).path.read_bytes() == CONTENT


def test_a_wrong_hash_is_deleted_and_a_later_pull_works(hub: FakeHub, library: Library) -> None:
    hub.wrong_hash = True
    with pytest.raises(IntegrityError) as caught:
        fetch(hub, library)
    assert caught.value.facts["found"] == hashlib.sha256(CONTENT).hexdigest()
    assert_nothing_final(library)
    assert not list(library.folder.glob(".*.part"))
    hub.wrong_hash = False
    assert fetch(hub, library).path.read_bytes() == CONTENT


def test_damaged_bytes_are_deleted(hub: FakeHub, library: Library) -> None:
    hub.faults = deque([Fault(cut_after=SIZE // 2), Fault(corrupt=True)])
    with pytest.raises(IntegrityError):
        fetch(hub, library)
    assert_nothing_final(library)


def test_the_token_never_follows_to_another_host(hub: FakeHub, library: Library) -> None:
    with fake_hub() as other:
        other.files[REPOSITORY] = {FILE: CONTENT}
        hub.needs_token = "secret"
        hub.always = Fault(redirect=f"{other.url}/cdn?signature=abc")
        other.faults = deque([Fault(cut_after=SIZE // 2)])
        assert fetch(hub, library, token="secret").path.read_bytes() == CONTENT
        assert len(other.seen) == 2
        assert not [seen for seen in other.seen if "authorization" in seen.headers]
        assert all(seen.headers["authorization"] == "Bearer secret" for seen in hub.seen)


def test_endless_and_unsafe_redirects_are_refused(hub: FakeHub, library: Library) -> None:
    hub.always = Fault(redirect=f"{hub.url}/cdn")
    with pytest.raises(DownloadError, match="redirects more than"):
        fetch(hub, library)
    hub.always = Fault(redirect="file:///etc/passwd")
    with pytest.raises(DownloadError, match="not safe"):
        fetch(hub, library)


@pytest.mark.parametrize("location", ["http://[", "http://127.0.0.1:99999/x", "http://a:b/x"])
def test_a_redirect_to_no_address_is_refused(hub: FakeHub, library: Library, location: str) -> None:
    hub.always = Fault(redirect=location)
    with pytest.raises(DownloadError, match="hub redirects from"):
        fetch(hub, library)


def test_numbers_that_are_none_are_only_another_attempt(hub: FakeHub, library: Library) -> None:
    hub.faults = deque(
        [
            Fault(cut_after=SIZE // 2),
            Fault(stated_range=f"bytes {'9' * 5000}-1/1"),
            Fault(status=429, retry_after="\xb2"),
        ]
    )
    assert fetch(hub, library).path.read_bytes() == CONTENT


def test_a_pause_that_the_hub_asks_for_is_kept(hub: FakeHub, library: Library) -> None:
    hub.faults = deque([Fault(status=429, retry_after="1")])
    start = time.monotonic()
    assert fetch(hub, library).size_bytes == SIZE
    assert time.monotonic() - start >= 1


def test_a_long_pause_is_an_error(hub: FakeHub, library: Library) -> None:
    hub.faults = deque([Fault(status=429, retry_after="3600")])
    with pytest.raises(DownloadError, match="status 429"):
        fetch(hub, library)
