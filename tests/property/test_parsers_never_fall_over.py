"""Parsers on anything at all: nothing but InputError; and what is written is read back."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postreel.collect import (
    Event,
    format_events,
    parse_catalogue,
    parse_events,
    parse_members,
    parse_netflix,
    plays_of,
    read_events,
    read_movielens,
    read_viewings,
)
from postreel.errors import InputError

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MOVIES = ["movieId,title,genres\n"]
HEADERS = {
    "events": "",
    "csv": "member,title,time,weight\n",
    "members": "address,alias,language,timezone,maturity,history,measure.opens\n",
    "titles": "title_id,name,year,minutes,genres,available_from\n",
    "ratings": "userId,movieId,rating,timestamp\n",
    "movies": "movieId,title,genres\n",
    "activity": "Profile Name,Start Time,Duration,Title,Bookmark\n",
    "history": "Title,Date\n",
}
PARSERS: dict[str, Callable[[list[bytes]], Any]] = {
    "events": lambda lines: (parse_events(b"".join(lines), NOW), list(read_events(lines, NOW, 2))),
    "csv": lambda lines: list(read_viewings(lines, NOW, 2)),
    "members": parse_members,
    "titles": parse_catalogue,
    "ratings": lambda lines: list(read_movielens(lines, MOVIES, NOW, 2)),
    "movies": lambda lines: list(read_movielens([], lines, NOW)),
    "activity": lambda lines: parse_netflix(lines, "a@example.org", NOW),
    "history": lambda lines: parse_netflix(lines, "a@example.org", NOW),
}
PIECES = st.sampled_from(
    [
        *(bytes([code]) for code in b',"\n\r;{}[]: \x00\xff'),
        *(b"null", b"\xef\xbb\xbf", b"1", b"-1", b"1e999", b"nan", b"1/2/21", b"2024-01-01"),
        *(b'"\\ud800"', b"9" * 400, b"0001-01-01T00:00:00+14:00", b"9999-12-31T23:59:59-14:00"),
        *(b"01:00:00", b"a@example.org", b"Part 1: ", b'"events"', b'"member":"a"', b'"at":1', b"true"),
        *("Größe".encode(), "電影".encode(), b'"grants":{"history":"x"}', b'"address":"a@b.co"'),
    ]
)
ANYTHING = st.one_of(
    st.binary(max_size=200), st.text(max_size=80).map(lambda t: t.encode("utf-8", "surrogatepass"))
)


@pytest.mark.parametrize("source", PARSERS)
@pytest.mark.parametrize("has_header", [True, False])
@settings(max_examples=50)
@given(pieces=st.lists(st.one_of(PIECES, PIECES, ANYTHING), max_size=20))
def test_no_parser_raises_anything_but_an_input_error(
    source: str, has_header: bool, pieces: list[bytes]
) -> None:
    body = (HEADERS[source].encode() if has_header else b"") + b"".join(pieces)
    with suppress(InputError):
        PARSERS[source](body.splitlines(True))


KINDS = [
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
NAMES = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=20)
TIMES = st.integers(700_000_000_000_000, 1_700_000_000_000_000).map(
    lambda us: datetime.fromtimestamp(us // 10**6, UTC)
)
POSITIONS = st.floats(0, 1e6)


@st.composite
def events(draw: st.DrawFn) -> Event:
    kind = draw(st.sampled_from(KINDS))
    return Event(
        member=draw(NAMES),
        type=kind,
        at=draw(TIMES),
        id=draw(st.none() | NAMES),
        title=None if kind == "search" else draw(NAMES),
        position_s=draw(st.none() | POSITIONS),
        from_s=draw(st.none() | POSITIONS),
        to_s=draw(POSITIONS) if kind == "seek" else None,
        rating=draw(st.floats(0.5, 5)) if kind == "rating" else None,
        query=draw(NAMES) if kind == "search" else None,
        device_type=draw(st.sampled_from([None, "tv", "phone", "tablet", "computer", "console", "other"])),
        device_id=draw(st.none() | NAMES),
    )


@settings(max_examples=200)
@given(st.lists(events(), max_size=8))
def test_what_is_written_is_read_back(sent: list[Event]) -> None:
    bodies = [format_events(sent), msgspec.json.encode(sent), msgspec.json.encode({"events": sent})]
    read = [parse_events(body, NOW) for body in bodies]
    assert all(p.plays.equals(read[0].plays) and not p.refused for p in read)
    assert read[0].who.to_pylist() == [e.member for e in sent]
    for row, event in zip(read[0].plays.to_pylist(), sent, strict=True):
        got = (row["at"], row["kind"], row["title_id"], row["position_s"], row["from_s"], row["to_s"])
        assert got == (event.at, event.type, event.title, event.position_s, event.from_s, event.to_s)
        assert (row["value"], row["text"]) == (event.rating, event.query)
        assert (row["device_type"], row["device_id"]) == (event.device_type, event.device_id)
        assert row["event_id"][-1] != 0
    ids = {e.member: bytes([i + 1]) * 16 for i, e in enumerate(sent)}
    plays, unknown = plays_of(read[0], ids)
    assert len(unknown) == 0
    assert plays.members.tolist() == [ids[e.member] for e in sent]
