"""Small builders, so that the data of a test reads as a sentence."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from postreel.catalogue import Catalogue, Title
from postreel.schema import Plays

START = datetime(2025, 3, 3, 20, 0, tzinfo=UTC)
"""A Monday evening."""


def member_id(number: int) -> bytes:
    """A made-up member id."""
    return number.to_bytes(15, "big") + b"\x01"


def a_play(
    member: int = 1, kind: str = "play", title: str = "film", at: float = 0.0, **fields: Any
) -> dict[str, Any]:
    """One event: `at` is seconds after START; other fields by the names of the columns of `Plays`."""
    moment = START + timedelta(seconds=at)
    row = {"member": member_id(member), "kind": kind, "title_id": title, "at": moment, "arrived": moment}
    return row | {"source": "events"} | fields


def plays_of(rows: Iterable[dict[str, Any]]) -> Plays:
    """These events as a table."""
    listed = list(rows)
    if not listed:
        return Plays.empty()
    return Plays.of(**{name: [row.get(name) for row in listed] for name in Plays.SCHEMA.names})


def a_sitting(
    member: int = 1, title: str = "film", at: float = 0.0, **stretch: float
) -> list[dict[str, Any]]:
    """A play and a stop with a heartbeat a minute: `start` and `end` are seconds into the title."""
    start, end = stretch.get("start", 0.0), stretch["end"]
    rows = [a_play(member, "play", title, at, position_s=start)]
    beat = start + 60
    while beat < end:
        rows.append(a_play(member, "heartbeat", title, at + beat - start, position_s=beat))
        beat += 60
    return [*rows, a_play(member, "stop", title, at + end - start, position_s=end)]


def a_catalogue(**minutes: float | None) -> Catalogue:
    """Films by id, with their minutes."""
    return Catalogue.of(Title(name, name.title(), minutes=length) for name, length in minutes.items())
