"""`FileEvents`: the event store on a file system. Implements `ports.Events`.

Rests on purpose History (rights reads and erases the same rows). Used by the gate, through `app.py`.

    spool/                   NDJSON segments of acknowledged events (see spool.py)
    plays/2026-11/b03.parquet    compacted events: time x hash bucket of the member
    sessions/b03.parquet         derived rows with the ledger position and purpose they were kept under
    tastes/b03.parquet
    stale/b03.npy            whose derived rows are older than their events (see marks.py)
    layout.json, lock

An event that came within 62 days of its `at` lies under its month. History that was brought in later lies under
its year: an import of twenty years would otherwise be cut into more than a thousand small files, each with its
fsync, and take most of a minute; nobody erases old history by the month.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from threading import Lock

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from postreel.backends.disk import locked, make_folder, remove_files, replace_file, sweep
from postreel.backends.events.changes import cut_in, erase_from, stamped, uncoupled, without
from postreel.backends.events.lines import lines_of, plays_of
from postreel.backends.events.marks import DERIVED, Marked, Marks, merged
from postreel.backends.events.spool import Spool, blocks_in
from postreel.backends.events.tables import (
    by_member,
    folder_of,
    moments,
    name_of,
    order_of,
    periods_of,
    put_table,
    read_ids,
    read_table,
    row_count,
)
from postreel.consent import Permitted, Seal
from postreel.errors import ConsentError, InputError, SettingsError
from postreel.purposes import History, Purpose
from postreel.schema import KEEPABLE, Ids, Mask, Plays, R, Rows, ids_of, is_among, unique_ids

ROUND_BYTES = 256 << 20
"""Spool bytes that one round of compaction takes: about a million events."""


class FileEvents:
    """Events in a folder; see the module for its layout.

    Args:
        path: the folder; made where it is missing.
        seal: what opens the permits of this installation's gate.
        buckets: hash buckets of members, 1 to 256. Fixed when the folder is made: a stream holds one bucket in
            memory, and erasing a member rewrites one bucket.

    Raises:
        SettingsError: the folder was made with another number of buckets.
    """

    def __init__(self, path: Path, seal: Seal, buckets: int = 4) -> None:
        if not 1 <= buckets <= 256:
            raise SettingsError(f"events can have 1 to 256 buckets, not {buckets}")
        self._path = make_folder(path)
        self._seal = seal
        self._buckets = buckets
        self._spool = Spool(path / "spool")
        self._marks = Marks(path / "stale")
        for table in ("plays", *DERIVED):
            make_folder(path / table)
        self._turn = Lock()
        self._ids: dict[Path, tuple[tuple[int, int, int], Ids]] = {}
        self._seen: dict[int, Marked] = {}
        with locked(path / "lock"):
            self._settle_layout()

    def append(self, plays: Permitted[Plays, History]) -> None:
        """Store events. When this returns they survive kill -9 and a power cut.

        Raises:
            ConsentError: the permit is another gate's, or not for History.
            InputError: an event has no id.
            TransientError: the disk is full or gone; none of the rows was stored.
        """
        rows = plays.unseal(self._seal)
        if not issubclass(plays.warrant.purpose, History):
            raise ConsentError(f"events are stored under 'history', not {plays.warrant.purpose.key!r}")
        nameless = int(rows.table.column("event_id").null_count)
        if nameless:
            raise InputError(
                f"{nameless} events have no event_id; without one they cannot be told from copies"
            )
        if len(rows):
            self._spool.append(lines_of(rows))

    def known(self, event_ids: Ids) -> NDArray[np.bool_]:
        """(n,) whether an event with this id is already stored."""
        # The spool first: what compaction takes out of it stands in Parquet by then.
        return self._spool.known(event_ids) | self._compacted(event_ids)

    def compact(self, admit: Callable[[Plays], Plays]) -> int:
        """Turn the spool into Parquet, each event once, admitting again. Returns the rows written.

        Killed at any point and run again, the outcome is the same: a segment goes only after its events stand
        in Parquet, and an event that stands there is not written again.

        Raises:
            TransientError: the disk refused; the events stand in the spool or in Parquet.
        """
        with locked(self._path / "lock"):
            sweep(self._path)
            segments = self._spool.seal()
            return sum(self._compact(part, admit) for part in _rounds(segments))

    def stream(self, table: type[R], live: Ids) -> Iterator[R]:
        """Batches of the rows of the members in the sorted array `live`, compacted events only.

        One batch a bucket that has such rows, sorted by member, then by time. No member is split.
        """
        for bucket, members in self._by_bucket(live):
            rows = self._read(table, bucket, members)
            if len(rows):
                yield rows

    def read(self, table: type[R], members: Ids) -> R:
        """The rows of these members (sorted array), compacted events only, sorted by member, then by time."""
        rows = table.concat([self._read(table, bucket, some) for bucket, some in self._by_bucket(members)])
        return table(rows.table.take(pa.array(order_of(rows.members))))

    def keep(self, rows: Permitted[Rows, Purpose]) -> None:
        """Replace all rows of the warrant's members in this derived table, atomically for a bucket.

        The ledger position and the purpose of the warrant are stored beside each row. A member of the warrant
        without rows loses the old ones; so a batch's warrant must name the members of that batch alone.

        Raises:
            ConsentError: the table is not kept, or not under this purpose.
            TransientError: the disk refused; buckets already replaced stay replaced.
        """
        new = rows.unseal(self._seal)
        kind, warrant = type(new), rows.warrant
        if warrant.purpose not in KEEPABLE.get(kind, frozenset()):
            raise ConsentError(f"{kind.__name__} are not kept under {warrant.purpose.key!r}")
        name = name_of(kind)
        held = stamped(new, warrant.position, warrant.purpose.key)
        bucket_of_row = self._bucket_of(new.members)
        with locked(self._path / "lock"):
            for bucket, members in self._by_bucket(warrant.members):
                self._replace(name, bucket, members, held.filter(pa.array(bucket_of_row == bucket)))
                self._marks.clear(bucket, name, members, self._seen_in(bucket))

    def stale(self) -> Ids:
        """Sorted members whose events are newer than their derived rows in one of the derived tables."""
        parts = [self._marks.of(bucket)["member"] for bucket in range(self._buckets)]
        return unique_ids(np.concatenate(parts))

    def erase(self, members: Ids, tables: Sequence[type[Rows]]) -> dict[str, int]:
        """Remove all rows of these members from these tables, the spool included. Rows removed by table name.

        Atomic for a file; killed and run again, it removes the rest. When it returns, no file of these tables
        holds a member's id, torn and left-over files included. Events removed without their derived rows make
        the members stale.
        """
        gone = unique_ids(members)
        names = [name_of(t) for t in tables]
        counts = dict.fromkeys(names, 0)
        with locked(self._path / "lock"):
            sweep(self._path)
            left = [n for n in DERIVED if n not in names]
            if "plays" in names:
                self._mark_derived(gone, left)
                counts["plays"] = self._spool.rewrite(lambda block: without(block, gone))
            for bucket, some in self._by_bucket(gone):
                for name in names:
                    for path in self._files(name, bucket):
                        counts[name] += erase_from(path, some)
                    if name in DERIVED:
                        self._marks.forget(bucket, name, some)
            if "plays" in names:
                self._mark_derived(gone, left)  # again after: see marks.py
            self._forget_seen(gone)
        return counts

    def cut_devices(self, members: Ids) -> int:
        """Set `device_id` to null in all events of these members. Returns the rows changed; they become stale."""
        cut = unique_ids(members)
        with locked(self._path / "lock"):
            sweep(self._path)
            self._mark_derived(cut, DERIVED)
            count = self._spool.rewrite(lambda block: uncoupled(block, cut))
            for bucket, some in self._by_bucket(cut):
                count += sum(cut_in(path, some) for path in self._files("plays", bucket))
            self._mark_derived(cut, DERIVED)
        return count

    def count(self, table: type[Rows]) -> int:
        """Rows stored; of events each once, those in the spool included."""
        name = name_of(table)
        waiting = self._spool.event_ids() if name == "plays" else np.empty(0, "S16")
        extra = int(np.count_nonzero(~self._compacted(waiting)))
        return extra + sum(row_count(p) for b in range(self._buckets) for p in self._files(name, b))

    # Compaction

    def _compact(self, segments: list[Path], admit: Callable[[Plays], Plays]) -> int:
        parts = [plays_of(block) for path in segments for _, _, block in blocks_in(path.read_bytes())]
        admitted = admit(Plays.concat(parts))
        # Marked before the events can be seen, and again after: see marks.py. All of them, written now or by a
        # run that was killed before its second mark.
        self._mark(admitted)
        written = self._merge(admitted.where(self._is_new(admitted)))
        self._mark(admitted)
        remove_files(segments)
        return written

    def _mark(self, plays: Plays) -> None:
        for bucket, members in self._by_bucket(unique_ids(plays.members)):
            self._marks.add(bucket, members)

    def _is_new(self, plays: Plays) -> Mask:
        """(n,) the first of each event id, where Parquet does not hold it yet."""
        ids = ids_of(plays.table.column("event_id"))
        is_first = np.zeros(len(ids), np.bool_)
        is_first[np.unique(ids, return_index=True)[1]] = True
        return is_first & ~self._compacted(ids)

    def _merge(self, plays: Plays) -> int:
        if len(plays) == 0:
            return 0
        at = moments(plays.table, "at")
        group = periods_of(at, moments(plays.table, "arrived")) * 256 + self._bucket_of(plays.members)
        order = order_of(plays.members, at)
        order = order[np.argsort(group[order], kind="stable")]
        rows, group = plays.table.take(pa.array(order)).combine_chunks(), group[order]
        starts = np.flatnonzero(np.diff(group, prepend=-1))
        for start, end in zip(starts, [*starts[1:], len(group)], strict=True):
            period, bucket = divmod(int(group[start]), 256)
            folder = make_folder(self._path / "plays" / folder_of(period))
            path = folder / f"b{bucket:02d}.parquet"
            new = rows.slice(int(start), int(end - start))
            old = read_table(path, Plays.SCHEMA)
            put_table(path, by_member(pa.concat_tables([old, new])) if old.num_rows else new)
        return len(plays)

    def _compacted(self, event_ids: Ids) -> Mask:
        """(n,) whether Parquet holds an event with this id. The ids of each file are kept until it changes."""
        mask = np.zeros(len(event_ids), np.bool_)
        if len(event_ids) == 0:
            return mask
        kept: dict[Path, tuple[tuple[int, int, int], Ids]] = {}
        for path in (p for b in range(self._buckets) for p in self._files("plays", b)):
            try:
                stat = path.stat()
            except FileNotFoundError:
                continue
            version = (stat.st_ino, stat.st_mtime_ns, stat.st_size)
            entry = self._ids.get(path)
            if entry is None or entry[0] != version:
                entry = (version, np.sort(read_ids(path, "event_id")))
            kept[path] = entry
            mask |= is_among(event_ids, entry[1])
        self._ids = kept
        return mask

    # Reading

    def _read(self, table: type[R], bucket: int, members: Ids) -> R:
        name = name_of(table)
        self._note_seen(name, bucket, members)
        parts = [read_table(path, table.SCHEMA, members) for path in self._files(name, bucket)]
        whole = pa.concat_tables([table.SCHEMA.empty_table(), *parts]).combine_chunks()
        return table(by_member(whole) if name == "plays" else whole)

    def _note_seen(self, name: str, bucket: int, members: Ids) -> None:
        """Remember which marks stood before these members' rows were read; `keep` may take away those alone."""
        marked = self._marks.of(bucket)
        seen = marked[is_among(marked["member"], members)]
        if name == "sessions":
            seen = seen[seen["sessions"] == 0]  # derived from sessions that are stale themselves: still stale
        if name != "tastes" and len(seen):
            with self._turn:
                self._seen[bucket] = merged(self._seen_in(bucket), seen)

    def _seen_in(self, bucket: int) -> Marked:
        return self._seen.get(bucket, self._marks.of(bucket)[:0])

    def _forget_seen(self, members: Ids) -> None:
        with self._turn:
            self._seen = {b: s[~is_among(s["member"], members)] for b, s in self._seen.items()}

    # Files

    def _replace(self, name: str, bucket: int, members: Ids, new: pa.Table) -> None:
        path = self._path / name / f"b{bucket:02d}.parquet"
        old = read_table(path, new.schema)
        is_old = is_among(ids_of(old.column("member")), members)
        if is_old.any() or new.num_rows:
            whole = pa.concat_tables([old.filter(pa.array(~is_old)), new]).combine_chunks()
            put_table(path, whole.take(pa.array(order_of(ids_of(whole.column("member"))))))

    def _mark_derived(self, members: Ids, names: Sequence[str]) -> None:
        """Mark those of the members who have rows in these derived tables."""
        for bucket, some in self._by_bucket(members):
            held = [read_ids(p, "member") for name in names for p in self._files(name, bucket)]
            is_held = is_among(some, unique_ids(np.concatenate([np.empty(0, "S16"), *held])))
            self._marks.add(bucket, some[is_held], names)

    def _files(self, name: str, bucket: int) -> list[Path]:
        pattern = f"*/b{bucket:02d}.parquet" if name == "plays" else f"b{bucket:02d}.parquet"
        return sorted((self._path / name).glob(pattern))

    def _bucket_of(self, members: Ids) -> NDArray[np.int64]:
        first = np.ascontiguousarray(members, "S16").view(np.uint8).reshape(-1, 16)[:, 0]
        return first.astype(np.int64) % self._buckets

    def _by_bucket(self, members: Ids) -> Iterator[tuple[int, Ids]]:
        """Each bucket that some of the sorted members fall into, with these, sorted."""
        bucket_of = self._bucket_of(members)
        for bucket in np.unique(bucket_of):
            yield int(bucket), members[bucket_of == bucket]

    def _settle_layout(self) -> None:
        path = self._path / "layout.json"
        if not path.exists():
            replace_file(path, msgspec.json.encode({"buckets": self._buckets}))
        found = msgspec.json.decode(path.read_bytes(), type=dict[str, int])["buckets"]
        if found != self._buckets:
            raise SettingsError(
                f"the events folder has {found} buckets, not {self._buckets}; set it back to {found}"
            )


def _rounds(segments: Sequence[Path]) -> Iterator[list[Path]]:
    """The segments in order, cut where a round would be longer than memory likes."""
    part: list[Path] = []
    size = 0
    for path in segments:
        part.append(path)
        size += path.stat().st_size
        if size > ROUND_BYTES:
            yield part
            part, size = [], 0
    if part:
        yield part
