"""Whose turn it is to write to SQLite.

SQLite lets one writer in at a time, and those who wait sleep for up to 100 ms between looks: beside a bulk import,
which takes the lock again at once, a withdrawal waited half a second at the 99th percentile. Waiting on a file
lock instead, a writer is woken as soon as the one before is done. It orders writers and nothing more: SQLite's own
lock is what keeps them apart.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def write_turn(path: Path) -> Generator[None, None, None]:
    """Hold the turn for the length of a with block. Ends with the process, however that ends."""
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
    finally:
        os.close(file)
