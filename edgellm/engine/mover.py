"""Carries memory operations out: between the KV cache, host memory and disk."""

from __future__ import annotations

from edgellm.engine.backend import Backend, OutOfCells
from edgellm.engine.hostcache import HostState
from edgellm.engine.memory import Memory
from edgellm.engine.plan import MemoryOperation, Restore, Save, Share, Trim
from edgellm.engine.saved_conversations import ConversationStore
from edgellm.engine.sequence import Sequence
from edgellm.errors import InvalidInput


class Mover:
    """Makes the backend do what the books already say."""

    def __init__(self, backend: Backend, memory: Memory, conversations: ConversationStore | None) -> None:
        self._backend = backend
        self._memory = memory
        self._conversations = conversations

    def move(self, operations: tuple[MemoryOperation, ...]) -> bool:
        """Carry the operations out in order. Returns False when a state could not be read back: plan again."""
        for operation in operations:
            match operation:
                case Share(source, target, end):
                    self._backend.share(source, target, end)
                case Trim(slot, start):
                    self._backend.trim(slot, start)
                case Save():
                    self._save(operation)
                case Restore():
                    return self._restore(operation)
        return True

    def find_conversation(self, sequence: Sequence) -> None:
        """Remember the conversation on disk when memory does not cover the prompt; it is read when admitted."""
        request = sequence.request
        if self._conversations is None or request.conversation is None:
            return
        if self._memory.beginnings.covered_tokens(sequence.key, request.prompt) < len(request.prompt) - 1:
            sequence.saved = self._conversations.find(sequence.key, request.conversation)

    def save_conversations(self) -> None:
        """Write every parked conversation that is not on disk yet."""
        if self._conversations is None:
            return
        self.move(self._memory.take_operations())
        for slot, parked in list(self._memory.parked.items()):
            if parked.is_unsaved and parked.conversation is not None:
                state = self._backend.save(slot)
                self._conversations.write(parked.key, parked.conversation, parked.tokens, state)
                self._memory.note_saved(slot)
        while self._conversations.write_one():
            pass

    def forget_conversation(self, conversation: str) -> None:
        """Carry out what memory has forgotten of the conversation, and remove its saved states."""
        self.move(self._memory.take_operations())
        if self._conversations is not None:
            self._conversations.forget(conversation)

    def write_one(self) -> bool:
        """Write one evicted conversation. Returns False when none waits."""
        return self._conversations is not None and self._conversations.write_one()

    def _save(self, save: Save) -> None:
        state = self._backend.save(save.slot)
        self._memory.host.put(HostState(save.key, save.tokens, state, save.conversation))
        if save.is_unsaved and save.conversation is not None and self._conversations is not None:
            self._conversations.write_later(save.key, save.conversation, save.tokens, state)

    def _restore(self, restore: Restore) -> bool:
        try:
            self._backend.restore(restore.slot, restore.state.read())
        except (InvalidInput, OutOfCells):
            self._memory.note_lost(restore)
            return False
        if restore.end < len(restore.state.tokens):
            self._backend.trim(restore.slot, restore.end)
        return True
