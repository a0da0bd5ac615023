"""Engines on this machine. Implement `ports.Engine`.

They hold no data; the rows that pass through are under the purpose of whoever calls (flows, through the gate).
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from postreel.errors import SettingsError, TransientError

A = TypeVar("A")
B = TypeVar("B")


class LocalEngine:
    """One part after another, in this process; a part is taken up when its result is asked for."""

    def map(self, step: Callable[[A], B], parts: Sequence[A]) -> Iterator[B]:
        """The results in the order of the parts."""
        return map(step, parts)


class PoolEngine:
    """Parts over a pool of processes that start fresh, so that no lock, socket or key is inherited.

    Args:
        process_count: how many processes.

    Raises:
        SettingsError: fewer than one process.
    """

    def __init__(self, process_count: int) -> None:
        if process_count < 1:
            raise SettingsError(f"a pool needs at least one process, not {process_count}")
        self._process_count = process_count

    def map(self, step: Callable[[A], B], parts: Sequence[A]) -> Iterator[B]:
        """The results in the order of the parts. `step` must be a function with a name, and parts picklable.

        Raises:
            TransientError: a process of the pool died (out of memory, say).
        """
        spawn = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(min(self._process_count, max(len(parts), 1)), mp_context=spawn) as pool:
            try:
                yield from pool.map(step, parts)
            except BrokenProcessPool as e:
                raise TransientError("a process of the pool died; free memory or use fewer processes") from e
