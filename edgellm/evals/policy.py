"""Policies: files that say what must hold before a model goes live.

TOML: `schema = 1`, `description`, and a `[[must]]` table for each rule. A rule names a suite (`*`: every other suite of
the policy and of the run), and one of these:

- `change = "better"` or `"not worse"`: what the paired test against the current version says
- `at_least`, `at_most`: bounds of the score, from 0 to 1, or with `measure` of what is measured beside it
- `measure` with `ratio_at_least`, `ratio_at_most`: bounds of that measure against the current version's

Two tables of their own ask for what no suite holds: `[speed]` with `ratio_at_least` (tokens a second against the
current version's, measured for this decision), and `[people]` with `win_rate_at_least` and `votes_at_least`.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec

from edgellm.decoding import convert
from edgellm.errors import DataRejected
from edgellm.evals.measures import MEASURES

SCHEMA = 1
MOST_BYTES = 1024 * 1024
DEFAULT = Path(__file__).parent / "policies" / "default.toml"
EVERY_OTHER = "*"
CHANGES = ("better", "not worse")
KEYS = ("schema", "description", "must", "speed", "people")
T = TypeVar("T", bound=msgspec.Struct)


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One thing that must hold."""

    suite: str
    change: str = ""
    measure: str = ""
    at_least: float | None = None
    at_most: float | None = None
    ratio_at_least: float | None = None
    ratio_at_most: float | None = None

    @property
    def needs_current(self) -> bool:
        """Whether it compares with the current version."""
        return bool(self.change) or self.ratio_at_least is not None or self.ratio_at_most is not None


class SpeedRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How fast a candidate must be."""

    ratio_at_least: Annotated[float, msgspec.Meta(gt=0)]
    """Tokens a second over those of the current version."""


class PeopleRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What people must have preferred."""

    win_rate_at_least: Annotated[float, msgspec.Meta(ge=0, le=1)]
    """From 0 to 1, of the candidate's answers against the current version's; ties count half."""
    votes_at_least: Annotated[int, msgspec.Meta(ge=1)]
    """How many votes there must be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Rules that all must hold."""

    path: str
    description: str
    rules: tuple[Rule, ...]
    speed: SpeedRule | None = None
    people: PeopleRule | None = None

    @property
    def suites(self) -> tuple[str, ...]:
        """Suites that the rules name, each once."""
        return tuple(dict.fromkeys(rule.suite for rule in self.rules if rule.suite != EVERY_OTHER))


def read_policy(path: Path) -> Policy:
    """The policy of a file. Raises: DataRejected with the file, the rule's number and what is wrong."""
    table = _table(path)
    if table.get("schema") != SCHEMA:
        message = f"{path}: `schema` is {table.get('schema')!r}; this EdgeLLM reads {SCHEMA}."
        raise DataRejected(message, hint=f"Write `schema = {SCHEMA}`.", file=str(path), field="schema")
    for key in table:
        if key not in KEYS:
            raise DataRejected(f"{path}: the key {key!r} is not known.", hint=_advice(key, KEYS), file=str(path))
    rows = table.get("must")
    if not isinstance(rows, list) or not rows:
        message = f"{path} has no rule, so that anything would pass."
        raise DataRejected(message, hint="Add [[must]] tables.", file=str(path), field="must")
    rules = tuple(_rule(path, number, row) for number, row in enumerate(rows, 1))
    found = Policy(
        path=str(path),
        description=str(table.get("description", "")),
        rules=rules,
        speed=_own(path, "speed", table.get("speed"), SpeedRule),
        people=_own(path, "people", table.get("people"), PeopleRule),
    )
    if not found.suites:
        raise DataRejected(f"{path} names no suite.", hint='Name one beside "*".', file=str(path), field="suite")
    return found


def _table(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise DataRejected(f"{path} is larger than {MOST_BYTES // 1024**2} MiB.", file=str(path))
        return tomllib.loads(path.read_text("utf-8-sig"))
    except OSError as error:
        raise DataRejected(f"{path} cannot be read: {error.strerror}.", file=str(path)) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DataRejected(f"{path} is no TOML: {error}.", file=str(path)) from error


def _rule(path: Path, number: int, row: Any) -> Rule:
    def wrong(what: str, hint: str = "") -> DataRejected:
        return DataRejected(f"{path}, rule {number}: {what}.", hint=hint, file=str(path), field="must")

    if isinstance(row, dict):
        for key in row:
            if key not in Rule.__struct_fields__:
                raise wrong(f"the key {key!r} is not known", _advice(key, Rule.__struct_fields__))
    try:
        rule = convert(row, Rule)
    except msgspec.ValidationError as error:
        raise wrong(str(error)) from error
    if rule.change and rule.change not in CHANGES:
        raise wrong(f"`change` is {rule.change!r}; it must be {' or '.join(map(repr, CHANGES))}")
    if rule.measure and rule.measure not in MEASURES:
        raise wrong(f"there is no measure {rule.measure!r}", _advice(rule.measure, MEASURES))
    asked = _asked(rule)
    if not asked:
        raise wrong("it asks for nothing", "Give `change`, `at_least`, `at_most` or a ratio.")
    if len(asked) > 1:  # the gate would look at one of them alone
        raise wrong(f"it asks for {' and '.join(asked)} at once", "Write a rule for each.")
    if "a ratio" in asked and not rule.measure:
        raise wrong("a ratio needs a `measure`", "Scores are compared with `change`.")
    if rule.change and rule.measure:
        raise wrong("`change` is about the score, not about a `measure`", "Compare a measure by a ratio.")
    return rule


def _asked(rule: Rule) -> list[str]:
    """Which kinds of demand a rule makes, as its errors name them."""
    found = {
        "`change`": bool(rule.change),
        "a bound": rule.at_least is not None or rule.at_most is not None,
        "a ratio": rule.ratio_at_least is not None or rule.ratio_at_most is not None,
    }
    return [name for name, is_asked in found.items() if is_asked]


def _own(path: Path, name: str, value: Any, kind: type[T]) -> T | None:
    """A table that is a rule by itself. Raises: DataRejected."""
    if value is None:
        return None
    try:
        return convert(value, kind)
    except msgspec.ValidationError as error:
        message = f"{path}, [{name}]: {error}."
        raise DataRejected(message, hint=_advice("", kind.__struct_fields__), file=str(path), field=name) from error


def _advice(key: str, known: Any) -> str:
    near = get_close_matches(key, known, 1)
    return f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(known)}."
