"""Radix tree of token texts: who holds a beginning of this prompt?"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Generic, TypeVar

Holder = TypeVar("Holder", bound=Hashable)


class PrefixTree(Generic[Holder]):
    """Texts by holder, shared beginnings stored once.

    A text lives under a key; texts of different keys never meet. Holders are kept in the order of their
    insertion, so that equal histories give equal answers.
    """

    def __init__(self) -> None:
        self._roots: dict[Hashable, _Node[Holder]] = {}
        self._ends: dict[Holder, _Node[Holder]] = {}

    def __contains__(self, holder: Holder) -> bool:
        return holder in self._ends

    def __len__(self) -> int:
        return len(self._ends)

    def insert(self, key: Hashable, tokens: tuple[int, ...], holder: Holder) -> None:
        """Note that `holder` has `tokens`; a text it had before is forgotten."""
        self.remove(holder)
        node = self._roots.setdefault(key, _Node(key=key))
        depth = 0
        while depth < len(tokens):
            child = node.children.get(tokens[depth])
            if child is None:
                child = node.add(tokens[depth:])
            else:
                common = common_length(child.edge, tokens, depth)
                if common < len(child.edge):
                    child = child.split(common)
            child.holders[holder] = None
            depth += len(child.edge)
            node = child
        self._ends[holder] = node

    def remove(self, holder: Holder) -> None:
        """Forget the holder's text, if it has one."""
        node = self._ends.pop(holder, None)
        while node is not None and node.parent is not None:
            del node.holders[holder]
            if not node.holders:
                del node.parent.children[node.edge[0]]
            node = node.parent
        if node is not None and not node.children and self._roots.get(node.key) is node:
            del self._roots[node.key]

    def matches(self, key: Hashable, tokens: Sequence[int]) -> dict[Holder, int]:
        """Every holder whose text begins like `tokens`, with the length of the common beginning."""
        found: dict[Holder, int] = {}
        node = self._roots.get(key)
        depth = 0
        while node is not None and depth < len(tokens):
            child = node.children.get(tokens[depth])
            if child is None:
                break
            common = common_length(child.edge, tokens, depth)
            depth += common
            for holder in child.holders:
                found[holder] = depth
            node = child if common == len(child.edge) else None
        return found


class _Node(Generic[Holder]):
    """A piece of text after its parent's, and all holders whose texts run through it."""

    __slots__ = ("children", "edge", "holders", "key", "parent")

    def __init__(
        self, *, key: Hashable = None, edge: tuple[int, ...] = (), parent: _Node[Holder] | None = None
    ) -> None:
        self.key = key
        self.edge = edge
        self.parent = parent
        self.children: dict[int, _Node[Holder]] = {}
        self.holders: dict[Holder, None] = {}

    def add(self, edge: tuple[int, ...]) -> _Node[Holder]:
        child: _Node[Holder] = _Node(edge=edge, parent=self)
        self.children[edge[0]] = child
        return child

    def split(self, length: int) -> _Node[Holder]:
        """Put a node for the first `length` tokens of the edge above this one. Returns it."""
        assert self.parent is not None
        upper = self.parent.add(self.edge[:length])
        upper.holders = dict(self.holders)
        self.edge = self.edge[length:]
        self.parent = upper
        upper.children[self.edge[0]] = self
        return upper


def common_length(edge: tuple[int, ...], tokens: Sequence[int], offset: int) -> int:
    """How many tokens of `edge` equal those of `tokens` from `offset` on; halving slices compares in C."""
    low, high = 0, min(len(edge), len(tokens) - offset)
    if edge[:high] == tuple(tokens[offset : offset + high]):
        return high
    while low + 1 < high:
        middle = (low + high) // 2
        if edge[low:middle] == tuple(tokens[offset + low : offset + middle]):
            low = middle
        else:
            high = middle
    return low
