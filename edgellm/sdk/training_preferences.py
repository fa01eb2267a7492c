"""Judged answers in a training job: checked before it begins, tokenized as the model is served, told of at its end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgellm.engine.supervisor import Worker
from edgellm.engine.wire import TrainingRow
from edgellm.errors import DataRejected
from edgellm.sdk.training_request import PreferenceFile, TrainRequest
from edgellm.sdk.training_run import Outcome
from edgellm.train.rows import Pair, Probe, Row, RowSets
from edgellm.train.settings import TrainSettings
from edgellm.types import Message

if TYPE_CHECKING:  # numpy, and what reading needs, are imported when a file is read
    from edgellm.data.preference_fields import Preference
    from edgellm.data.preferences import Preferences

FAR_NATS = 0.5
"""A mean divergence from the reference above this is worth a note."""


def checked_file(path: Path, settings: TrainSettings) -> PreferenceFile:
    """A file that a job can learn from. Raises: DataRejected, MissingExtra."""
    found = _read(path.absolute(), settings)
    left_out = {str(reason): count for reason, count in found.left_out.items()}
    return PreferenceFile(path=str(path.absolute()), sha256=found.sha256, left_out=left_out)


def paired(file: PreferenceFile, worker: Worker, settings: TrainSettings) -> RowSets:
    """The rows of a checked file as the model reads them, each pair with one prompt.

    A pair whose prompt fills the context is left out.
    Raises: DataRejected when the file has changed, or when nothing is left; errors of the worker.
    """
    found = _read(Path(file.path), settings)
    if found.sha256 != file.sha256:
        raise DataRejected(
            f"{file.path}: the file has changed since the run was asked for.", hint="Start again.", file=file.path
        )
    train, valid = (tuple(_pairs(worker, rows, settings.context_tokens)) for rows in (found.train, found.valid))
    if not train or not valid:
        raise DataRejected(
            f"{file.path}: no row is left whose prompt leaves room for an answer in {settings.context_tokens} tokens.",
            hint="Raise the setting context_tokens.",
            file=file.path,
        )
    rows = [row for _, pair in train for row in pair.rows]
    left_out = len(found.train) + len(found.valid) - len(train) - len(valid)
    return RowSets(
        train=(),
        pairs=tuple(pair for _, pair in train),
        valid_pairs=tuple(pair for _, pair in valid),
        probe=_probe(*train[0]),
        cut=sum(len(row.tokens) == settings.context_tokens for row in rows),
        left_out=left_out,
        left_out_why=_UNUSABLE.format(settings.context_tokens) if left_out else "",
    )


_UNUSABLE = "Its prompt leaves no room for an answer in {} tokens, or the model's template does not take it."


def told(request: TrainRequest, sets: RowSets, outcome: Outcome) -> dict[str, Any]:
    """What the result of preference tuning says besides losses; nothing for other runs."""
    if request.preferences is None:
        return {}
    return {
        "preference": {
            "objective": request.settings.objective,
            "rows": len(sets.pairs),
            "held_out": len(sets.valid_pairs),
            "left_out": request.preferences.left_out,
            "notes": list(_notes(measured(outcome))),
        }
    }


def measured(outcome: Outcome) -> dict[str, float]:
    """What was measured on held-out rows before the first step and after the last: `valid_margin_first` and so on."""
    if not outcome.valid_measures:
        return {}
    first, last = outcome.valid_measures[0], outcome.valid_measures[-1]
    return {f"valid_{name}_first": value for name, value in first.items()} | {
        f"valid_{name}_last": value for name, value in last.items()
    }


def _notes(values: dict[str, float]) -> Iterator[str]:
    if values and values["valid_margin_last"] <= values["valid_margin_first"]:
        yield "On held-out rows the good answers gained nothing on the bad ones: more rows are needed, or more steps."
    if values.get("valid_kl_last", 0.0) > FAR_NATS:
        yield (
            f"The model strayed {values['valid_kl_last']:.2f} nats a token from what it was: a larger beta, a smaller "
            "learning rate or fewer epochs keep it closer."
        )


def _read(path: Path, settings: TrainSettings) -> Preferences:
    from edgellm.data.preferences import read_preferences

    return read_preferences(path, "judgements" if settings.objective == "kto" else "pairs")


def _pairs(worker: Worker, rows: Sequence[Preference], context_tokens: int) -> Iterator[tuple[Preference, Pair]]:
    others = [row.rejected if row.rejected is not None else _elsewhere(rows, at) for at, row in enumerate(rows)]
    talks = [
        (*row.prompt, Message(role="assistant", content=text))
        for row, other in zip(rows, others, strict=True)
        for text in (row.answer, other)
    ]
    made = [_row(each, context_tokens) for each in worker.training_rows(talks)]
    for row, answer, other in zip(rows, made[::2], made[1::2], strict=True):
        if answer is not None and other is not None and answer != other:
            yield row, Pair(answer, other, row.is_good)


def _elsewhere(rows: Sequence[Preference], at: int) -> str:
    """The next row's answer that belongs to another prompt; the next one's where all have the same."""
    following = (rows[(at + step) % len(rows)] for step in range(1, len(rows)))
    return next((row.answer for row in following if row.prompt != rows[at].prompt), rows[(at + 1) % len(rows)].answer)


def _row(made: list[TrainingRow] | str, context_tokens: int) -> Row | None:
    """The last answer's row; None where it cannot be rendered, or begins beyond the context."""
    if isinstance(made, str):
        return None
    row = Row(made[-1].tokens, made[-1].supervised[-1:]).cut(context_tokens)
    return row if row.targets else None


def _probe(row: Preference, pair: Pair) -> Probe:
    """Its question, as it is asked when the model is served."""
    start = pair.answer.supervised[0][0]
    return Probe(next(each.content for each in row.prompt if each.role == "user"), pair.answer.tokens[:start])
