"""Files of hosts, and what a member of a ring is told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgellm.errors import InvalidInput
from edgellm.train.joining import ssh_command
from edgellm.train.ring import FIRST_PORT, Member, addresses, loopback, read_hosts, ring_environment

HOSTS = """
# the office
10.0.0.1
10.0.0.2:5000 anna@mini   # under the desk
10.0.0.3 studio /opt/edgellm/bin/edgellm --plain
"""


def test_a_file_names_machines_in_order() -> None:
    assert read_hosts(HOSTS) == [
        Member("10.0.0.1", FIRST_PORT),
        Member("10.0.0.2", 5000, "anna@mini"),
        Member("10.0.0.3", FIRST_PORT + 2, "studio", ("/opt/edgellm/bin/edgellm", "--plain")),
    ]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "fewer than two"),
        ("10.0.0.1", "fewer than two"),
        ("10.0.0.1 me\n10.0.0.2 you", "first line is this machine"),
        ("10.0.0.1\n10.0.0.2", "needs what ssh connects to"),
        ("10.0.0.1\nstudio you", r"Line 2 begins with 'studio'"),
        ("10.0.0.1\n10.0.0.2:x you", r"Line 2 begins with '10\.0\.0\.2:x'"),
        ("10.0.0.1\n10.0.0.2:70000 you", "port 70000"),
        ("10.0.0.1\n10.0.0.2 -oProxyCommand=evil", "for an option"),
        ("10.0.0.1:7\n10.0.0.1:7 you", "same address and port"),
    ],
)
def test_what_is_wrong_with_a_file_is_named(text: str, what: str) -> None:
    with pytest.raises(InvalidInput, match=what):
        read_hosts(text)


def test_words_of_a_command_stay_words_over_there() -> None:
    member = Member("10.0.0.3", 5000, "studio", ("/opt/my tools/edgellm",))
    assert ssh_command(member)[-3:] == ["studio", "--", "'/opt/my tools/edgellm' train join"]


def test_loopback_members_have_ports_of_their_own() -> None:
    assert len(set(addresses(loopback(4)))) == 4


def test_each_rank_knows_all_and_takes_its_share_of_the_processors(tmp_path: Path) -> None:
    members = ["10.0.0.1:1", "10.0.0.1:2"]
    told = ring_environment(tmp_path, members, 1)
    assert told["MLX_RANK"] == "1"
    assert json.loads(Path(told["MLX_HOSTFILE"]).read_text()) == [["10.0.0.1:1"], ["10.0.0.1:2"]]
    assert ring_environment(tmp_path, members[:1], 0) == {}
