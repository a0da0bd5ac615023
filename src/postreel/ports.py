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

from postreel.consent import Entry, Frontier, Head, Permitted
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

    def ready(self) -> None:
        """Make ready to hand over: called before mails are put in flight, so that connecting does not eat their time.

        Raises:
            TransientError, SettingsError: it cannot be done; nothing was put in flight.
        """
        ...

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

    def message(self, message_id: str) -> bytes | None:
        """A mail as it was handed over, or None where this transport keeps none, or not any more."""
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
    channel: str
    evidence: str
    at: datetime


@dataclass(frozen=True)
class GrantRow:
    """Where a member stands with one purpose.

    Attributes:
        state: granted, refused, withdrawn or expired.
        since: when this state began.
        live_since: when the grant and all its needs began to stand together; None while they do not.
        position: the ledger entry that says so.
        touched: the ledger position of the last change of this row, its needs' changes included.
    """

    member: bytes
    purpose: str
    state: str
    since: datetime
    live_since: datetime | None
    wording: str
    channel: str
    position: int
    touched: int


@dataclass(frozen=True)
class MemberFacts:
    """A member as stored. A child has no address."""

    member: bytes
    address: str | None
    name: str | None
    language: str
    timezone: str
    region: str | None
    maturity: int
    household: str | None
    is_child: bool
    data_seq: int
    is_shared: bool = False


@dataclass(frozen=True)
class Campaign:
    """A planned mailing.

    Attributes:
        state: planning, sending, paused, recalled or done.
        excluded: JSON: how many members were not planned for, by reason.
    """

    campaign: str
    kind: str
    name: str
    state: str
    created_at: datetime
    model: str | None = None
    excluded: str = "{}"


OUTBOX_STATES = (
    "planned",
    "claimed",
    "in flight",
    "accepted",
    "deferred",
    "refused",
    "withheld",
    "ambiguous",
)
"""Where a mail can stand. The last five but `deferred` are final; `deferred` is tried again after a while."""


@dataclass(frozen=True)
class OutboxRow:
    """One mail to one member."""

    send_id: bytes
    campaign: str
    member: bytes
    kind: str
    state: str
    reason: str | None
    message_id: str | None
    used: int
    position: int
    attempts: int
    reply: str | None
    record: str | None
    settled_at: datetime | None


@dataclass(frozen=True)
class Job:
    """A withdrawal or an erasure under way. Resumed at its step after a crash."""

    job: str
    kind: str
    member: bytes
    purposes: int
    position: int
    step: str
    created_at: datetime
    done_at: datetime | None = None
    certificate: str | None = None


class MemberRecords(Protocol):
    """Members, their addresses and aliases."""

    def add_members(self, rows: Sequence[tuple[MemberFacts, bytes | None, str | None, datetime]]) -> None:
        """New members: facts, address key, alias, time."""
        ...

    def change_member(self, facts: MemberFacts, address_key: bytes | None) -> None:
        """Replace what is stored of a member; `data_seq` is raised."""
        ...

    def add_aliases(self, pairs: Sequence[tuple[str, bytes]]) -> None:
        """Further names of members; those already there are left."""
        ...

    def by_alias(self, some: Sequence[str]) -> dict[str, bytes]:
        """The members with these aliases."""
        ...

    def by_address_key(self, keys: Sequence[bytes]) -> dict[bytes, list[bytes]]:
        """The members with these addresses; more than one where an address is shared."""
        ...

    def members(self, some: Sequence[bytes] | None = None) -> list[MemberFacts]:
        """These members, or all, by id."""
        ...

    def aliases_of(self, member: bytes) -> list[str]:
        """All names that sources have for this member."""
        ...

    def granted_members(self, some: Sequence[bytes], purpose: str | None) -> list[MemberFacts]:
        """Those of these members that have a live grant for the purpose; None: all of them (a basis in law)."""
        ...

    def raise_data_seq(self, some: Sequence[bytes]) -> None:
        """Say that what is known of these members changed."""
        ...

    def remove_member(self, member: bytes, member_key: bytes, address_key: bytes | None, at: datetime) -> int:
        """Remove a member and their aliases; a keyed trace is left, so that a late event is recognised."""
        ...

    def is_erased(self, member_key: bytes) -> bool:
        """Whether a member with this key was erased."""
        ...

    def erased_addresses(self, keys: Sequence[bytes]) -> set[bytes]:
        """Those of these address keys whose member was erased."""
        ...


class ConsentRecords(Protocol):
    """Grants and the ledger."""

    def ledger_size(self) -> int:
        """Entries so far."""
        ...

    def frontier(self) -> Frontier:
        """The tree's right edge."""
        ...

    def append(self, entries: Sequence[tuple[Entry, bytes | None]], head: Head, frontier: Frontier) -> None:
        """Add entries, each with the member it is about, and the head that covers them."""
        ...

    def entries(self, start: int = 0, member: bytes | None = None) -> Iterator[Entry]:
        """Entries by position."""
        ...

    def commitments(self, size: int) -> list[bytes]:
        """What the first `size` leaves hold, by position; nothing of the contents is read."""
        ...

    def heads(self) -> list[Head]:
        """All signed heads, by size."""
        ...

    def grants_of(self, members: Sequence[bytes]) -> list[GrantRow]:
        """What is stored of these members' grants."""
        ...

    def grants_touched(self, after: int) -> list[GrantRow]:
        """Rows changed by entries after this position (-1: all)."""
        ...

    def put_grants(self, rows: Sequence[GrantRow]) -> None:
        """Insert or replace."""
        ...

    def forget_entries(self, member: bytes) -> list[int]:
        """Erase the content of all entries about this member, and their grants. Positions of those entries."""
        ...


class CatalogueRecords(Protocol):
    """Titles."""

    def put_titles(self, some: Sequence[tuple[str, str]]) -> int:
        """Insert or replace titles by id, as JSON. Raises the version where anything changed; how many did."""
        ...

    def titles(self) -> list[tuple[str, str]]:
        """All titles: id and JSON."""
        ...

    def catalogue_version(self) -> int:
        """Raised by every change."""
        ...


class OutboxRecords(Protocol):
    """Campaigns and their mails."""

    def add_campaign(self, campaign: Campaign) -> None:
        """A new one."""
        ...

    def set_campaign(self, campaign: str, state: str) -> None:
        """Change its state."""
        ...

    def campaigns(self) -> list[Campaign]:
        """All, oldest first."""
        ...

    def plan(self, campaign: str, kind: str, rows: Sequence[tuple[bytes, bytes]], at: datetime) -> int:
        """Plan a mail to each (send id, member); one who has one in this campaign keeps it. How many are new."""
        ...

    def claim(self, campaign: str, sender: str, at: datetime, limit: int) -> list[OutboxRow]:
        """Take up to `limit` mails that are due: planned, or deferred and waited long enough."""
        ...

    def standing(self, some: Sequence[bytes]) -> dict[bytes, tuple[MemberFacts, bytes | None, bool, str]]:
        """What `post` compares: facts, address key, whether the address is suppressed, live purposes' keys."""
        ...

    def move(self, rows: Sequence[Moved], at: datetime) -> None:
        """Write new states."""
        ...

    def states(self, send_ids: Sequence[bytes]) -> dict[bytes, tuple[str, str | None]]:
        """State and sender of each."""
        ...

    def withhold(self, some: Sequence[bytes], kinds: Sequence[str], reason: str, at: datetime) -> int:
        """Withhold what waits for these members: planned, claimed and deferred. How many."""
        ...

    def recall(self, campaign: str, at: datetime) -> int:
        """Withhold all that waits in a campaign. How many."""
        ...

    def in_flight(self, some: Sequence[bytes] | None = None) -> list[OutboxRow]:
        """Mails in flight: to these members, or all."""
        ...

    def withhold_stale(self, kind: str, before: datetime, reason: str, at: datetime) -> int:
        """Withhold mails of this kind that were planned before this time and never composed. How many."""
        ...

    def unclaim(self, kind: str, *, is_kind: bool) -> int:
        """Give back what dead senders of this kind of mail, or of all others, had claimed."""
        ...

    def outbox(self, campaign: str | None = None, member: bytes | None = None) -> list[OutboxRow]:
        """Mails of a campaign, to a member, or all."""
        ...

    def send(self, send_id: bytes) -> OutboxRow | None:
        """One mail."""
        ...

    def forget_sends(self, member: bytes, substitute: bytes) -> int:
        """Take the member out of their mails' rows; counts stay. How many rows."""
        ...

    def report(self, campaign: str) -> list[tuple[str, str | None, int]]:
        """State, reason and how many."""
        ...


class EngagementRecords(Protocol):
    """Opens and clicks."""

    def note(self, send_id: bytes, member: bytes, kind: str, slot: int, at: datetime) -> None:
        """Count one."""
        ...

    def engagement(
        self, member: bytes | None = None, kind: str | None = None
    ) -> list[tuple[bytes, str, int, int]]:
        """Send id, kind, slot and count."""
        ...

    def forget_engagement(self, member: bytes, kinds: Sequence[str]) -> int:
        """Erase them. How many rows."""
        ...


class DeskRecords(Protocol):
    """Suppressions, single-use links, jobs, the access log, and what else the installation remembers."""

    def suppress(self, address_key: bytes, reason: str, at: datetime) -> None:
        """Never mail this address again."""
        ...

    def suppressed(self, keys: Sequence[bytes]) -> set[bytes]:
        """Those of these address keys that must not be mailed."""
        ...

    def put_one_time(self, fingerprint: bytes, member: bytes, what: str, expires_at: datetime) -> None:
        """A single-use link."""
        ...

    def one_time(self, fingerprint: bytes) -> tuple[bytes, str, datetime, bool] | None:
        """Member, what for, expiry and whether it was used."""
        ...

    def use_one_time(self, fingerprint: bytes, at: datetime) -> bool:
        """Use it up; False where it is used, expired or unknown."""
        ...

    def forget_one_time(self, member: bytes) -> int:
        """Remove all of a member's."""
        ...

    def add_job(self, job: Job) -> None:
        """A new job."""
        ...

    def open_jobs(self) -> list[Job]:
        """Jobs not done, oldest first."""
        ...

    def jobs_of(self, member: bytes) -> list[Job]:
        """All jobs about a member."""
        ...

    def step_job(self, job: str, step: str, done_at: datetime | None, certificate: str | None) -> None:
        """Note the step that a job has reached."""
        ...

    def forget_jobs(self, member: bytes, substitute: bytes) -> int:
        """Take the member out of their finished jobs' rows. How many rows."""
        ...

    def log_access(self, rows: Sequence[AccessRow]) -> None:
        """Note uses of members' data."""
        ...

    def access_log(self, member: bytes) -> list[AccessRow]:
        """Uses of this member's data, and those of many members at once."""
        ...

    def forget_access(self, member: bytes) -> int:
        """Remove the rows that name this member."""
        ...

    def meta(self, key: str) -> str | None:
        """A value the installation remembers."""
        ...

    def set_meta(self, key: str, value: str) -> None:
        """Remember a value."""
        ...


@dataclass(frozen=True)
class Moved:
    """The new state of a mail. What is None stays as it was, save `sender` and `deadline`, which are set."""

    send_id: bytes
    state: str
    reason: str | None = None
    sender: str | None = None
    deadline: datetime | None = None
    message_id: str | None = None
    used: int | None = None
    position: int | None = None
    reply: str | None = None
    record: str | None = None
    not_before: datetime | None = None
    is_attempt: bool = False


@dataclass(frozen=True)
class AccessRow:
    """One use of members' data."""

    at: datetime
    purpose: str
    table: str
    who: str
    why: str
    member: bytes | None
    member_count: int
    position: int


class Transaction(
    MemberRecords,
    ConsentRecords,
    CatalogueRecords,
    OutboxRecords,
    EngagementRecords,
    DeskRecords,
    Protocol,
):
    """Everything that can be done inside one transaction."""


class Records(Protocol):
    """Members, ledger, outbox, engagement."""

    def reading(self) -> AbstractContextManager[Transaction]:
        """A consistent view for the length of a with block."""
        ...

    def writing(self) -> AbstractContextManager[Transaction]:
        """One transaction, alone in writing; committed and on disk at the end of the block, or nothing of it.

        Raises:
            TransientError: the store is busy or gone; nothing was written.
        """
        ...
