"""The work of a drafting job: passages of documents, pairs that the local model writes, and their checks."""

from __future__ import annotations

import datetime
import os
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import msgspec

from edgellm.data.draft_checks import Refusal, keys, refusal
from edgellm.data.drafts import FORMAT_VERSION, Drafted, DraftedPassage, DraftInfo, DraftStore, pair_id
from edgellm.data.passages import Passage, read_passages
from edgellm.errors import DataRejected, DatasetNotFound
from edgellm.events import Progressed, Started
from edgellm.sdk.draft_request import DraftRequest, request_from
from edgellm.sdk.drafting import (
    ABLE,
    CONTROLS,
    Claim,
    Wanted,
    WrittenPair,
    controls_right,
    judge,
    sentences_to_ask,
    write_pairs,
)
from edgellm.sdk.engines import Engines, Opened
from edgellm.sdk.inspections import library_in
from edgellm.sdk.work import Work
from edgellm.settings import load_settings


def draft(work: Work) -> dict[str, Any]:
    """Do a drafting job. Returns the yield as JSON values.

    A resumed job goes on with the passages that are not finished. Raises: DataRejected, ModelError, InvalidInput.
    """
    request = request_from(work.arguments)
    store = DraftStore(work.home.drafts)
    work.emit(Started(title="Reading documents"))
    passages = list(read_passages(request.files))
    if not passages:
        raise DataRejected("The documents hold no passage to ask about.", hint="A passage has five words or more.")
    began = time.monotonic()
    engines = Engines(work.home, load_settings(work.home, os.environ), library_in(work.home))
    try:
        model = engines.open(request.model, lambda _share: None, mode="generate")
        info = _begin(work, store, request, model)
        _Drafting(work, store, info, model).draft(passages)
    finally:
        engines.close()
    return summary(store, request.name) | {"draft_s": time.monotonic() - began}


def summary(store: DraftStore, name: str) -> dict[str, Any]:
    """The yield of a set as JSON values: `DraftCounts`, and what the model's own word was worth."""
    found = store.open(name)
    counts: dict[str, Any] = msgspec.to_builtins(found.counts)
    judged = {"judged_right": found.info.judged_right, "judged_of": found.info.judged_of}
    return {"name": name, "model": found.info.model, "counts_model": found.info.counts_model} | judged | counts


def _begin(work: Work, store: DraftStore, request: DraftRequest, model: Opened) -> DraftInfo:
    """What an earlier attempt noted, or a new set. Raises: InvalidInput when another job's set has the name."""
    try:
        info = store.info(request.name)
    except DatasetNotFound:
        pass  # the first attempt: the set is begun below
    else:
        if info.job != work.folder.name:
            store.check_vacant(request.name)
        return info
    work.emit(Started(title=f"Asking {model.name} what it can judge"))
    right = controls_right(model)
    info = DraftInfo(
        format_version=FORMAT_VERSION,
        name=request.name,
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        job=work.folder.name,
        model=model.name,
        files=request.files,
        per_passage=request.per_passage,
        judged_right=right,
        judged_of=len(CONTROLS),
        counts_model=right >= ABLE * len(CONTROLS),
    )
    store.begin(info)
    return info


class _Drafting:
    """One attempt: passages that are not finished, asked about in order."""

    def __init__(self, work: Work, store: DraftStore, info: DraftInfo, model: Opened) -> None:
        self._emit, self._store, self._info, self._model = work.emit, store, info, model
        self._finished: set[str] = set()
        self._earlier: set[str] = set()
        """What no later pair may ask or answer again."""
        self._supported = 0

    def draft(self, passages: Sequence[Passage]) -> None:
        for finished in self._store.finished(self._info.name):
            self._note(finished)
        left = [passage for passage in passages if passage.id not in self._finished]
        total, began = len(passages), time.monotonic()
        self._emit(Started(title=f"Drafting {self._info.name}", total=total, unit="passages"))
        for done, finished in enumerate(self._asked(left), 1):
            self._store.keep(self._info.name, finished)
            self._note(finished)
            rate = done / max(time.monotonic() - began, 1e-6)
            after = len(left) - done
            note = f"{self._supported} supported pairs"
            self._emit(Progressed(done=total - after, total=total, rate=rate, left_s=after / rate, note=note))

    def _note(self, passage: DraftedPassage) -> None:
        self._finished.add(passage.id)
        for pair in passage.pairs:
            if pair.refused is None:
                self._supported += 1
                self._earlier |= keys(pair.question, pair.answer)

    def _asked(self, passages: Sequence[Passage]) -> Iterator[DraftedPassage]:
        wanted = {passage.id: self._wanted(passage) for passage in passages}
        every = (one for some in wanted.values() for one in some)
        written = write_pairs(self._model, every, reads_passage=self._info.counts_model)
        for passage in passages:
            pairs = self._checked(passage, list(islice(written, len(wanted[passage.id]))))
            yield DraftedPassage(
                id=passage.id, title=passage.title, text=passage.text, source=passage.source, pairs=pairs
            )

    def _wanted(self, passage: Passage) -> list[Wanted]:
        return [Wanted(passage, sentence) for sentence in sentences_to_ask(passage, self._info.per_passage)]

    def _checked(self, passage: Passage, written: Sequence[WrittenPair | None]) -> tuple[Drafted, ...]:
        """The pairs with both checks; the model is asked about those that the words support, where its word counts."""
        earlier, checks = set(self._earlier), list[Refusal | None]()
        held = f"{passage.title}. {passage.text}" if passage.title else passage.text
        for pair in written:
            found = Refusal.UNREADABLE if pair is None else refusal(pair.question, pair.answer, held, earlier)
            checks.append(found)
            if pair is not None and found is None:
                earlier |= keys(pair.question, pair.answer)
        claims = [
            Claim(held, pair.question, pair.answer)
            for pair, found in zip(written, checks, strict=True)
            if pair is not None and found is None
        ]
        said = judge(self._model, claims) if self._info.counts_model else iter(())
        return tuple(
            _drafted(passage, pair or WrittenPair("", ""), found, next(said, None) if found is None else None)
            for pair, found in zip(written, checks, strict=True)
        )


def _drafted(passage: Passage, pair: WrittenPair, check: Refusal | None, model_says: bool | None) -> Drafted:
    refused = check or (Refusal.MODEL if model_says is False else None)
    question, answer = pair.question.strip(), pair.answer.strip()
    return Drafted(
        id=pair_id(passage.id, question, answer),
        question=question,
        answer=answer,
        check=check,
        model_says=model_says,
        refused=refused,
    )
