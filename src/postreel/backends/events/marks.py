"""Whose derived rows are older than their events, kept so that no crash forgets one.

Rests on purpose History; used by `FileEvents`. A mark is a random number beside a member, one for each derived
table. Whoever changes events marks before the change can be seen and once more after it; whoever keeps derived
rows takes away only the mark that stood when the rows they come from were read. So a change between reading and
keeping always leaves its mark. Everything here runs under the lock of the events folder, save `of`.
"""

from __future__ import annotations

import io
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from postreel.backends.disk import make_folder, replace_file
from postreel.schema import Ids, Mask, is_among

DERIVED = ("sessions", "tastes")
_DTYPE = np.dtype([("member", "S16"), *((name, "<i8") for name in DERIVED)])

Marked = NDArray[Any]
"""(n,) records of member and, for each derived table, its mark; 0: fresh. Sorted by member."""


class Marks:
    """One small file a bucket."""

    def __init__(self, path: Path) -> None:
        self._path = make_folder(path)

    def of(self, bucket: int) -> Marked:
        """The marks of a bucket."""
        try:
            data = self._file(bucket).read_bytes()
        except FileNotFoundError:
            return np.empty(0, _DTYPE)
        return np.load(io.BytesIO(data), allow_pickle=False)

    def add(self, bucket: int, members: Ids, names: Sequence[str] = DERIVED) -> None:
        """Mark these members (sorted) in these tables with a number never used before."""
        if len(members) == 0 or not names:
            return
        old = self.of(bucket)
        new = np.zeros(len(np.union1d(old["member"], members)), _DTYPE)
        new["member"] = np.union1d(old["member"], members)
        new[np.searchsorted(new["member"], old["member"])] = old
        rows = np.searchsorted(new["member"], members)
        for name in names:
            new[name][rows] = secrets.randbits(62) + 1
        self._write(bucket, new)

    def clear(self, bucket: int, name: str, members: Ids, seen: Marked) -> None:
        """Take away the marks of these members (sorted) in one table where they are still what `seen` holds."""
        marked = self.of(bucket)
        is_clear = is_among(marked["member"], members) & is_among(marked["member"], seen["member"])
        if not is_clear.any():
            return
        rows = np.searchsorted(seen["member"], marked["member"][is_clear])
        is_clear[is_clear] = seen[name][rows] == marked[name][is_clear]
        self._unmark(bucket, marked, name, is_clear)

    def forget(self, bucket: int, name: str, members: Ids) -> None:
        """Take away the marks of these members (sorted) in one table, whatever they are."""
        marked = self.of(bucket)
        self._unmark(bucket, marked, name, is_among(marked["member"], members))

    def _unmark(self, bucket: int, marked: Marked, name: str, is_clear: Mask) -> None:
        if is_clear.any():
            marked[name][is_clear] = 0
            is_left = np.any([marked[n] != 0 for n in DERIVED], axis=0)
            self._write(bucket, marked[is_left])

    def _write(self, bucket: int, marked: Marked) -> None:
        sink = io.BytesIO()
        np.save(sink, marked, allow_pickle=False)
        replace_file(self._file(bucket), sink.getbuffer())

    def _file(self, bucket: int) -> Path:
        return self._path / f"b{bucket:02d}.npy"


def merged(older: Marked, newer: Marked) -> Marked:
    """Both, the newer where a member is in both."""
    rest = older[~is_among(older["member"], newer["member"])]
    both = np.concatenate([rest, newer])
    return both[np.argsort(both["member"], kind="stable")]
