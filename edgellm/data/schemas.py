"""What the fields of a row mean: conversations, question and answer columns, or plain text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from edgellm.data.rows import Example, Reason, Record, Source, dropped
from edgellm.errors import DataRejected
from edgellm.types import Message, Role

Part = Literal["system", "prompt", "input", "completion", "text"]
PARTS: tuple[Part, ...] = ("system", "prompt", "input", "completion", "text")
"""What a column can be. `input` is appended to the prompt."""
NAMES: Mapping[Part, frozenset[str]] = {
    "system": frozenset({"system", "system_prompt"}),
    "prompt": frozenset({"prompt", "question", "instruction", "query", "user", "q"}),
    "input": frozenset({"input"}),
    "completion": frozenset({"completion", "answer", "response", "output", "reply", "assistant", "a"}),
    "text": frozenset({"text"}),
}
"""Column names that speak for themselves, in lower case."""
KNOWN_PAIRS = {
    ("prompt", "completion"): "prompt and completion",
    ("instruction", "output"): "Alpaca (instruction, input, output)",
}
ROLES: Mapping[str, Role] = {
    "system": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "model": "assistant",
    "bot": "assistant",
    "tool": "tool",
}
"""Names of roles in the wild."""
SHOWN_COLUMNS = 12
AS_GIVEN = "columns as given"


@dataclass(frozen=True, slots=True)
class Schema:
    """How the fields of one file's rows are read."""

    name: str
    columns: Mapping[Part, str]
    """Which column is which part; empty for conversations."""
    turns: str = ""
    """The column that holds a conversation as a list of turns."""
    unused: tuple[str, ...] = ()
    """Columns that are not read."""

    @property
    def required(self) -> tuple[str, ...]:
        """Columns that every row must have."""
        if self.turns:
            return (self.turns,)
        return tuple(column for part, column in self.columns.items() if part not in ("system", "input"))

    @property
    def described(self) -> str:
        """The schema in one line, for reports."""
        used = ", ".join(f"{part}={column}" for part, column in self.columns.items())
        return self.name + (f" ({used})" if used else "")

    def read(self, row: Mapping[str, Any], source: Source) -> Record:
        """The example in a row, or why there is none."""
        missing = [column for column in self.required if column not in row]
        if missing:
            return dropped(source, Reason.MALFORMED, f"the field {missing[0]!r} is missing")
        return self._conversation(row, source) if self.turns else self._parts(row, source)

    def _parts(self, row: Mapping[str, Any], source: Source) -> Record:
        texts: dict[Part, str] = {}
        for part, column in self.columns.items():
            value = row.get(column)
            if value is not None and not isinstance(value, str):
                return _wrong(source, column, value)
            texts[part] = value or ""
        if "text" in texts:
            return Example(source, text=texts["text"])
        prompt = "\n\n".join(part for part in (texts["prompt"], texts.get("input", "")) if part.strip())
        messages = [Message(role="user", content=prompt), Message(role="assistant", content=texts["completion"])]
        if texts.get("system", "").strip():
            messages.insert(0, Message(role="system", content=texts["system"]))
        return Example(source, tuple(messages))

    def _conversation(self, row: Mapping[str, Any], source: Source) -> Record:
        turns = row[self.turns]
        if not isinstance(turns, list):
            return _wrong(source, self.turns, turns)
        messages: list[Message] = []
        system = row.get("system")
        if isinstance(system, str) and system.strip():
            messages.append(Message(role="system", content=system))
        for number, turn in enumerate(turns, 1):
            message = read_turn(turn, number, source)
            if not isinstance(message, Message):
                return message
            messages.append(message)
        if not messages:
            return dropped(source, Reason.EMPTY, "the conversation has no turns")
        return Example(source, tuple(messages))


def read_turn(turn: object, number: int, source: Source) -> Message | Record:
    """One turn as OpenAI (role, content) or ShareGPT (from, value) writes it, or why the row is dropped."""
    if not isinstance(turn, dict):
        return _wrong(source, f"turn {number}", turn)
    name = turn.get("role", turn.get("from"))
    role = ROLES.get(name.lower()) if isinstance(name, str) else None
    if role is None:
        return dropped(source, Reason.ROLES, f"turn {number} has the role {name!r}")
    content = turn.get("content", turn.get("value"))
    if isinstance(content, list):
        content = _joined(content)
    if not isinstance(content, str):
        return _wrong(source, f"content of turn {number}", content)
    return Message(role=role, content=content)


def _joined(parts: list[Any]) -> str | None:
    """Content given as a list of text parts; None when another kind is among them."""
    texts = [part.get("text") if isinstance(part, dict) and part.get("type") == "text" else None for part in parts]
    return "".join(text for text in texts if isinstance(text, str)) if all(isinstance(t, str) for t in texts) else None


def _wrong(source: Source, column: str, value: object) -> Record:
    return dropped(source, Reason.WRONG_TYPES, f"{column} is {_kind(value)}, not text")


def _kind(value: object) -> str:
    names = {"NoneType": "null", "dict": "an object", "list": "a list", "bool": "true or false", "str": "text"}
    return names.get(type(value).__name__, "a number" if isinstance(value, int | float) else type(value).__name__)


def chosen_columns(said: str | Mapping[str, str]) -> dict[Part, str]:
    """`prompt=Question,completion=Answer`, or the same as a mapping, with the parts' own names.

    A part may also be called by a name that such a column speaks for itself with. Raises: DataRejected.
    """
    columns: dict[Part, str] = {}
    for name, column in said.items() if isinstance(said, Mapping) else _pairs(said):
        part = next((known for known in PARTS if name.strip().lower() in NAMES[known]), None)
        if part is None or not column.strip():
            raise DataRejected(
                f"{f'{name}={column}'.rstrip('=')!r} does not say which column is what.",
                hint=f"Write PART=COLUMN with PART one of {', '.join(PARTS)}: prompt=Question,completion=Answer",
                field="columns",
            )
        columns[part] = column.strip()
    if "text" not in columns and not {"prompt", "completion"} <= columns.keys():
        named = ", ".join(columns)
        raise DataRejected(
            f"The columns say {named} only; a row is a prompt with a completion, or a text.",
            hint="Name both, for example: prompt=Question,completion=Answer",
            field="columns",
        )
    if "text" in columns and len(columns) > 1:
        raise DataRejected("The columns name text and other parts; a row is one or the other.", field="columns")
    return columns


def _pairs(text: str) -> list[tuple[str, str]]:
    """What is left and right of each `=`; pairs are separated by commas, or by semicolons that each begin another."""
    pairs, by_semicolons = text.split(","), text.split(";")
    if len(pairs) == 1 and all("=" in pair for pair in by_semicolons):
        pairs = by_semicolons
    return [(name, column) for name, _, column in (pair.partition("=") for pair in pairs)]


def schema_as_given(columns: Mapping[Part, str], unused: tuple[str, ...] = ()) -> Schema:
    """How rows are read whose columns somebody has named."""
    return Schema(AS_GIVEN, dict(columns), unused=unused)


def find_schema(names: Iterable[str], source: Source, columns: Mapping[Part, str] | None = None) -> Schema:
    """How rows with these columns are read.

    `columns` is the user's own mapping; without it conversations and common column names are recognised.
    Raises: DataRejected when nothing or more than one thing fits; the message lists the columns.
    """
    found = [str(name) for name in names]
    if columns is not None:
        absent = [column for column in columns.values() if column not in found]
        if absent:
            raise _unclear(source, f"there is no column {absent[0]!r}", found)
        return schema_as_given(columns, _others(found, columns.values()))
    conversations = [name for name in found if name in ("messages", "conversations")]
    by_part = {part: [name for name in found if name.strip().lower() in NAMES[part]] for part in PARTS}
    has_pair = bool(by_part["prompt"] and by_part["completion"])
    if len(conversations) + has_pair > 1:
        raise _unclear(source, "both a conversation and a question with an answer were found", found)
    if conversations:
        name = "messages" if conversations[0] == "messages" else "ShareGPT (conversations)"
        return Schema(name, {}, turns=conversations[0], unused=_others(found, (conversations[0], "system")))
    return _columns_schema(by_part, has_pair, found, source)


def _columns_schema(by_part: Mapping[Part, list[str]], has_pair: bool, found: list[str], source: Source) -> Schema:
    parts: tuple[Part, ...] = ("system", "prompt", "input", "completion") if has_pair else ("text",)
    if not any(by_part[part] for part in parts) or (not has_pair and (by_part["prompt"] or by_part["completion"])):
        raise _unclear(source, "no column is known as question, answer or text", found)
    double = next((by_part[part] for part in parts if len(by_part[part]) > 1), None)
    if double:
        raise _unclear(source, f"the columns {double[0]!r} and {double[1]!r} could both be meant", found)
    columns = {part: by_part[part][0] for part in parts if by_part[part]}
    if not has_pair:
        name = "plain text"
    else:
        pair = (columns["prompt"].lower(), columns["completion"].lower())
        name = KNOWN_PAIRS.get(pair, "question and answer, by common column names")
    return Schema(name, columns, unused=_others(found, columns.values()))


def _others(found: list[str], used: Iterable[str]) -> tuple[str, ...]:
    taken = set(used)
    return tuple(name for name in found if name not in taken)


def _unclear(source: Source, problem: str, found: list[str]) -> DataRejected:
    shown = ", ".join(repr(name[:40]) for name in found[:SHOWN_COLUMNS]) + (", …" if len(found) > SHOWN_COLUMNS else "")
    return DataRejected(
        f"{source}: {problem}. Columns found: {shown or 'none'}.",
        hint="Say which is which, for example: prompt=Question,completion=Answer",
        remedy="columns",
        file=source.file,
        line=source.line,
    )
