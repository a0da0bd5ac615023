"""The demo from an empty sandbox to a sent campaign, by the doors that every installation uses.

Members are registered, their dated answers written, their players' events taken in by the intake's own function;
then habits, training, one picks campaign. Withdrawals are written as the period passes, so what their members'
players report afterwards is refused at the door. Runs in a sandbox home only; used by `postreel demo`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from postreel.compose import Kit
from postreel.demo.answers import Answer, consents
from postreel.demo.films import film_catalogue
from postreel.demo.members import SimulatedMember, member_rows, simulated_members
from postreel.demo.players import event_batches
from postreel.flows.ingest import Taken, accept_events
from postreel.flows.refresh import refresh_habits
from postreel.flows.send import Sent, plan_campaign, send_campaign
from postreel.gate import Gate, Standing
from postreel.members import MemberRow
from postreel.ports import Change, Clock
from postreel.purposes import SWITCHABLE, MeasureClicks, MeasureOpens, mask_of
from postreel.schema import id_array

DAYS = 90
"""Days of viewing that are simulated."""
CAMPAIGN = "first-picks"
CUTS = (0.5, 0.7, 0.86)
"""Shares of the period after which the withdrawals up to then are written; `answers.consents` dates none later."""
CHUNK = 1_000
_ON_THE_WIRE = timedelta(seconds=5)
_AT = re.compile(rb'"at":"([^"]+)Z"')

Tell = Callable[[str, int | None], AbstractContextManager[Callable[[int], None]]]
"""Opens a stage by its name and, where known, its amount of work; gives what moves it on."""


@dataclass(frozen=True)
class Story:
    """What the demo did.

    Attributes:
        members: with a mailbox; children beside them.
        told, refused: events that players reported, and how many of them no live grant covered or named nobody.
        withdrawn: members who took something back while the period ran.
        silent: members with a mailbox whose mails may report neither opens nor clicks.
        seconds: by stage.
    """

    members: int
    children: int
    titles: int
    told: int
    refused: int
    events: int
    sessions: int
    grants: dict[str, int]
    withdrawn: int
    silent: int
    trained_members: int
    sent: Sent
    seconds: dict[str, float]

    def facts(self) -> dict[str, Any]:
        """As `demo --json` prints it, without the maildir."""
        return {
            "members": self.members,
            "titles": self.titles,
            "events": self.events,
            "sessions": self.sessions,
            "grants": self.grants,
            "campaign": self.sent.campaign,
            "messages": {
                "accepted": self.sent.states["accepted"],
                "withheld": dict(sorted(self.sent.withheld.items())),
            },
        }


def run_demo(
    gate: Gate, kit: Kit, clock: Clock, members: int, seed: int, until: datetime, tell: Tell
) -> Story:
    """Fill an empty sandbox, train, and send the picks.

    Args:
        members: how many with a mailbox.
        seed: the same members, seed and `until` give the same counts.
        until: aware UTC time at which the simulated period ends; not later than now.
        tell: shows a stage while it runs.

    Raises:
        InputError: this is no sandbox, or there are no members.
    """
    stages = _Stages(tell, clock)
    start = until - timedelta(days=DAYS)
    with stages("catalogue", None):
        titles = film_catalogue(until)
        gate.put_titles(titles)
    with stages("members", members) as step:
        people = simulated_members(members, seed)
        ids = _registered(gate, people, step)
    answers = consents(people, start, until, seed)
    first = [answer for answer in answers if answer.state != "withdrawn"]
    ends = [answer for answer in answers if answer.state == "withdrawn"]
    with stages("answers", len(first)) as step:
        for start_row in range(0, len(first), CHUNK):
            part = first[start_row : start_row + CHUNK]
            gate.simulate([_change(ids, answer) for answer in part])
            step(len(part))
    taken = Taken("events")
    told = 0
    with stages("events", None) as step:
        for body, arrived, due in _days(people, start, until, seed, titles, ends):
            _withdraw(gate, ids, due)
            if body:
                one = accept_events(gate, body, arrived)
                told += one.read
                taken.kept += one.kept
                step(one.read)
    with stages("habits", None) as step:
        refresh_habits(gate, step)
    with stages("training", None):
        learned = gate.learn(gate.chosen_settings()[0])
    with stages("mails", None) as step:
        campaign, _ = plan_campaign(gate, "picks", CAMPAIGN, clock)
        sent = send_campaign(gate, campaign, kit, clock, step)
    stored, standing = gate.stored_count(), gate.standing()
    return Story(
        members=members,
        children=len(people) - members,
        titles=len(titles),
        told=told,
        refused=told - taken.kept,
        events=stored["plays"],
        sessions=stored["sessions"],
        grants={p.key: len(standing.members(p)) for p in SWITCHABLE},
        withdrawn=len({answer.address for answer in ends}),
        silent=_silent(standing, ids),
        trained_members=learned.members,
        sent=sent,
        seconds=stages.seconds,
    )


@dataclass
class _Stages:
    """Shows each stage and keeps how long it took."""

    tell: Tell
    clock: Clock

    def __post_init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._name, self._began_s = "", 0.0
        self._open: AbstractContextManager[Callable[[int], None]] | None = None

    def __call__(self, name: str, total: int | None) -> _Stages:
        self._name, self._open = name, self.tell(name, total)
        return self

    def __enter__(self) -> Callable[[int], None]:
        assert self._open is not None  # noqa: S101 - `__call__` comes first
        self._began_s = self.clock.monotonic_s()
        return self._open.__enter__()

    def __exit__(self, *fault: Any) -> None:
        assert self._open is not None  # noqa: S101
        self._open.__exit__(*fault)
        self.seconds[self._name] = round(self.clock.monotonic_s() - self._began_s, 2)


def _registered(
    gate: Gate, people: Sequence[SimulatedMember], step: Callable[[int], None]
) -> dict[str, bytes]:
    """Members by address. Children are known by their alias alone, and have no mailbox."""
    rows = member_rows(people)
    children = [
        MemberRow(address="", alias=who.alias, timezone=who.timezone, maturity=who.maturity, is_child=True)
        for who in people
        if who.is_child
    ]
    ids: dict[str, bytes] = {}
    for start in range(0, len(rows), CHUNK):
        part = rows[start : start + CHUNK]
        found = gate.register(part).ids
        ids |= {row.address: one for row, one in zip(part, found, strict=True) if one is not None}
        step(len(part))
    gate.register(children)
    return ids


def _silent(standing: Standing, ids: dict[str, bytes]) -> int:
    reporting = standing.bits(id_array(ids.values())) & mask_of((MeasureOpens.key, MeasureClicks.key))
    return int(np.count_nonzero(reporting == 0))


def _change(ids: dict[str, bytes], answer: Answer) -> Change:
    return Change(ids[answer.address], answer.purpose, answer.state, "simulation", "simulated", answer.at)


def _days(
    people: Sequence[SimulatedMember],
    start: datetime,
    until: datetime,
    seed: int,
    titles: Any,
    ends: Sequence[Answer],
) -> Iterator[tuple[bytes, datetime, list[Answer]]]:
    """Each body with the time at which it arrives, and the withdrawals to be written before it."""
    cuts = [start + (until - start) * share for share in CUTS]
    waiting = list(ends)
    for body in event_batches(people, start, until, seed, titles):
        last = max(_AT.findall(body)).decode()
        arrived = min(datetime.fromisoformat(f"{last}+00:00") + _ON_THE_WIRE, until)
        due: list[Answer] = []
        while cuts and arrived >= cuts[0]:
            cut = cuts.pop(0)
            due += [answer for answer in waiting if answer.at <= cut]
            waiting = [answer for answer in waiting if answer.at > cut]
        yield body, arrived, due
    yield b"", until, waiting


def _withdraw(gate: Gate, ids: dict[str, bytes], due: Sequence[Answer]) -> None:
    if due:
        gate.compact()  # an erasure then rewrites a bucket a month, and not the whole spool
        gate.simulate([_change(ids, answer) for answer in due])
        gate.run_jobs()
