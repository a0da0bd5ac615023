"""Campaigns and their mails."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import and_, bindparam, func, or_, select, update

from postreel.backends.records.base import cut, maybe_time, time, us
from postreel.backends.records.members import MemberFacet
from postreel.backends.records.tables import campaigns, grants, members, outbox, suppressions
from postreel.ports import Campaign, MemberFacts, Moved, OutboxRow

WAITING = ("planned", "claimed", "deferred")


class OutboxFacet(MemberFacet):
    """`ports.OutboxRecords` in SQL."""

    def add_campaign(self, campaign: Campaign) -> None:
        self._db.execute(
            campaigns.insert(),
            {
                "id": campaign.campaign,
                "kind": campaign.kind,
                "name": campaign.name,
                "state": campaign.state,
                "created_at": us(campaign.created_at),
                "model": campaign.model,
                "excluded": campaign.excluded,
            },
        )

    def set_campaign(self, campaign: str, state: str) -> None:
        self._run(update(campaigns).where(campaigns.c.id == campaign).values(state=state))

    def campaigns(self) -> list[Campaign]:
        return [
            Campaign(row.id, row.kind, row.name, row.state, time(row.created_at), row.model, row.excluded)
            for row in self._run(select(campaigns).order_by(campaigns.c.created_at, campaigns.c.id))
        ]

    def plan(self, campaign: str, kind: str, rows: Sequence[tuple[bytes, bytes]], at: datetime) -> int:
        return self._insert(
            outbox,
            (
                {
                    "send_id": send_id,
                    "campaign": campaign,
                    "member": member,
                    "kind": kind,
                    "state": "planned",
                    "used": 0,
                    "position": 0,
                    "attempts": 0,
                    "not_before": us(at),
                    "planned_at": us(at),
                }
                for send_id, member in rows
            ),
        )

    def claim(self, campaign: str, sender: str, at: datetime, limit: int) -> list[OutboxRow]:
        due = (
            select(outbox.c.send_id)
            .where(
                outbox.c.campaign == campaign,
                # What was planned is due, whatever a clock that was set back says of when.
                or_(
                    outbox.c.state == "planned",
                    and_(outbox.c.state == "deferred", outbox.c.not_before <= us(at)),
                ),
            )
            .order_by(outbox.c.member)
            .limit(limit)
        )
        if self._db.dialect.name == "postgresql":
            due = due.with_for_update(skip_locked=True)
        taken = (
            update(outbox)
            .where(outbox.c.send_id.in_(due.scalar_subquery()))
            .values(state="claimed", sender=sender)
            .returning(*outbox.c)
        )
        return sorted((_row(row) for row in self._run(taken)), key=lambda row: row.member)

    def standing(self, some: Sequence[bytes]) -> dict[bytes, tuple[MemberFacts, bytes | None, bool, str]]:
        facts = {member.member: member for member in self.members(some)}
        keys: dict[bytes, bytes | None] = {}
        live: dict[bytes, list[str]] = {member: [] for member in facts}
        blocked: set[bytes] = set()
        for part in cut(some):
            rows = self._run(
                select(members.c.id, members.c.address_key, suppressions.c.at)
                .outerjoin(suppressions, suppressions.c.address_key == members.c.address_key)
                .where(members.c.id.in_(part))
            )
            for row in rows:
                keys[row.id] = row.address_key
                if row.at is not None:
                    blocked.add(row.id)
            granted = select(grants.c.member, grants.c.purpose).where(
                grants.c.member.in_(part), grants.c.live_since.is_not(None)
            )
            for row in self._run(granted):
                live.setdefault(row.member, []).append(row.purpose)
        return {
            member: (known, keys.get(member), member in blocked, " ".join(live[member]))
            for member, known in facts.items()
        }

    def move(self, rows: Sequence[Moved], at: datetime) -> None:
        final = ("accepted", "refused", "withheld", "ambiguous")
        # Rows that change the same columns go in one statement: a campaign spends much of its time here.
        alike: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
        for row in rows:
            values: dict[str, Any] = {
                "state": row.state,
                "sender": row.sender,
                "deadline": None if row.deadline is None else us(row.deadline),
                "settled_at": us(at) if row.state in final else None,
            }
            kept = ("reason", "message_id", "used", "position", "reply", "record")
            values |= {name: getattr(row, name) for name in kept if getattr(row, name) is not None}
            if row.not_before is not None:
                values["not_before"] = us(row.not_before)
            alike.setdefault((row.is_attempt, *values), []).append({**values, "row": row.send_id})
        for (is_attempt, *names), batch in alike.items():
            changed: dict[str, Any] = {name: bindparam(name) for name in names}
            if is_attempt:
                changed["attempts"] = outbox.c.attempts + 1
            statement = update(outbox).where(outbox.c.send_id == bindparam("row")).values(**changed)
            self._db.execute(statement, batch)

    def states(self, send_ids: Sequence[bytes]) -> dict[bytes, tuple[str, str | None]]:
        found: dict[bytes, tuple[str, str | None]] = {}
        for part in cut(send_ids):
            query = select(outbox.c.send_id, outbox.c.state, outbox.c.sender)
            for row in self._run(query.where(outbox.c.send_id.in_(part))):
                found[row.send_id] = (row.state, row.sender)
        return found

    def withhold(self, some: Sequence[bytes], kinds: Sequence[str], reason: str, at: datetime) -> int:
        count = 0
        for part in cut(some):
            waiting = and_(outbox.c.member.in_(part), outbox.c.kind.in_(kinds), outbox.c.state.in_(WAITING))
            values = {"state": "withheld", "reason": reason, "sender": None, "settled_at": us(at)}
            count += self._run(update(outbox).where(waiting).values(**values)).rowcount
        return count

    def recall(self, campaign: str, at: datetime) -> int:
        waiting = and_(outbox.c.campaign == campaign, outbox.c.state.in_(WAITING))
        values = {"state": "withheld", "reason": "recalled", "sender": None, "settled_at": us(at)}
        return int(self._run(update(outbox).where(waiting).values(**values)).rowcount)

    def in_flight(self, some: Sequence[bytes] | None = None) -> list[OutboxRow]:
        query = select(outbox).where(outbox.c.state == "in flight")
        if some is None:
            return [_row(row) for row in self._run(query)]
        return [_row(row) for part in cut(some) for row in self._run(query.where(outbox.c.member.in_(part)))]

    def withhold_stale(self, kind: str, before: datetime, reason: str, at: datetime) -> int:
        old = and_(outbox.c.kind == kind, outbox.c.state == "planned", outbox.c.planned_at < us(before))
        values = {"state": "withheld", "reason": reason, "settled_at": us(at)}
        return int(self._run(update(outbox).where(old).values(**values)).rowcount)

    def unclaim(self, kind: str, *, is_kind: bool) -> int:
        mine = outbox.c.kind == kind if is_kind else outbox.c.kind != kind
        claimed = update(outbox).where(outbox.c.state == "claimed", mine)
        return int(self._run(claimed.values(state="planned", sender=None)).rowcount)

    def outbox(self, campaign: str | None = None, member: bytes | None = None) -> list[OutboxRow]:
        query = select(outbox)
        if campaign is not None:
            query = query.where(outbox.c.campaign == campaign)
        if member is not None:
            query = query.where(outbox.c.member == member)
        return [_row(row) for row in self._run(query.order_by(outbox.c.campaign, outbox.c.member))]

    def send(self, send_id: bytes) -> OutboxRow | None:
        row = self._run(select(outbox).where(outbox.c.send_id == send_id)).first()
        return None if row is None else _row(row)

    def forget_sends(self, member: bytes, substitute: bytes) -> int:
        self.has_forgotten = True
        mine = update(outbox).where(outbox.c.member == member)
        return int(
            self._run(mine.values(member=substitute, message_id=None, record=None, reply=None)).rowcount
        )

    def report(self, campaign: str) -> list[tuple[str, str | None, int]]:
        query = (
            select(outbox.c.state, outbox.c.reason, func.count().label("count"))
            .where(outbox.c.campaign == campaign)
            .group_by(outbox.c.state, outbox.c.reason)
            .order_by(outbox.c.state, outbox.c.reason)
        )
        return [(row.state, row.reason, row[2]) for row in self._run(query)]


def _row(row: Any) -> OutboxRow:
    return OutboxRow(
        send_id=row.send_id,
        campaign=row.campaign,
        member=row.member,
        kind=row.kind,
        state=row.state,
        reason=row.reason,
        message_id=row.message_id,
        used=row.used,
        position=row.position,
        attempts=row.attempts,
        reply=row.reply,
        record=row.record,
        settled_at=maybe_time(row.settled_at),
    )
