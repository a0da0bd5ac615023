"""Playback events as players and services send them: a JSON object with `events`, a JSON array, or NDJSON.

Purpose: none yet (`gate.admit` decides under `history`). Used by `POST /v1/events` and `import events`.
Decoding is msgspec's, whole batches at once; only a batch with a bad event is looked at one by one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import chain, islice
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
import pyarrow as pa
from msgspec import Meta
from numpy.typing import NDArray

from postreel.collect.lines import EARLIEST, EPOCH, LEEWAY
from postreel.collect.parsed import TEXT_LIMIT, Parsed, Refused, event_ids, key_of, no_plays, plays_table
from postreel.errors import InputError
from postreel.schema import TIME

SOURCE = "events"
_LONGEST_S = 10_000_000.0

Name = Annotated[str, Meta(min_length=1, max_length=320, pattern=r"^[^\x00-\x1f]+$")]
Position = Annotated[float, Meta(ge=0, le=_LONGEST_S)]
Moment = Annotated[datetime, Meta(tz=True)]


class Event(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True, frozen=True, gc=False):
    """One event on the wire.

    Attributes:
        member: the service's own id for the member, or their address.
        type: what happened.
        at: ISO 8601 with a zone, or Unix seconds.
        id: the sender's own id; the same id from the same member is the same event.
        position_s: seconds into the title.
        from_s, to_s: seconds, for a seek: where it left and where it landed.
        rating: 0.5 to 5.
        query: the words of a search.
    """

    member: Name
    type: Literal[
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
    ]
    at: Moment | Annotated[float, Meta(ge=-1e11, le=1e11)]
    id: Annotated[str, Meta(min_length=1, max_length=200)] | None = None
    title: Name | None = None
    position_s: Position | None = None
    from_s: Position | None = None
    to_s: Position | None = None
    rating: Annotated[float, Meta(ge=0.5, le=5)] | None = None
    query: Annotated[str, Meta(max_length=500)] | None = None
    device_type: Literal["tv", "phone", "tablet", "computer", "console", "other"] | None = None
    device_id: Annotated[str, Meta(max_length=200)] | None = None


class _Envelope(msgspec.Struct, forbid_unknown_fields=True):
    events: list[msgspec.Raw]


_ONE = msgspec.json.Decoder(Event)
_LIST = msgspec.json.Decoder(list[Event])
_RAWS = msgspec.json.Decoder(list[msgspec.Raw])
_ENVELOPE = msgspec.json.Decoder(_Envelope)
_ENCODER = msgspec.json.Encoder()
_BAD = (msgspec.MsgspecError, ValueError, RecursionError, OverflowError)


def parse_events(body: bytes, arrived: datetime) -> Parsed:
    """A batch of events in any of the three forms.

    Args:
        body: UTF-8.
        arrived: aware UTC time at which it came.

    Returns:
        The good events; the bad ones refused with their place (the line of NDJSON, else the 1-based index).

    Raises:
        InputError: an array or an object that is not JSON; nothing in it can be told apart.
    """
    start = body[:64].lstrip()[:1] or body.lstrip()[:1]
    if start == b"[":
        return _of_array(body, arrived)
    if start == b"{":
        try:
            return _of_raws(_ENVELOPE.decode(body).events, arrived)
        except _BAD:
            # Not an envelope: a single event, or one event a line.
            pass
    return _of_lines(body.split(b"\n"), 1, arrived)


def read_events(lines: Iterable[bytes], arrived: datetime, chunk: int = 50_000) -> Iterator[Parsed]:
    """The events of a file, `chunk` lines at a time, so that memory stays flat however long the file is.

    A file that is one JSON array or object is read whole.

    Args:
        lines: as an open binary file gives them.
        arrived: aware UTC time of the import.
        chunk: lines a batch.

    Raises:
        InputError: the file is an array or an object that is not JSON.
    """
    rest = iter(lines)
    head = list(islice(rest, chunk))
    first = next((line for line in head if line.strip()), b"")
    if not _is_event_line(first):
        yield parse_events(b"".join(chain(head, rest)), arrived)
        return
    at_line = 1
    while head:
        yield _of_lines(head, at_line, arrived)
        at_line += len(head)
        head = list(islice(rest, chunk))


def format_events(events: Sequence[Event]) -> bytes:
    """NDJSON of these events: what `parse_events` reads back."""
    return b"".join(_ENCODER.encode(event) + b"\n" for event in events)


def _is_event_line(line: bytes) -> bool:
    """Whether the first line is a whole JSON object other than an envelope, or is no JSON start at all."""
    text = line.strip()
    if text[:1] not in (b"{", b"["):
        return True
    try:
        whole = msgspec.json.decode(text)
    except _BAD:
        return False
    return isinstance(whole, dict) and "events" not in whole


def _of_array(body: bytes, arrived: datetime) -> Parsed:
    try:
        return _build(_LIST.decode(body), None, arrived, [], None)
    except _BAD:
        pass
    try:
        raws = _RAWS.decode(body)
    except _BAD as error:
        raise InputError(f"the batch is not JSON ({error}); send an array, or one event a line") from None
    return _of_raws(raws, arrived)


def _of_raws(raws: Sequence[msgspec.Raw], arrived: datetime) -> Parsed:
    return _of_pieces([bytes(raw) for raw in raws], np.arange(1, len(raws) + 1), arrived)


def _of_lines(lines: Sequence[bytes], first_line: int, arrived: datetime) -> Parsed:
    kept = [(i, line) for i, line in enumerate(lines, first_line) if line.strip()]
    if not kept:
        return no_plays()
    return _of_pieces([line for _, line in kept], np.array([i for i, _ in kept]), arrived)


def _of_pieces(pieces: Sequence[bytes], places: NDArray[np.int64], arrived: datetime) -> Parsed:
    events: list[Event] = []
    refused: list[Refused] = []
    good: list[int] = []
    for i, piece in enumerate(pieces):
        try:
            events.append(_ONE.decode(piece))
        except _BAD as error:
            refused.append(Refused(int(places[i]), _reason(error), _shown(piece)))
        else:
            good.append(i)
    return _build(events, places[good] if good else places[:0], arrived, refused, pieces)


def _reason(error: BaseException) -> str:
    if isinstance(error, RecursionError):
        return "nested too deeply"
    return str(error).replace("`$.", "`").replace(" - at `$`", "")


def _shown(piece: bytes) -> str:
    return piece[: TEXT_LIMIT * 4].decode("utf-8", "replace").strip()[:TEXT_LIMIT]


def _build(
    events: Sequence[Event],
    places: NDArray[np.int64] | None,
    arrived: datetime,
    refused: list[Refused],
    pieces: Sequence[bytes] | None,
) -> Parsed:
    """The table of decoded events, less those that make no sense."""
    if not events:
        return no_plays(sorted(refused, key=lambda r: r.line))
    at = _microseconds([e.at for e in events])
    kinds = np.array([e.type for e in events])
    has_title = np.array([e.title is not None for e in events])
    wrongs = (
        (at < _us(EARLIEST), "`at` is before 1990"),
        (at > _us(arrived + LEEWAY), "`at` is more than 24 hours in the future"),
        (~has_title & (kinds != "search"), "this type needs a `title`"),
        ((kinds == "seek") & np.array([e.to_s is None for e in events]), "a seek needs `to_s`"),
        ((kinds == "rating") & np.array([e.rating is None for e in events]), "a rating needs `rating`"),
        ((kinds == "search") & np.array([not e.query for e in events]), "a search needs `query`"),
    )
    is_bad = np.zeros(len(events), np.bool_)
    for wrong, reason in wrongs:
        for i in np.flatnonzero(wrong & ~is_bad).tolist():
            place = i + 1 if places is None else int(places[i])
            refused.append(Refused(place, reason, _shown(_ENCODER.encode(events[i]))))
        is_bad |= wrong
    refused.sort(key=lambda r: r.line)
    if is_bad.any():
        events = [e for e, bad in zip(events, is_bad.tolist(), strict=True) if not bad]
        at, kinds = at[~is_bad], kinds[~is_bad]
    lines = np.arange(1, len(is_bad) + 1) if places is None else places
    return Parsed(*_columns(events, at, arrived), refused, lines=lines[~is_bad])


def _columns(events: Sequence[Event], at: NDArray[np.int64], arrived: datetime) -> tuple[Any, pa.Table]:
    who = pa.array([e.member for e in events], pa.string())
    keys = (
        key_of(SOURCE, e.member, e.id) if e.id is not None else b"\xff" + _ENCODER.encode(e) for e in events
    )
    table = plays_table(
        len(events),
        event_id=event_ids(keys),
        at=pa.array(at, pa.int64()).cast(TIME),
        arrived=arrived,
        kind=[e.type for e in events],
        title_id=[e.title for e in events],
        position_s=[e.position_s for e in events],
        from_s=[e.from_s for e in events],
        to_s=[e.to_s for e in events],
        value=[e.rating for e in events],
        text=[e.query for e in events],
        device_type=[e.device_type for e in events],
        device_id=[e.device_id for e in events],
        source=SOURCE,
    )
    return who, table


def _us(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(microseconds=1)


def _microseconds(times: Sequence[datetime | float]) -> NDArray[np.int64]:
    """(n,) microseconds since 1970."""
    number_count = sum(isinstance(t, float) for t in times)
    if number_count == 0:
        try:
            return pa.array(times, TIME).cast(pa.int64()).to_numpy(zero_copy_only=False)
        except (OverflowError, ValueError):
            # A zone can push the first or last day of the calendar over its edge; the sums below cannot overflow.
            pass
    elif number_count == len(times):
        return np.rint(np.array(times, np.float64) * 1e6).astype(np.int64)
    return np.fromiter(
        (_us(t) if isinstance(t, datetime) else round(t * 1e6) for t in times), np.int64, len(times)
    )
