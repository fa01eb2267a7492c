"""A dataset's card: what is in it, as Markdown for people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from edgellm.data.dataset import Manifest
from edgellm.data.rows import Reason
from edgellm.data.rules import Action, Kind
from edgellm.data.split import SPLITS
from edgellm.data.tokens import TokenStatistics
from edgellm.safetext import clean_line
from edgellm.sizes import size

REASONS = {
    Reason.MALFORMED: "damaged line or row",
    Reason.WRONG_TYPES: "a field that is no text",
    Reason.ROLES: "turns out of order",
    Reason.EMPTY: "empty question or answer",
    Reason.CONTROL_CHARACTERS: "control characters in a text",
    Reason.SHORT_ANSWER: "answer of one word",
    Reason.PERSONAL_DATA: "personal data",
    Reason.LANGUAGE: "another language",
    Reason.TOO_LONG: "longer than the context",
    Reason.EXACT_DUPLICATE: "exact duplicate",
    Reason.NEAR_DUPLICATE: "near duplicate",
    Reason.NO_DIFFERENCE: "two answers that are the same",
    Reason.CONTRADICTION: "judged the other way round elsewhere",
}
"""Every reason in words."""


def card(manifest: Manifest) -> str:
    """The card as Markdown."""
    parts = [
        f"# Dataset {manifest.name}",
        f"Made on {manifest.created}. Content hash `{manifest.dataset_hash}`.",
        "## Rows",
        _table(("split", "rows", "size"), _split_sizes(manifest)),
        f"Groups of rows that are alike or ask the same question (every group is in one split): {manifest.groups:,}.",
        "## Sources",
        _table(("file", "format", "rows", "size", "SHA-256"), _sources(manifest)),
        "## Left out",
        _left_out(manifest),
        "## Personal data",
        _personal(manifest),
        "## Languages",
        ", ".join(f"{code}: {rows:,}" for code, rows in manifest.languages.items()),
        "## Length",
        _lengths(manifest),
        "## Rules",
        _rules(manifest),
    ]
    return "\n\n".join(parts) + "\n"


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def _cell(text: str) -> str:
    """Text from files and names, harmless and without Markdown's column mark."""
    return clean_line(text).replace("|", "\\|")


def _split_sizes(manifest: Manifest) -> Iterable[Sequence[str]]:
    for name in SPLITS:
        yield name, f"{manifest.splits[name].rows:,}", size(manifest.splits[name].bytes)


def _sources(manifest: Manifest) -> Iterable[Sequence[str]]:
    for source in manifest.sources:
        yield source.path, f"{source.format}, {source.schema}", f"{source.rows:,}", size(source.bytes), source.sha256


def _left_out(manifest: Manifest) -> str:
    counts = manifest.counts
    if not counts.dropped:
        return f"Nothing: all {counts.read:,} rows that were read are in the dataset."
    rows = ((REASONS[reason], f"{number:,}") for reason, number in counts.dropped.items())
    table = _table(("reason", "rows"), rows)
    return f"Of {counts.read:,} rows that were read; each is listed in `dropped.jsonl`.\n\n{table}"


def _personal(manifest: Manifest) -> str:
    kept = [kind.value for kind in Kind if manifest.rules.action(kind) is Action.KEEP]
    looked = "Looked for: " + ", ".join(kind.value for kind in Kind) + "."
    looked += f" Kept as it is: {', '.join(kept)}." if kept else ""
    if not manifest.personal:
        return f"{looked} None was found."
    rows = ((found.kind.value, f"{found.matches:,}", found.action.value) for found in manifest.personal)
    return f"{looked} What no pattern shows (names, addresses) is not found.\n\n" + _table(
        ("kind", "matches", "done"), rows
    )


def _lengths(manifest: Manifest) -> str:
    tokens = manifest.tokens
    if tokens is None:
        return "Not measured: no model was named."
    rows = ((name, *_cells(found)) for name, found in tokens.splits.items())
    header = ("split", "min", "median", "95 %", "max", "total", "too long", "cut")
    return f"Tokens as {clean_line(tokens.model)} reads them; context {tokens.context_tokens:,}.\n\n" + _table(
        header, rows
    )


def _cells(found: TokenStatistics) -> Sequence[str]:
    numbers = (found.min, found.median, found.p95, found.max, found.total, found.over_context_rows)
    return (*(f"{number:,}" for number in numbers), f"{found.cut_share:.1%}")


def _rules(manifest: Manifest) -> str:
    rules = manifest.rules
    national = f" and national ones of {rules.phone_region}" if rules.phone_region else " alone"
    return "\n".join(
        (
            f"- answers of one word: {rules.short_answers}",
            f"- near duplicates (similarity {rules.similarity:g} and more): {rules.near_duplicates}",
            f"- rows longer than the context of {rules.context_tokens:,} tokens: {rules.long_rows}",
            f"- phone numbers: those with a country code{national}",
            f"- languages: {', '.join(rules.languages) or 'all'}",
            f"- split by content: {rules.valid_share:.0%} to validate, {rules.test_share:.0%} to test",
        )
    )
