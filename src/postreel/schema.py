"""The tables that move through the flow, and which of them may be read under which purpose.

A table is an Arrow table wrapped in a frozen class of its own, because a bare `pa.Table` is untyped to a type
checker and slips through every lock. Every column says under which purpose it is held, on which basis, for how
long and where it comes from; a test refuses a column without these four (GDPR Art. 5(1), Art. 30).

A member is a random 128-bit id in sixteen bytes. In numpy it travels as `S16`, which trims trailing zero bytes
when an element becomes `bytes`; therefore no id ever ends in a zero byte (`members.new_member_id`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, Self, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from postreel.errors import InputError
from postreel.purposes import (
    Analytics,
    Devices,
    History,
    Mailing,
    MailNudges,
    MailPicks,
    Proof,
    Purpose,
    Recommendations,
    Rights,
    Service,
    Suppression,
    Training,
)

Ids = NDArray[np.bytes_]
"""(n,) `S16`: member ids."""
Mask = NDArray[np.bool_]
"""(n,) bool: one flag a row."""

ID = pa.binary(16)
TIME = pa.timestamp("us", tz="UTC")

REASON = pa.struct(
    [
        ("title_id", pa.string()),  # a title in this member's own history
        ("contribution", pa.float64()),  # signed part of the score that this title adds
        ("share", pa.float64()),  # part of the positive mass, in (0, 1]
        ("evidence", pa.string()),  # watched, rated or listed
    ]
)
PICK = pa.struct(
    [
        ("title_id", pa.string()),
        ("score", pa.float64()),
        ("reasons", pa.list_(REASON)),
        ("also", pa.list_(pa.string())),  # lift, variety, content, popular
    ]
)


@dataclass(frozen=True)
class Facts:
    """What must be known of a stored column: why it is held, on what basis, how long, and from where."""

    purpose: type[Purpose]
    basis: str
    retention: str
    source: str


def _consented(purpose: type[Purpose], retention: str, source: str) -> Facts:
    return Facts(purpose, "consent (GDPR Art. 6(1)(a))", retention, source)


PLAY = _consented(History, "30 days for beats, then sessions", "the member's player, or a file of theirs")
DEVICE = _consented(Devices, "30 days", "the member's player")
DERIVED = _consented(History, "24 months", "worked out from playback events")
CHOSEN = _consented(Recommendations, "90 days, with the mail's body", "worked out from tastes and the model")
ADDRESSED = Facts(
    Service, "contract (GDPR Art. 6(1)(b))", "while the membership lasts", "the service or the member"
)
MAILED = _consented(Mailing, "90 days", "composed by Postreel")
PROVEN = Facts(Proof, "legal duty (GDPR Art. 7(1))", "as long as proof is owed", "written by Postreel")
BLOCKED = Facts(
    Suppression, "legal duty (GDPR Art. 21(3))", "until lifted", "a bounce, a complaint or the member"
)


@dataclass(frozen=True)
class Rows:
    """Base of the typed tables: an Arrow table with a fixed schema.

    Raises:
        InputError: the table's schema is not the class's schema, names, order and types alike.
    """

    table: pa.Table

    SCHEMA: ClassVar[pa.Schema]
    FACTS: ClassVar[dict[str, Facts]]

    def __post_init__(self) -> None:
        if not self.table.schema.equals(self.SCHEMA):
            raise InputError(
                f"a table of {type(self).__name__} has columns {self.table.schema.names}, "
                f"expected {self.SCHEMA.names} with the types of schema.py"
            )

    def __len__(self) -> int:
        return int(self.table.num_rows)

    @property
    def members(self) -> Ids:
        """(n,) the member of each row."""
        return ids_of(self.table.column("member"))

    def where(self, mask: Mask) -> Self:
        """The rows whose flag is set, in the same order."""
        return type(self)(self.table.filter(pa.array(mask)))

    def column(self, name: str) -> NDArray[Any]:
        """One column as numpy: floats with NaN for null, times as `datetime64[us]`, text as objects."""
        return self.table.column(name).to_numpy()

    @classmethod
    def of(cls, **columns: Any) -> Self:
        """A table from columns given by name; a column left out is all null.

        Raises:
            InputError: an unknown column, or columns of unequal length.
        """
        unknown = set(columns) - set(cls.SCHEMA.names)
        if unknown:
            raise InputError(f"{cls.__name__} has no column {sorted(unknown)[0]!r}")
        count = len(next(iter(columns.values()))) if columns else 0
        arrays: list[Any] = []
        for field in cls.SCHEMA:
            values = columns.get(field.name)
            if values is None:
                arrays.append(pa.nulls(count, field.type))
            elif isinstance(values, pa.Array | pa.ChunkedArray):
                arrays.append(values.cast(field.type))
            elif isinstance(values, np.ndarray) and values.dtype.kind == "S":
                arrays.append(fixed_binary(values))
            elif isinstance(values, np.ndarray) and values.dtype.kind == "f":
                # NaN in, null out: Parquet statistics and Arrow kernels treat the two differently.
                arrays.append(pa.array(values, field.type, mask=np.isnan(values)))
            else:
                arrays.append(pa.array(values, field.type))
        lengths = {len(a) for a in arrays}
        if len(lengths) > 1:
            raise InputError(f"columns of {cls.__name__} have unequal lengths {sorted(lengths)}")
        return cls(pa.table(arrays, schema=cls.SCHEMA))

    @classmethod
    def empty(cls) -> Self:
        """A table without rows."""
        return cls(cls.SCHEMA.empty_table())

    @classmethod
    def concat(cls, parts: Iterable[Self]) -> Self:
        """The rows of all parts, in order."""
        tables = [p.table for p in parts]
        return cls(pa.concat_tables(tables).combine_chunks()) if tables else cls.empty()


R = TypeVar("R", bound=Rows)


def ids_of(column: Any) -> Ids:
    """(n,) `S16` from an Arrow column of sixteen-byte ids, without a Python loop."""
    whole: Any = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if len(whole) == 0:
        return np.empty(0, "S16")
    return np.frombuffer(whole.buffers()[1], "S16", count=len(whole), offset=whole.offset * 16).copy()


def fixed_binary(ids: NDArray[np.bytes_]) -> Any:
    """An Arrow array of sixteen-byte values from (n,) `S16`."""
    data = np.ascontiguousarray(ids, "S16")
    return pa.FixedSizeBinaryArray.from_buffers(ID, len(data), [None, pa.py_buffer(data.tobytes())])


def id_array(ids: Iterable[bytes]) -> Ids:
    """(n,) `S16` from ids as `bytes`."""
    return np.array(list(ids), "S16")


def unique_ids(ids: Ids) -> Ids:
    """Sorted, each once."""
    return np.unique(ids)


def is_among(ids: Ids, some: Ids) -> Mask:
    """(n,) whether each id is in the sorted array `some`."""
    if len(some) == 0:
        return np.zeros(len(ids), np.bool_)
    at = np.minimum(np.searchsorted(some, ids), len(some) - 1)
    return some[at] == ids


PLAY_KINDS = (
    "play",
    "pause",
    "seek",
    "stop",
    "heartbeat",
    "rating",
    "impression",
    "search",
    "list_add",
    "list_remove",
    "watched",
)
"""What a playback event can be. `watched` is a whole viewing told by an export, without its beats."""


@dataclass(frozen=True)
class Plays(Rows):
    """Playback events: one beat a row."""

    SCHEMA: ClassVar[pa.Schema] = pa.schema(
        [
            pa.field("member", ID, nullable=False),
            ("event_id", ID),  # hash of source and the source's own id; equal ids are one event
            ("at", TIME),  # when it happened, by the player's clock
            ("arrived", TIME),  # when it reached us
            ("kind", pa.string()),  # one of PLAY_KINDS
            ("title_id", pa.string()),  # null for a search
            ("position_s", pa.float64()),  # seconds into the title
            ("from_s", pa.float64()),  # seek: where it left
            ("to_s", pa.float64()),  # seek: where it landed
            ("watched_s", pa.float64()),  # watched: seconds really played, null where the export has none
            ("value", pa.float64()),  # rating: 0.5 to 5; watched: completion in [0, 1]
            ("text", pa.string()),  # search: the words
            ("device_type", pa.string()),  # tv, phone, tablet, computer, console or other
            ("device_id", pa.string()),  # under `devices` only, else null
            ("source", pa.string()),
        ]
    )
    FACTS: ClassVar[dict[str, Facts]] = {
        **{name: PLAY for name in SCHEMA.names},
        "device_id": DEVICE,
    }


@dataclass(frozen=True)
class Sessions(Rows):
    """Playback sessions: one sitting of one member with one title a row."""

    SCHEMA: ClassVar[pa.Schema] = pa.schema(
        [
            pa.field("member", ID, nullable=False),
            ("title_id", pa.string()),
            ("started", TIME),
            ("ended", TIME),
            ("watched_s", pa.float64()),  # union of the segments played; null where unknown
            ("furthest_s", pa.float64()),  # furthest position reached; null where unknown
            ("completion", pa.float64()),  # share of the title seen so far, this sitting included, in [0, 1]
            ("pause_count", pa.int32()),
            ("rewind_count", pa.int32()),
            ("skip_count", pa.int32()),
            ("is_completed", pa.bool_()),
            ("is_abandoned", pa.bool_()),
            ("is_rewatch", pa.bool_()),
            ("is_binge", pa.bool_()),
            ("device_type", pa.string()),
            ("source", pa.string()),
        ]
    )
    FACTS: ClassVar[dict[str, Facts]] = {name: DERIVED for name in SCHEMA.names}


@dataclass(frozen=True)
class Tastes(Rows):
    """What each member's history says of each title: the recommender's input, one row a member and title."""

    SCHEMA: ClassVar[pa.Schema] = pa.schema(
        [
            pa.field("member", ID, nullable=False),
            ("title_id", pa.string()),
            ("weight", pa.float64()),  # confidence that it was liked, in [0, 1]; 0: seen, no sign of it
            ("evidence", pa.string()),  # the strongest sign: watched, rated or listed
            ("is_seen", pa.bool_()),  # false for what was only listed
            ("last_at", TIME),  # the latest event that this row rests on
        ]
    )
    FACTS: ClassVar[dict[str, Facts]] = {name: DERIVED for name in SCHEMA.names}


@dataclass(frozen=True)
class Picks(Rows):
    """Ranked titles for a member, each with its exact reasons."""

    SCHEMA: ClassVar[pa.Schema] = pa.schema(
        [
            pa.field("member", ID, nullable=False),
            ("picks", pa.list_(PICK)),  # best first
            ("model", pa.string()),  # the model that chose them, or `popular`
        ]
    )
    FACTS: ClassVar[dict[str, Facts]] = {name: CHOSEN for name in SCHEMA.names}


@dataclass(frozen=True)
class Contacts(Rows):
    """Where and how a member is written to."""

    SCHEMA: ClassVar[pa.Schema] = pa.schema(
        [
            pa.field("member", ID, nullable=False),
            ("address", pa.string()),
            ("name", pa.string()),  # as the member wants to be greeted; often null
            ("language", pa.string()),  # BCP 47
            ("timezone", pa.string()),  # IANA
            ("region", pa.string()),  # ISO 3166-1, null: unknown
            ("maturity", pa.int32()),  # highest rating shown: 0, 7, 12, 16 or 18
            ("is_shared", pa.bool_()),  # another member has this address: no mail with anybody's history
            ("data_seq", pa.int64()),  # raised by every deletion, disowning, hiding, correction
        ]
    )
    FACTS: ClassVar[dict[str, Facts]] = {name: ADDRESSED for name in SCHEMA.names}


@dataclass(frozen=True)
class Briefs(Rows):
    """What composing one member's mail needs, and not a column more."""

    SCHEMA: ClassVar[pa.Schema] = pa.schema(
        [
            pa.field("member", ID, nullable=False),
            ("send_id", ID),
            ("campaign", pa.string()),
            ("kind", pa.string()),  # the purpose's key: mail.picks
            ("address", pa.string()),
            ("name", pa.string()),
            ("language", pa.string()),
            ("timezone", pa.string()),
            ("picks", pa.list_(PICK)),  # popular titles, without reasons, where not personal
            ("is_personal", pa.bool_()),  # the member's history chose the picks
            ("has_opens", pa.bool_()),  # an open pixel may be in this mail
            ("has_clicks", pa.bool_()),  # links in this mail may tell who clicked
            ("has_learn", pa.bool_()),  # answers in this mail may steer the picks
            ("data_seq", pa.int64()),
            ("catalogue_version", pa.int64()),
            ("used", pa.int64()),  # bits of the purposes that this row used
        ]
    )
    FACTS: ClassVar[dict[str, Facts]] = {name: MAILED for name in SCHEMA.names}


@dataclass(frozen=True)
class Messages(Rows):
    """Mails ready to leave, one a row."""

    SCHEMA: ClassVar[pa.Schema] = pa.schema(
        [
            pa.field("member", ID, nullable=False),
            ("send_id", ID),
            ("address", pa.string()),  # envelope recipient
            ("return_path", pa.string()),  # envelope sender
            ("message_id", pa.string()),  # with its angle brackets; the same for campaign and member, always
            ("raw", pa.large_binary()),  # the whole message, CRLF line ends, signed
            ("record", pa.string()),  # JSON: subject, titles shown and their reasons, as kept with the send
            ("data_seq", pa.int64()),
            ("catalogue_version", pa.int64()),
            ("used", pa.int64()),
        ]
    )
    FACTS: ClassVar[dict[str, Facts]] = {name: MAILED for name in SCHEMA.names}


OUTCOMES = ("accepted", "deferred", "refused", "ambiguous", "returned")
"""What became of a handing-over. `returned`: its deadline passed before DATA, nothing was handed over."""


@dataclass(frozen=True)
class Sends(Rows):
    """What became of each message that was put in flight."""

    SCHEMA: ClassVar[pa.Schema] = pa.schema(
        [
            pa.field("member", ID, nullable=False),
            ("send_id", ID),
            ("outcome", pa.string()),  # one of OUTCOMES
            ("reply", pa.string()),  # the server's words, or what went wrong
        ]
    )
    FACTS: ClassVar[dict[str, Facts]] = {name: MAILED for name in SCHEMA.names}


STORED: tuple[type[Rows], ...] = (Plays, Sessions, Tastes)
"""The tables that the event store holds."""

READABLE: dict[type[Rows], frozenset[type[Purpose]]] = {
    Plays: frozenset({History, Rights}),
    Sessions: frozenset({History, Recommendations, MailNudges, Analytics, Rights}),
    Tastes: frozenset({History, Recommendations, Training, Rights}),
    Contacts: frozenset({MailPicks, Service, Rights}),
}
"""Which table may be read under which purpose. What is not listed is refused."""

KEEPABLE: dict[type[Rows], frozenset[type[Purpose]]] = {
    Sessions: frozenset({History}),
    Tastes: frozenset({History}),
}
"""Which derived table may be kept under which purpose."""
