"""A sandbox home with members who watched things, for tests of the gate's doors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from builders import plays_of
from homes import Opened, a_home, opened_home, some_titles

from postreel.flows.refresh import refresh_habits
from postreel.members import MemberRow
from postreel.ports import Change
from postreel.recommend import RecommendSettings
from postreel.schema import Plays

LONG_AGO = datetime(2026, 1, 5, 20, 0, tzinfo=UTC)
ALL_BUT_DEVICES = ("history", "recommendations", "training", "mail.picks")


class SetClock:
    """A clock that a test sets; sleeping moves it on."""

    def __init__(self, at: datetime = LONG_AGO + timedelta(days=30)) -> None:
        self.at, self.seconds = at, 1000.0

    def now(self) -> datetime:
        return self.at

    def monotonic_s(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.go(seconds)

    def go(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)
        self.seconds += seconds


@dataclass
class House:
    """A home, opened, and what tests do with it."""

    opened: Opened
    clock: SetClock

    @property
    def gate(self) -> Any:
        return self.opened.gate

    @property
    def core(self) -> Any:
        return self.opened.core

    def member(self, name: str, *purposes: str, at: datetime = LONG_AGO, **fields: Any) -> bytes:
        """A member with an address, who granted these purposes long ago."""
        address = fields.pop("address", f"{name}@example.org")
        (member,) = self.gate.register([MemberRow(address=address, **fields)]).ids
        assert member is not None
        self.grant(member, *purposes, at=at)
        return member

    def grant(self, member: bytes, *purposes: str, at: datetime | None = None) -> None:
        when = self.clock.now() if at is None else at
        self.gate.simulate([Change(member, p, "granted", "simulation", "simulated", when) for p in purposes])

    def withdraw(self, member: bytes, *purposes: str) -> Any:
        return self.gate.rights(member).refuse(purposes, "test")

    def watch(
        self, member: bytes, titles: Sequence[int], *, at: datetime | None = None, **fields: Any
    ) -> None:
        """Whole viewings of these films, a day apart, taken in by the intake's door and filed."""
        self.offer(member, titles, at=at, **fields)
        self.gate.compact()
        refresh_habits(self.gate)

    def offer(
        self, member: bytes, titles: Sequence[int], *, at: datetime | None = None, **fields: Any
    ) -> Any:
        admitted = self.gate.admit(viewings(member, titles, at or LONG_AGO + timedelta(days=1), **fields))
        self.gate.store(admitted)
        return admitted

    def train(self) -> Any:
        self.clock.go(2)
        refresh_habits(self.gate)
        return self.gate.learn(RecommendSettings())

    def again(self, **around: Any) -> House:
        """The same home as another process opens it."""
        return House(opened_home(self.opened.settings, self.clock, **around), self.clock)


def viewings(member: bytes, titles: Sequence[int], at: datetime, **fields: Any) -> Plays:
    """One whole viewing a title."""
    rows = [
        {
            "member": member,
            "event_id": bytes([n + 1]) + member[1:15] + b"\x01"
            if "salt" not in fields
            else fields["salt"](n),
            "at": at + timedelta(days=i % 20),
            "arrived": at + timedelta(days=i % 20),
            "kind": "watched",
            "title_id": f"film-{n}",
            "value": 1.0,
            "source": "events",
        }
        | {key: value for key, value in fields.items() if key != "salt"}
        for i, n in enumerate(titles)
    ]
    return plays_of(rows)


def a_house(path: Path, **around: Any) -> House:
    """An empty sandbox with forty films."""
    clock = SetClock()
    house = House(opened_home(a_home(path / "home"), clock, **around), clock)
    house.gate.put_titles(some_titles(40))
    return house
