"""Only lines that changed are reported, however a turn grows."""

from __future__ import annotations

import pytest
from edgellm_tui.render.blocks import highlighted
from edgellm_tui.render.markdown import MarkdownText
from edgellm_tui.turns import asked, awaited
from edgellm_tui.widgets.flow import Flow
from textual.content import Content

WIDTH = 60
DOCUMENT = (
    "# Title\n\nA paragraph with **strong** words that is long enough to wrap at the edge.\n\n- one\n- two\n\n"
    "```python\n"
    + "".join(f"value_{i} = {i}  # number\n" for i in range(40))
    + "```\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\nEnd.\n"
)


def screen(flow: Flow) -> list[tuple[str, list[object]]]:
    lines = [flow.line(y) for y in range(flow.height)]
    return [(line.plain, list(line.spans)) for line in lines]


@pytest.mark.parametrize("piece", [1, 7, 50])
def test_every_line_that_changed_is_in_the_range(piece: int) -> None:
    flow, answer = Flow(), awaited("m")
    flow.above = (Content(""),)
    flow.show([asked("q"), answer])
    flow.lay_out(WIDTH, None)
    before = screen(flow)
    for at in range(0, len(DOCUMENT), piece):
        answer.grow(DOCUMENT[at : at + piece])
        changed = flow.lay_out(WIDTH, None)
        after = screen(flow)
        for y in range(max(len(before), len(after))):
            if before[y : y + 1] != after[y : y + 1]:
                assert y in changed
        before = after


def test_a_growing_line_changes_nothing_else() -> None:
    flow, answer = Flow(), awaited("m")
    flow.show([asked("q"), answer])
    answer.grow("First paragraph.\n\nSecond")
    flow.lay_out(WIDTH, None)
    answer.grow(" one")
    assert len(flow.lay_out(WIDTH, None)) <= 2
    assert not flow.lay_out(WIDTH, None)


def test_a_closed_block_is_coloured_like_the_whole() -> None:
    grown = MarkdownText()
    for character in DOCUMENT:
        grown.append(character)
        grown.lines(WIDTH)
    whole = MarkdownText(DOCUMENT)
    assert all(a.is_same(b) for a, b in zip(grown.lines(WIDTH), whole.lines(WIDTH), strict=True))
    assert highlighted("value = 1", "python").spans
