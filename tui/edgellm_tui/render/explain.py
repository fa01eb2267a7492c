"""How a model writes, as lines: tokens as boxes, the choice at one position, and what it means in plain words."""

from __future__ import annotations

import math
from collections.abc import Sequence

from textual.content import Content

from edgellm.safetext import clean_line
from edgellm.types import TokenTrace

BAR_CELLS = 30
_PROMPT_LOOKS = ("$foreground on $panel", "$foreground on $primary 30%")
_SURE = ((0.8, "$foreground on $success 35%"), (0.4, "$foreground on $warning 30%"), (0.0, "$foreground on $error 35%"))


def visible(text: str) -> str:
    """A token's text with its white space shown."""
    return clean_line(text.replace("\n", "↵").replace("\t", "⇥")) or "∅"


def probability(logprob: float) -> float:
    """The probability of a natural logarithm, 0 to 1."""
    return min(1.0, math.exp(logprob))


def percent(share: float) -> str:
    """`62 %`, `0.4 %`, `<0.1 %`."""
    if share >= 0.1:
        return f"{share:.0%}".replace("%", " %")
    return f"{share * 100:.1f} %" if share >= 0.001 else "<0.1 %"


def prompt_boxes(texts: Sequence[str], width: int) -> list[Content]:
    """The prompt's tokens in two alternating looks."""
    boxes = [Content.styled(visible(text), _PROMPT_LOOKS[i % 2]) for i, text in enumerate(texts)]
    return flow(boxes, width)[0]


def answer_boxes(traces: Sequence[TokenTrace], current: int, width: int) -> tuple[list[Content], int]:
    """The written tokens, coloured by how sure the model was, and the line of the current one."""
    boxes = [_answer_box(trace, i == current) for i, trace in enumerate(traces)]
    lines, rows = flow(boxes, width)
    return lines, rows[current] if rows else 0


def _answer_box(trace: TokenTrace, is_current: bool) -> Content:
    share = probability(trace.logprob)
    look = next(look for least, look in _SURE if share >= least)
    text = visible(trace.text)
    return Content.styled(f"▸{text}◂", "bold $background on $foreground") if is_current else Content.styled(text, look)


def flow(boxes: Sequence[Content], width: int) -> tuple[list[Content], list[int]]:
    """Boxes one after another, broken between them; and the line each stands on."""
    lines: list[list[Content]] = [[]]
    rows: list[int] = []
    used = 0
    for box in boxes:
        box = box.truncate(max(width, 1), ellipsis=True)
        if used + box.cell_length > width and lines[-1]:
            lines.append([])
            used = 0
        lines[-1].append(box)
        used += box.cell_length
        rows.append(len(lines) - 1)
    return [Content("").join(line) for line in lines], rows


def choice_lines(trace: TokenTrace, width: int) -> list[Content]:
    """The chosen token among the ones it beat, as bars; the rest of the vocabulary in one line."""
    options = [(option.text, probability(option.logprob)) for option in trace.alternatives]
    if all(option.token != trace.token for option in trace.alternatives):
        options.append((trace.text, probability(trace.logprob)))
    chosen = trace.text
    options.sort(key=lambda option: -option[1])
    cells = max(8, min(BAR_CELLS, width - 40))
    lines = [_bar(text, share, cells, text == chosen) for text, share in options]
    rest = max(0.0, 1.0 - sum(share for _, share in options))
    lines.append(_bar("all other tokens", rest, cells, False, is_rest=True))
    return lines


def _bar(text: str, share: float, cells: int, is_chosen: bool, *, is_rest: bool = False) -> Content:
    name = text if is_rest else f"“{visible(text)}”"
    shown = Content(name).truncate(20, ellipsis=True)
    look = "bold $primary" if is_chosen else "$foreground 50%" if is_rest else "$foreground 85%"
    label = shown.pad_right(max(0, 20 - shown.cell_length)).stylize(look)
    done = max(1, round(share * cells)) if share > 0.0005 else 0
    bar = Content.assemble(("━" * done, "$primary" if is_chosen else "$foreground 45%"), " " * (cells - done))
    tail = Content.assemble((f" {percent(share):>7}", look), ("  ◂ written", "$primary") if is_chosen else "")
    return Content("  ") + label + Content(" ") + bar + tail


def certainty(entropy_bits: float) -> str:
    """An entropy in words: among how many equally likely tokens it was like choosing."""
    many = 2**entropy_bits
    if many < 1.15:
        return f"entropy {entropy_bits:.2f} bits: hardly any doubt"
    return f"entropy {entropy_bits:.2f} bits: as undecided as between {many:.1f} equally likely tokens"


def story(traces: Sequence[TokenTrace], current: int, temperature: float) -> str:
    """What happens at this step, for somebody who has never seen it."""
    trace = traces[current]
    share = probability(trace.logprob)
    best = trace.alternatives[0] if trace.alternatives else None
    if current == 0:
        return (
            "A model does one thing: it reads the text so far and gives every token of its vocabulary a probability. "
            "One token is drawn, added to the text, and it begins again. Press → to watch."
        )
    if best is not None and best.token != trace.token:
        return (
            f"“{visible(best.text)}” was likelier ({percent(probability(best.logprob))}), but the draw fell on "
            f"“{visible(trace.text)}”. Temperature {temperature:g} leaves room for that: so the same question can "
            "get different answers. At temperature 0 the likeliest always wins."
        )
    if share >= 0.9:
        return "Hardly a choice: after the text so far, almost everything speaks for this token."
    if share >= 0.5:
        return "The likeliest token was taken. Others were possible; each would have led the text somewhere else."
    return (
        "A real fork: no token had half of the probability. The model is not looking anything up; "
        "it continues the text, and here several continuations are plausible."
    )


def least_sure(traces: Sequence[TokenTrace]) -> int:
    """The position with the highest entropy."""
    return max(range(len(traces)), key=lambda i: traces[i].entropy, default=0)
