"""The processes that share a run, as one of them sees it."""

from __future__ import annotations

from typing import TypeVar

import mlx.core as mx
from mlx.utils import tree_map

T = TypeVar("T")


class Ranks:
    """MLX's process group; of one process where there is none."""

    def __init__(self) -> None:
        self._group = mx.distributed.init()
        self.own: int = self._group.rank()
        self.count: int = self._group.size()

    @property
    def is_chief(self) -> bool:
        """Whether this process is the one that reports and saves."""
        return self.own == 0

    def sum(self, tree: T) -> T:
        """Arrays, alone or in a tree, added up over all processes; all must call it."""
        if self.count == 1:
            return tree
        summed: T = tree_map(lambda part: mx.distributed.all_sum(part, group=self._group), tree)
        return summed
