"""Engagement, suppressions, single-use links, jobs, the access log and the installation's own notes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, or_, select, update

from postreel.backends.records.base import Facet, cut, maybe_time, maybe_us, time, us
from postreel.backends.records.tables import access_log, engagement, jobs, meta, one_time, suppressions
from postreel.ports import AccessRow, Job


class EngagementFacet(Facet):
    """`ports.EngagementRecords` in SQL."""

    def note(self, send_id: bytes, member: bytes, kind: str, slot: int, at: datetime) -> None:
        same = (engagement.c.send_id == send_id) & (engagement.c.kind == kind) & (engagement.c.slot == slot)
        seen = update(engagement).where(same).values(count=engagement.c.count + 1)
        if self._run(seen).rowcount == 0:
            row = {"send_id": send_id, "member": member, "kind": kind, "slot": slot}
            self._insert(engagement, [{**row, "first_at": us(at), "count": 1}])

    def engagement(
        self, member: bytes | None = None, kind: str | None = None
    ) -> list[tuple[bytes, str, int, int]]:
        query = select(engagement)
        if member is not None:
            query = query.where(engagement.c.member == member)
        if kind is not None:
            query = query.where(engagement.c.kind == kind)
        return [(row.send_id, row.kind, row.slot, row.count) for row in self._run(query)]

    def forget_engagement(self, member: bytes, kinds: Sequence[str]) -> int:
        self.has_forgotten = True
        mine = (engagement.c.member == member) & engagement.c.kind.in_(kinds)
        return int(self._run(delete(engagement).where(mine)).rowcount)


class DeskFacet(Facet):
    """`ports.DeskRecords` in SQL."""

    def suppress(self, address_key: bytes, reason: str, at: datetime) -> None:
        self._insert(suppressions, [{"address_key": address_key, "reason": reason, "at": us(at)}])

    def suppressed(self, keys: Sequence[bytes]) -> set[bytes]:
        return {
            row.address_key
            for part in cut(keys)
            for row in self._run(
                select(suppressions.c.address_key).where(suppressions.c.address_key.in_(part))
            )
        }

    def put_one_time(self, fingerprint: bytes, member: bytes, what: str, expires_at: datetime) -> None:
        row = {"fingerprint": fingerprint, "member": member, "what": what, "expires_at": us(expires_at)}
        self._insert(one_time, [row])

    def one_time(self, fingerprint: bytes) -> tuple[bytes, str, datetime, bool] | None:
        row = self._run(select(one_time).where(one_time.c.fingerprint == fingerprint)).first()
        return None if row is None else (row.member, row.what, time(row.expires_at), row.used_at is not None)

    def use_one_time(self, fingerprint: bytes, at: datetime) -> bool:
        fresh = (
            update(one_time)
            .where(
                one_time.c.fingerprint == fingerprint,
                one_time.c.used_at.is_(None),
                one_time.c.expires_at > us(at),
            )
            .values(used_at=us(at))
        )
        return self._run(fresh).rowcount == 1

    def forget_one_time(self, member: bytes) -> int:
        self.has_forgotten = True
        return int(self._run(delete(one_time).where(one_time.c.member == member)).rowcount)

    def add_job(self, job: Job) -> None:
        self._db.execute(
            jobs.insert(),
            {
                "id": job.job,
                "kind": job.kind,
                "member": job.member,
                "purposes": job.purposes,
                "position": job.position,
                "step": job.step,
                "created_at": us(job.created_at),
                "done_at": maybe_us(job.done_at),
                "certificate": job.certificate,
            },
        )

    def open_jobs(self) -> list[Job]:
        query = select(jobs).where(jobs.c.done_at.is_(None)).order_by(jobs.c.position, jobs.c.id)
        return [_job(row) for row in self._run(query)]

    def jobs_of(self, member: bytes) -> list[Job]:
        query = select(jobs).where(jobs.c.member == member).order_by(jobs.c.position, jobs.c.id)
        return [_job(row) for row in self._run(query)]

    def step_job(self, job: str, step: str, done_at: datetime | None, certificate: str | None) -> None:
        values = {"step": step, "done_at": maybe_us(done_at), "certificate": certificate}
        self._run(update(jobs).where(jobs.c.id == job).values(**values))

    def forget_jobs(self, member: bytes, substitute: bytes) -> int:
        self.has_forgotten = True
        mine = update(jobs).where(jobs.c.member == member)
        return int(self._run(mine.values(member=substitute, certificate=None)).rowcount)

    def log_access(self, rows: Sequence[AccessRow]) -> None:
        self._insert(
            access_log,
            (
                {
                    "at": us(row.at),
                    "purpose": row.purpose,
                    "table_name": row.table,
                    "who": row.who,
                    "why": row.why,
                    "member": row.member,
                    "member_count": row.member_count,
                    "position": row.position,
                }
                for row in rows
            ),
        )

    def access_log(self, member: bytes) -> list[AccessRow]:
        mine = or_(access_log.c.member == member, access_log.c.member.is_(None))
        return [
            AccessRow(
                time(row.at),
                row.purpose,
                row.table_name,
                row.who,
                row.why,
                row.member,
                row.member_count,
                row.position,
            )
            for row in self._run(select(access_log).where(mine).order_by(access_log.c.id))
        ]

    def forget_access(self, member: bytes) -> int:
        self.has_forgotten = True
        return int(self._run(delete(access_log).where(access_log.c.member == member)).rowcount)

    def meta(self, key: str) -> str | None:
        row = self._run(select(meta.c.value).where(meta.c.key == key)).first()
        return None if row is None else row.value

    def set_meta(self, key: str, value: str) -> None:
        self._insert(meta, [{"key": key, "value": value}], replace=True)


def _job(row: Any) -> Job:
    return Job(
        job=row.id,
        kind=row.kind,
        member=row.member,
        purposes=row.purposes,
        position=row.position,
        step=row.step,
        created_at=time(row.created_at),
        done_at=maybe_time(row.done_at),
        certificate=row.certificate,
    )
