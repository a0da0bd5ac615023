"""Protocols that backends implement. A second implementation is finished when it passes tests/contract unchanged.

`Records` is wide, so it is written as facets, one a file of the SQL backend; the gate asks for the whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from postreel.consent import Permitted
from postreel.purposes import History, Postable, Purpose
from postreel.schema import Ids, Messages, Plays, R, Rows, Sends

A = TypeVar("A")
B = TypeVar("B")


class Clock(Protocol):
    """The time. The only place where the wall clock enters."""

    def now(self) -> datetime:
        """Aware UTC wall-clock time; may jump."""
        ...

    def monotonic_s(self) -> float:
        """Seconds since some fixed moment; never jumps. The same for all processes of this machine."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class Events(Protocol):
    """Playback events and the tables derived from them.

    Nothing is split: all rows of one member come in one batch, and batches come sorted by member.
    """

    def append(self, plays: Permitted[Plays, History]) -> None:
        """Store events. When this returns they survive kill -9 and a power cut.

        Raises:
            TransientError: the disk is full or gone; none of the rows was stored.
        """
        ...

    def known(self, event_ids: Ids) -> NDArray[np.bool_]:
        """(n,) whether an event with this id is already stored."""
        ...

    def compact(self, admit: Callable[[Plays], Plays]) -> int:
        """Turn the spool into Parquet, each event once, admitting again. Returns the rows written.

        Killed at any point and run again, the outcome is the same.
        """
        ...

    def stream(self, table: type[R], live: Ids) -> Iterator[R]:
        """Batches of the rows of the members in the sorted array `live`, compacted events only."""
        ...

    def read(self, table: type[R], members: Ids) -> R:
        """The rows of these members (sorted array), compacted events only."""
        ...

    def keep(self, rows: Permitted[Rows, Purpose]) -> None:
        """Replace all rows of the warrant's members in this derived table, atomically for a bucket.

        The ledger position and the purpose of the warrant are stored beside each row.
        """
        ...

    def stale(self) -> Ids:
        """Sorted members whose events are newer than their derived rows."""
        ...

    def erase(self, members: Ids, tables: Sequence[type[Rows]]) -> dict[str, int]:
        """Remove all rows of these members from these tables, the spool included. Rows removed by table name."""
        ...

    def cut_devices(self, members: Ids) -> int:
        """Set `device_id` to null in all events of these members. Returns the rows changed."""
        ...

    def count(self, table: type[Rows]) -> int:
        """Rows stored."""
        ...


class Models(Protocol):
    """A directory a model; readers map it, without pickle. And the sealed journal of removals beside it."""

    def publish(self, name: str, arrays: Mapping[str, NDArray[Any]], texts: Mapping[str, bytes]) -> None:
        """Write a model whole, fsync it, and make it the current one by a rename."""
        ...

    def current(self) -> str | None:
        """The name of the current model, or None."""
        ...

    def array(self, name: str, key: str) -> NDArray[Any]:
        """One array of a model, mapped read-only."""
        ...

    def text(self, name: str, key: str) -> bytes:
        """One text of a model.

        Raises:
            InputError: the model has no such text.
        """
        ...

    def prune(self, keep: str) -> None:
        """Remove all models but this one."""
        ...

    def journal(self) -> list[bytes]:
        """The entries of the removal journal, oldest first. A torn last entry is left out."""
        ...

    def append_journal(self, entry: bytes) -> None:
        """Add an entry; fsynced when this returns."""
        ...

    def trim_journal(self, keep: Callable[[bytes], bool]) -> None:
        """Rewrite the journal with only the entries that `keep` says yes to, atomically."""
        ...


class Engine(Protocol):
    """Maps a batch function over partitions of members."""

    def map(self, step: Callable[[A], B], parts: Sequence[A]) -> Iterator[B]:
        """The results in the order of the parts."""
        ...


class Transport(Protocol):
    """Hands messages to the next mail server."""

    def send(self, messages: Permitted[Messages, Postable], *, deadline_s: float) -> Sends:
        """One row a message, with the server's reply.

        Args:
            messages: at most 16, put in flight by the gate.
            deadline_s: monotonic time after which no DATA may begin; what has not begun comes back `returned`.

        Raises:
            TransientError: the server could not be reached; nothing was handed over.
        """
        ...

    def delivered(self, message_ids: Sequence[str]) -> frozenset[str] | None:
        """Which of these were handed over before, or None where this transport cannot know."""
        ...


class Keys(Protocol):
    """Secret keys of this installation."""

    def secret(self, name: str) -> bytes:
        """32 secret bytes for this use, the same every time."""
        ...

    def ledger_key(self) -> bytes:
        """The Ed25519 private key that signs the ledger's heads, raw 32 bytes."""
        ...

    def dkim_key(self) -> bytes:
        """The RSA private key that signs mails, PKCS#8 PEM."""
        ...


class Heads(Protocol):
    """The ledger's heads, kept outside the database."""

    def append(self, line: str) -> None:
        """Add a line; fsynced when this returns."""
        ...

    def lines(self) -> list[str]:
        """All lines, oldest first."""
        ...


class Lock(Protocol):
    """A lock that ends with the process that holds it."""

    def held(self, name: str) -> AbstractContextManager[None]:
        """Hold it for the length of a with block.

        Raises:
            TransientError: another process holds it.
        """
        ...


@dataclass(frozen=True)
class Change:
    """One change of one grant, as it goes into the ledger."""

    member: bytes
    purpose: str
    state: str
    wording: str
    channel: str
    evidence: str
    at: datetime
