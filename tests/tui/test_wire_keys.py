"""Shift with a function key opens its page, by each sequence that terminals have for it."""

from __future__ import annotations

import pytest
from edgellm_tui.keys import as_sent
from textual._xterm_parser import XTermParser
from textual.pilot import Pilot

from tests.tui.conftest import app_of, opened, settle
from tests.tui.fakes import FakePreferences

SENT = {
    "\x1b[18;2~": "evaluate",
    "\x1b[19;2~": "queue",
    "\x1b[1;2S": "improve",
    "\x1b[57379u": "improve",
    "\x1b[1;2R": "monitor",
    "\x1b[13;2~": "monitor",
}
"""What xterm, tmux and most others send, F16 of a large keyboard, Shift+F3 by kitty's protocol; and the page."""


async def after(pilot: Pilot[None], sequence: str, page: str) -> None:
    for event in XTermParser().feed(sequence):
        pilot.app.post_message(event)
    await settle(pilot, lambda: app_of(pilot).frame.page == page)


@pytest.mark.parametrize("sequence", SENT)
async def test_a_page_opens_by_what_the_terminal_sends(sequence: str) -> None:
    async with opened() as pilot:
        await after(pilot, sequence, SENT[sequence])


async def test_also_when_the_user_chose_the_key() -> None:
    async with opened(preferences=FakePreferences(keys={"page.sessions": "f17"})) as pilot:
        await after(pilot, "\x1b[15;2~", "sessions")


def test_other_keys_have_one_name() -> None:
    assert as_sent("left,h") == "left,h"
    assert as_sent("f16,x") == "f16,x,shift+f4"
    assert as_sent("shift+f4") == "shift+f4,f16"
    assert as_sent("") == ""
