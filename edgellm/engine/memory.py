"""What the KV cache holds: who gets a place in it, what is parked there, what has to leave."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from enum import Enum

from edgellm.engine.backend import BackendInfo
from edgellm.engine.beginnings import WORTH_RESTORING_TOKENS, Beginnings, Source
from edgellm.engine.config import EngineConfig
from edgellm.engine.hostcache import HostCache, HostState
from edgellm.engine.plan import CacheKey, MemoryOperation, Restore, Save, Share, Trim
from edgellm.engine.prefix import PrefixTree
from edgellm.engine.sequence import Sequence
from edgellm.engine.slots import Slots

DECODE_HEADROOM_TOKENS = 16
"""Cells kept free for each running sequence when another one is admitted: fewer preemptions."""
WORTH_KEEPING_TOKENS = 16
"""A parked text that has fewer tokens in common with the only one that runs makes way for it."""


class Admission(Enum):
    """What became of a sequence that asked for a place."""

    PLACED = "placed"
    RESTORING = "restoring"
    """Placed, and its beginning is read back: the plan must end here."""
    LATER = "later"
    """Its beginning is being computed by another sequence."""
    FULL = "full"
    """There is no room next to those that run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parked:
    """A text that stays in the KV cache although nobody continues it."""

    key: CacheKey
    tokens: tuple[int, ...]
    conversation: str | None
    """Whose text it is."""
    is_unsaved: bool
    """Whether it has to be written to disk before it leaves."""


class Memory:
    """Owner of slots and cells, of the prefix tree over them, and of the host cache behind them.

    Every change is noted in the books at once and handed out as operations for the backend, in order.
    """

    def __init__(self, info: BackendInfo, config: EngineConfig) -> None:
        self.slots = Slots(info.max_sequences, info.context_tokens)
        self.host = HostCache(config.host_cache_bytes, info.state_bytes_per_token)
        self.parked: dict[int, Parked] = {}  # least recently used first
        self.evictions = 0
        self._tree: PrefixTree[int] = PrefixTree()
        self.beginnings = Beginnings(
            slots=self.slots, tree=self._tree, host=self.host, parked=self.parked, can_share=info.can_share_prefix
        )
        self._can_park = config.use_prefix_cache
        self._max_parked = config.max_parked
        self._keeps_conversations = config.disk_cache_dir is not None
        self._operations: list[MemoryOperation] = []

    def take_operations(self) -> tuple[MemoryOperation, ...]:
        """The operations since the last call."""
        operations = tuple(self._operations)
        self._operations.clear()
        return operations

    def admit(self, sequence: Sequence, running: Collection[Sequence]) -> tuple[Admission, Source]:
        """Give the sequence a slot with the longest beginning that is known, when there is room."""
        tokens = sequence.tokens()
        if not running:
            self._push_out_strangers(sequence.key, tokens)
        sources, is_coming = self._sources(sequence, tokens, running)
        if is_coming:
            return Admission.LATER, sources[0]
        for source in sources:
            if self._fits(source, len(tokens), running):
                self._place(sequence, tokens, source)
                return (Admission.RESTORING if source.state else Admission.PLACED), source
        return Admission.FULL, sources[0]

    def _sources(
        self, sequence: Sequence, tokens: tuple[int, ...], running: Collection[Sequence]
    ) -> tuple[list[Source], bool]:
        """What the sequence could begin with, and whether more of it is being computed just now."""
        if sequence.request.scores is not None:  # the logits of every position are wanted
            return [Source()], False
        common = self._tree.matches(sequence.key, tokens[:-1])
        sources = self.beginnings.sources(sequence, tokens, common)
        return sources, self.beginnings.is_coming(common, sources[0].length, running)

    def park(self, sequence: Sequence) -> None:
        """The sequence has ended: keep its text for later prompts, as far as it was computed."""
        slot, sequence.slot = sequence.slot, None
        assert slot is not None
        held = self.slots.held(slot)
        if not self._can_park or held == 0 or sequence.is_forgotten:
            self._release(slot)
            return
        tokens = sequence.tokens_between(0, held)
        conversation = sequence.request.conversation
        self._release_older(sequence.key, tokens, conversation)
        self._tree.insert(sequence.key, tokens, slot)
        is_unsaved = conversation is not None and self._keeps_conversations
        self.parked[slot] = Parked(key=sequence.key, tokens=tokens, conversation=conversation, is_unsaved=is_unsaved)
        while len(self.parked) > self._max_parked:
            self.evict_one()

    def preempt(self, sequence: Sequence) -> None:
        """Take the sequence's memory away; its state goes to the host cache."""
        slot, sequence.slot = sequence.slot, None
        assert slot is not None
        tokens = sequence.tokens_between(0, self.slots.held(slot))
        self._tree.remove(slot)
        if not sequence.is_forgotten and self._is_worth_saving(sequence.key, tokens):
            self._operations.append(Save(slot, sequence.key, tokens, sequence.request.conversation))
        self._release(slot)

    def evict_one(self, but: int | None = None) -> bool:
        """Push the least recently used parked text out. Returns False when there is none besides slot `but`."""
        slot = next((slot for slot in self.parked if slot != but), None)
        if slot is None:
            return False
        self._evict(slot)
        return True

    def _push_out_strangers(self, key: CacheKey, tokens: tuple[int, ...]) -> None:
        """Evict what is parked and has nothing to do with the text that will run alone.

        Attention reads the cache up to its last occupied cell, whoever owns what is there: 1,500 parked tokens slow
        each step of a 135M model by 4 %, and moving them to host memory costs as much as a few steps. What host memory
        cannot take stays: reading it again would cost far more.
        """
        common = self._tree.matches(key, tokens)
        for slot, parked in list(self.parked.items()):
            is_stranger = common.get(slot, 0) < min(WORTH_KEEPING_TOKENS, len(parked.tokens), len(tokens))
            if is_stranger and self.host.has_room_for(len(parked.tokens)):
                self._evict(slot)

    def _evict(self, slot: int) -> None:
        parked = self.parked.pop(slot)
        self._tree.remove(slot)
        if parked.is_unsaved or self._is_worth_saving(parked.key, parked.tokens):
            self._operations.append(Save(slot, parked.key, parked.tokens, parked.conversation, parked.is_unsaved))
        self._release(slot)
        self.evictions += 1

    def make_room(self, cells: int, but: int | None = None) -> bool:
        """Evict until so many cells are free. Returns whether they are."""
        while self.slots.free_cells < cells:
            if not self.evict_one(but):
                return False
        return True

    def forget_conversation(self, conversation: str) -> None:
        """Release the conversation's texts here and in host memory; what is on disk is not this owner's."""
        self._operations = [o for o in self._operations if not (isinstance(o, Save) and o.conversation == conversation)]
        for slot, parked in list(self.parked.items()):
            if parked.conversation == conversation:
                del self.parked[slot]
                self._release(slot)
        self.host.forget(conversation)

    def note_saved(self, slot: int) -> None:
        """The parked conversation in the slot is on disk now."""
        self.parked[slot] = replace(self.parked[slot], is_unsaved=False)

    def note_lost(self, restore: Restore) -> None:
        """The state could not be read back: the slot is empty, the state is not tried again."""
        self.slots.trim(restore.slot, 0)
        if isinstance(restore.state, HostState):
            self.host.drop(restore.state)

    def _fits(self, source: Source, length: int, running: Collection[Sequence]) -> bool:
        """Whether the sequence can be computed to its newest token without touching those that run."""
        kept = [(s.slot, self.slots.held(s.slot)) for s in running if s.slot is not None]
        owed = sum(s.length for s in running) - sum(held for _, held in kept)
        headroom = DECODE_HEADROOM_TOKENS * (len(running) + 1) if running else 0
        own = length
        if source.slot is not None:
            kept.append((source.slot, source.length))
            own = length - source.length
        elif source.state is not None:  # all of it has to fit before it can be trimmed
            own = max(length, len(source.state.tokens))
        return self.slots.cells_of(kept) + owed + own + headroom <= self.slots.capacity

    def _place(self, sequence: Sequence, tokens: tuple[int, ...], source: Source) -> None:
        slot = self._claim(source) if source.slot is not None else None
        if slot is None:
            slot = self._free_slot()
            self._fill(slot, source)
        self._tree.insert(sequence.key, tokens, slot)
        sequence.slot = slot
        sequence.saved = None

    def _claim(self, source: Source) -> int | None:
        """Continue a parked slot itself when the whole of it is wanted, or when no other slot is free."""
        slot = source.slot
        assert slot is not None
        if slot not in self.parked:
            return None
        whole = self.slots.held(slot) == source.length
        if not whole and (self.slots.free_slots or self.evict_one(but=slot)):
            return None
        del self.parked[slot]
        if not whole:
            self._trim(slot, source.length)
        return slot

    def _free_slot(self) -> int:
        while not self.slots.free_slots:
            evicted = self.evict_one()
            assert evicted, "more sequences run than there are slots"
        return self.slots.take()

    def _fill(self, slot: int, source: Source) -> None:
        if source.slot is not None:
            self.slots.share(source.slot, slot, source.length)
            self._operations.append(Share(source.slot, slot, source.length))
            if source.slot in self.parked:  # now the most recently used
                self.parked[source.slot] = self.parked.pop(source.slot)
        elif source.state is not None:
            self.make_room(len(source.state.tokens))
            self.slots.extend(slot, len(source.state.tokens))
            self.slots.trim(slot, source.length)
            self._operations.append(Restore(slot, source.state, source.length))
            if isinstance(source.state, HostState):
                self.host.touch(source.state)

    def _trim(self, slot: int, start: int) -> None:
        self.slots.trim(slot, start)
        self._operations.append(Trim(slot, start))

    def _release(self, slot: int) -> None:
        """Empty the slot and make it free."""
        self._tree.remove(slot)
        if self.slots.held(slot):
            self._operations.append(Trim(slot, 0))
        self.slots.give_back(slot)

    def _release_older(self, key: CacheKey, tokens: tuple[int, ...], conversation: str | None) -> None:
        """Release parked texts that `tokens` continue; only a conversation's newest text will be written to disk."""
        common = self._tree.matches(key, tokens)
        for slot, parked in list(self.parked.items()):
            if parked.is_unsaved and (parked.conversation, parked.key.tenant) == (conversation, key.tenant):
                parked = self.parked[slot] = replace(parked, is_unsaved=False)
            if not parked.is_unsaved and common.get(slot, 0) == len(parked.tokens):
                del self.parked[slot]
                self._release(slot)

    def _is_worth_saving(self, key: CacheKey, tokens: tuple[int, ...]) -> bool:
        """Whether the text would be lost otherwise, and host memory can take it."""
        if len(tokens) < WORTH_RESTORING_TOKENS or not self.host.has_room_for(len(tokens)):
            return False
        return self.beginnings.covered_tokens(key, tokens) < len(tokens)
