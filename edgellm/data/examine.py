"""Every row through every rule: what is kept, what is dropped, and which split it goes to."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from edgellm.data.clean import clean
from edgellm.data.duplicates import Print, likeness, print_of
from edgellm.data.language import UNKNOWN, DetectLanguage
from edgellm.data.personal import PersonalData
from edgellm.data.report import Counts, Found, Problem, Report, Tokens, by_reason, first_examples
from edgellm.data.rows import (
    ChatRow,
    Dropped,
    Example,
    Reason,
    Record,
    Row,
    Source,
    TextRow,
    dropped,
    encode_row,
    row_from,
)
from edgellm.data.rules import Kind, Rules
from edgellm.data.sources import AnySource
from edgellm.data.split import SPLITS, Split, split
from edgellm.data.tokens import Measure, statistics
from edgellm.errors import DataRejected, InvalidInput
from edgellm.events import JobEvent, Progressed, Started

OnEvent = Callable[[JobEvent], None]
Spool = Callable[[bytes], object]
"""Takes the encoded row of every kept candidate, in order."""
EVENT_PAUSE_S = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What reading needs besides the rules."""

    detect_language: DetectLanguage
    measure: Measure | None = None
    """Counts tokens; None leaves lengths out."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What is remembered of a row that passed every rule about itself; its text is spooled."""

    id: str
    source: Source
    print: Print
    language: str
    tokens: int
    is_text: bool


@dataclass(frozen=True, slots=True)
class Examined:
    """All rows, each kept in a split or dropped once."""

    report: Report
    splits: list[Split | None]
    """For every spooled row its split; None for a near duplicate."""
    dropped: list[Dropped]


@dataclass
class _State:
    """What accumulates while rows come in."""

    rules: Rules
    tools: Tools
    spool: Spool
    personal: PersonalData
    kept: list[Kept] = field(default_factory=list)
    dropped: list[Dropped] = field(default_factory=list)
    first: dict[str, Source] = field(default_factory=dict)
    """Content ids seen, with the row that came first."""

    def take(self, record: Record) -> None:
        """One row through the rules that concern it alone, and exact duplicates."""
        example = clean(record, self.rules) if isinstance(record, Example) else record
        if isinstance(example, Example):
            example = self.personal.treat(example)
        if isinstance(example, Dropped):
            self.dropped.append(example)
            return
        row = row_from(example)
        first = self.first.setdefault(row.id, row.source)
        if first is not row.source:
            self.dropped.append(dropped(row.source, Reason.EXACT_DUPLICATE, f"same as {first}"))
            return
        self._keep(row)

    def _keep(self, row: Row) -> None:
        language = self.tools.detect_language(text_of(row))
        wanted = self.rules.languages
        if wanted and language not in (*wanted, UNKNOWN):
            self.dropped.append(dropped(row.source, Reason.LANGUAGE, f"the language is {language}"))
            return
        tokens = self._measured(row)
        if self.rules.long_rows == "drop" and tokens > self.rules.context_tokens:
            found = f"{tokens} tokens; the context has {self.rules.context_tokens}"
            self.dropped.append(dropped(row.source, Reason.TOO_LONG, found))
            return
        self.kept.append(Kept(row.id, row.source, print_of(row), language, tokens, isinstance(row, TextRow)))
        self.spool(encode_row(row))

    def _measured(self, row: Row) -> int:
        if self.tools.measure is None:
            return 0
        return self.tools.measure(row.messages) if isinstance(row, ChatRow) else self.tools.measure.text(row.text)


def examine(
    sources: Sequence[AnySource],
    rules: Rules,
    tools: Tools,
    spool: Spool,
    on_event: OnEvent,
    *,
    collect_problems: bool = False,
) -> Examined:
    """Read every source once, by the rules.

    With `collect_problems` a file that cannot be read is reported and the next one is read; otherwise it is raised.
    Raises: DataRejected, MissingExtra, InvalidInput.
    """
    if rules.long_rows == "drop" and tools.measure is None:
        raise InvalidInput("Rows can only be dropped by their length when a model counts tokens.", field="model")
    state = _State(rules, tools, spool, PersonalData(rules))
    problems: list[Problem] = []
    pace = _Pace(on_event)
    for source in sources:
        try:
            for record in source.records():
                state.take(record)
                pace.step(f"reading {source.report.path}")
        except DataRejected as error:
            if not collect_problems:
                raise
            problems.append(_problem(error, source.report.path))
    pace.say("comparing rows")
    settled = _settled(state, rules)
    report = _report(state, sources, problems, settled)
    return Examined(report, settled.splits, state.dropped + settled.repeats)


def text_of(row: Row) -> str:
    """All that users and models say in a row."""
    if isinstance(row, ChatRow):
        return "\n".join(message.content for message in row.messages if message.role != "system")
    return row.text


@dataclass(frozen=True, slots=True)
class _Settled:
    """What comparing all rows decided."""

    splits: list[Split | None]
    repeats: list[Dropped]
    groups: int


def _settled(state: _State, rules: Rules) -> _Settled:
    """The split of every kept row, and the near duplicates among them."""
    alike = likeness([kept.print for kept in state.kept], rules.similarity)
    repeats = alike.repeats if rules.near_duplicates == "drop" else {}
    rows = [row for row in range(len(state.kept)) if row not in repeats]
    place = {row: at for at, row in enumerate(rows)}
    groups = [place[alike.groups.first(row)] for row in rows]
    ids = [state.kept[row].id for row in rows]
    chosen = split(ids, groups, rules.valid_share, rules.test_share)
    splits: list[Split | None] = [None] * len(state.kept)
    for row, name in zip(rows, chosen, strict=True):
        splits[row] = name
    drops = [
        dropped(state.kept[row].source, Reason.NEAR_DUPLICATE, f"nearly the same as {state.kept[first].source}")
        for row, first in sorted(repeats.items())
    ]
    return _Settled(splits, drops, sum(size > 1 for size in Counter(groups).values()))


def _report(state: _State, sources: Sequence[AnySource], problems: list[Problem], settled: _Settled) -> Report:
    kept = [(row, name) for row, name in zip(state.kept, settled.splits, strict=True) if name is not None]
    drops = state.dropped + settled.repeats
    sizes = Counter(name for _, name in kept)
    counts = Counts(
        read=len(kept) + len(drops),
        kept=len(kept),
        dropped=by_reason(drops),
        splits={name: sizes[name] for name in SPLITS},
    )
    return Report(
        sources=tuple(source.report for source in sources),
        problems=tuple(problems),
        rules=state.rules,
        counts=counts,
        examples=first_examples(drops),
        groups=settled.groups,
        personal=tuple(_found(state.personal, kind, state.rules) for kind in Kind if state.personal.found[kind]),
        languages=dict(Counter(row.language for row, _ in kept).most_common()),
        tokens=_tokens(state, kept),
    )


def _found(personal: PersonalData, kind: Kind, rules: Rules) -> Found:
    return Found(kind=kind, matches=personal.found[kind], action=rules.action(kind))


def _tokens(state: _State, kept: Iterable[tuple[Kept, Split]]) -> Tokens | None:
    measure, context_tokens = state.tools.measure, state.rules.context_tokens
    if measure is None:
        return None
    conversations: dict[Split, list[int]] = {name: [] for name in SPLITS}
    texts: dict[Split, list[int]] = {name: [] for name in SPLITS}
    for row, name in kept:
        (texts if row.is_text else conversations)[name].append(row.tokens)
    by_split = {name: statistics(conversations[name], texts[name], context_tokens) for name in SPLITS}
    return Tokens(model=measure.model, context_tokens=context_tokens, splits=by_split)


def _problem(error: DataRejected, file: str) -> Problem:
    line = error.facts.get("line")
    return Problem(
        file=str(error.facts.get("file") or file),
        line=line if isinstance(line, int) else None,
        message=error.message,
        hint=error.hint,
        remedy=str(error.facts.get("remedy", "")),
    )


class _Pace:
    """Reports progress a few times a second at most."""

    def __init__(self, on_event: OnEvent) -> None:
        self._on_event = on_event
        self._rows = 0
        self._began = self._last = time.monotonic()
        on_event(Started(title="Reading examples", unit="rows"))

    def step(self, note: str) -> None:
        """One more row was read."""
        self._rows += 1
        if time.monotonic() - self._last >= EVENT_PAUSE_S:
            self.say(note)

    def say(self, note: str) -> None:
        """What is going on now."""
        self._last = time.monotonic()
        rate = self._rows / max(self._last - self._began, 1e-9)
        self._on_event(Progressed(done=self._rows, rate=rate, note=note))
