"""The spool: acknowledged events on disk, in the order in which they came, until they become Parquet.

Rests on purpose History; used by `FileEvents`. A segment is NDJSON. Before the lines of one append stands a line
that tells their count, bytes and checksum, so that what a kill or a power cut tore is known and left out. Every
process writes segments of its own. An `.open.` segment may grow; `.sealed.` ones do not. Sealing is a rename under
the segment's lock, which the writer holds for every write and looks at the name again after taking it.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from postreel.backends.disk import (
    make_folder,
    refused_by_disk,
    remove_files,
    sync_folder,
    write_all,
    write_file,
)
from postreel.backends.events.lines import event_ids_of
from postreel.errors import TransientError
from postreel.schema import Ids, Mask, is_among

SEGMENT_BYTES = 64 << 20
_HEADER = re.compile(rb'\{"rows":(\d+),"bytes":(\d+),"crc32":"([0-9a-f]{8})"\}\n')


@dataclass
class _Waiting:
    """One append, waiting for its fsync."""

    block: bytes
    is_done: bool = False
    error: BaseException | None = None


@dataclass
class _Indexed:
    """How far a segment's event ids are known, and which they are."""

    until: int
    parts: list[Ids]


def block_of(lines: bytes) -> bytes:
    """The lines of one append, behind the line that tells their count, bytes and checksum."""
    rows = lines.count(b"\n")
    return b'{"rows":%d,"bytes":%d,"crc32":"%08x"}\n' % (rows, len(lines), zlib.crc32(lines)) + lines


def blocks_in(data: bytes) -> Iterator[tuple[int, int, memoryview]]:
    """Each whole block's start, end and lines. A torn block ends them; a spoilt one inside is passed over.

    After a power cut a later block of the same, unanswered, fsync can be whole where an earlier one is not.
    """
    view = memoryview(data)
    start = 0
    while start < len(view):
        header = _HEADER.match(data, start)
        if header is None:
            return
        end = header.end() + int(header[2])
        if end > len(view):
            return
        lines = view[header.end() : end]
        if zlib.crc32(lines) == int(header[3], 16):
            yield start, end, lines
        start = end


class Spool:
    """Segments of events in a folder. Appending is safe from any thread and process."""

    def __init__(self, path: Path) -> None:
        self._path = make_folder(path)
        self._turn = threading.Condition()
        self._queue: list[_Waiting] = []
        self._is_flushing = False
        self._fd = -1
        self._pid = 0
        self._open: Path | None = None
        self._index: dict[str, _Indexed] = {}
        self._index_turn = threading.Lock()

    def __del__(self) -> None:
        self._leave()

    def append(self, lines: bytes) -> None:
        """Add lines; fsynced when this returns. Callers that wait together share one fsync.

        Raises:
            TransientError: the disk refused; none of the lines is stored.
        """
        mine = _Waiting(block_of(lines))
        group: list[_Waiting] = []
        with self._turn:
            self._queue.append(mine)
            while not mine.is_done and self._is_flushing:
                self._turn.wait()
            if not mine.is_done:
                self._is_flushing = True
                group, self._queue = self._queue, []
        if not mine.is_done:
            self._lead(group)
        if mine.error is not None:
            raise TransientError(str(mine.error)) from mine.error

    def _lead(self, group: list[_Waiting]) -> None:
        error: BaseException | None = None
        try:
            with refused_by_disk("the events were not stored"):
                self._write([w.block for w in group])
        except BaseException as e:
            error = e
        with self._turn:
            for w in group:
                w.is_done, w.error = True, error
            self._is_flushing = False
            self._turn.notify_all()
        if error is not None and not isinstance(error, TransientError):
            raise error

    def _write(self, blocks: list[bytes]) -> None:
        fd = self._writable()
        try:
            good = os.fstat(fd).st_size
            try:
                for block in blocks:
                    write_all(fd, block)
                os.fdatasync(fd)
            except BaseException:
                # After a failed fsync nobody knows what the disk holds: cut, and never write here again.
                with suppress(OSError):
                    os.ftruncate(fd, good)
                    os.fdatasync(fd)
                self._leave()
                raise
            if good + sum(map(len, blocks)) > SEGMENT_BYTES:
                self._leave()
        finally:
            if self._fd == fd:
                fcntl.flock(fd, fcntl.LOCK_UN)

    def _writable(self) -> int:
        """This process's own segment, locked."""
        while True:
            if self._fd < 0 or self._open is None or self._pid != os.getpid():
                self._begin()
            assert self._open is not None  # noqa: S101
            fcntl.flock(self._fd, fcntl.LOCK_EX)
            if self._open.exists():  # a name is used once: what stands there is this file
                return self._fd
            self._leave()  # sealed under us

    def _begin(self) -> None:
        if self._pid == os.getpid():
            self._leave()
        last = max((int(p.name[:12]) for p in self.segments()), default=0)
        name = f"{last + 1:012d}-{secrets.token_hex(6)}.open.ndjson"
        self._open = self._path / name
        self._fd = os.open(self._open, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o600)
        self._pid = os.getpid()
        sync_folder(self._path)

    def _leave(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
        self._fd, self._open = -1, None

    def segments(self) -> list[Path]:
        """All segments, oldest first."""
        return sorted(p for p in self._path.iterdir() if p.name.endswith((".open.ndjson", ".sealed.ndjson")))

    def seal(self) -> list[Path]:
        """Close every segment to writing, and list them all, oldest first. Events that come now go elsewhere."""
        for path in self.segments():
            if ".open." in path.name:
                fd = os.open(path, os.O_RDONLY)
                try:
                    fcntl.flock(fd, fcntl.LOCK_EX)  # waits for a write under way
                    path.rename(path.with_name(path.name.replace(".open.", ".sealed.")))
                finally:
                    os.close(fd)
        sync_folder(self._path)
        return [p for p in self.segments() if ".sealed." in p.name]

    def rewrite(self, change: Callable[[memoryview], tuple[bytes, int]]) -> int:
        """Seal, then put `change` of every block in its place. Returns the sum of what `change` counted.

        A segment without a change, and without torn bytes, stays as it is.
        """
        total = 0
        for path in self.seal():
            data = path.read_bytes()
            parts: list[bytes] = []
            count = good = 0
            for start, end, lines in blocks_in(data):
                changed, hits = change(lines)
                count += hits
                good += end - start
                if changed:
                    parts.append(block_of(changed))
            if count or good != len(data):
                self._replace(path, b"".join(parts))
            total += count
        return total

    def _replace(self, path: Path, data: bytes) -> None:
        # Another name, so that an index kept under the old one is not taken for this file's.
        if data:
            new = path.with_name(f"{path.name[:12]}-{secrets.token_hex(6)}.sealed.ndjson")
            tmp = new.with_name(f"{new.name}.tmp-{secrets.token_hex(6)}")
            with refused_by_disk("a spool segment was not rewritten"):
                write_file(tmp, data)
                tmp.rename(new)
                sync_folder(self._path)
        remove_files([path])

    def known(self, event_ids: Ids) -> Mask:
        """(n,) whether an event with this id is in the spool, fsynced."""
        mask = np.zeros(len(event_ids), np.bool_)
        for part in self._indexed():
            mask |= is_among(event_ids, part)
        return mask

    def event_ids(self) -> Ids:
        """(m,) sorted distinct ids of the events in the spool."""
        parts = self._indexed()
        return np.unique(np.concatenate(parts)) if parts else np.empty(0, "S16")

    def _indexed(self) -> list[Ids]:
        with self._index_turn:
            kept: dict[str, _Indexed] = {}
            for path in self.segments():
                stem = path.name.split(".")[0]
                entry = kept.setdefault(stem, self._index.get(stem) or _Indexed(0, []))
                with suppress(FileNotFoundError):
                    self._read_on(path, entry)
            self._index = kept
            return [p for e in kept.values() for p in e.parts]

    def _read_on(self, path: Path, entry: _Indexed) -> None:
        fd = os.open(path, os.O_RDONLY)
        try:
            fcntl.flock(fd, fcntl.LOCK_SH)  # what is being written is not safe yet
            size = os.fstat(fd).st_size
            data = os.pread(fd, size - entry.until, entry.until) if size > entry.until else b""
        finally:
            os.close(fd)
        until = 0
        for _, end, lines in blocks_in(data):
            entry.parts.append(np.sort(event_ids_of(lines)))
            until = end
        entry.until += until
        if len(entry.parts) > 16:
            entry.parts = [np.unique(np.concatenate(entry.parts))]
