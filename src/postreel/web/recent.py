"""How often something was asked for lately, in this process's memory alone."""

from __future__ import annotations

import threading
from collections import OrderedDict

MANY = 10_000


class Recent:
    """At most `count` times in `seconds` for each name; forgets the oldest names when there are many."""

    def __init__(self, count: int, seconds: float) -> None:
        self._count = count
        self._seconds = seconds
        self._times: OrderedDict[int, list[float]] = OrderedDict()
        self._lock = threading.Lock()

    def is_within(self, name: str, now_s: float) -> bool:
        """Whether once more is within the limit; counts it where it is."""
        with self._lock:
            # Names are kept as hashes, salted anew by every process.
            kept = [at for at in self._times.pop(hash(name), []) if now_s - at < self._seconds]
            is_fine = len(kept) < self._count
            self._times[hash(name)] = [*kept, now_s] if is_fine else kept
            if len(self._times) > MANY:
                self._times.popitem(last=False)
            return is_fine
