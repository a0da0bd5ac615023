"""Grants and the ledger."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import delete, func, select, update

from postreel.backends.records.base import Facet, cut, maybe_time, maybe_us, time, us
from postreel.backends.records.tables import grants, heads, ledger
from postreel.consent import Entry, Frontier, Head
from postreel.ports import GrantRow

PAGE = 2_000


class ConsentFacet(Facet):
    """`ports.ConsentRecords` in SQL."""

    def ledger_size(self) -> int:
        return int(self._run(select(func.coalesce(func.max(heads.c.size), 0))).scalar_one())

    def frontier(self) -> Frontier:
        query = select(heads.c.size, heads.c.peaks).order_by(heads.c.size.desc()).limit(1)
        row = self._run(query).first()
        return Frontier() if row is None else Frontier.unpacked(row.size, row.peaks)

    def append(self, entries: Sequence[tuple[Entry, bytes | None]], head: Head, frontier: Frontier) -> None:
        self._db.execute(
            ledger.insert(),
            [
                {
                    "position": entry.position,
                    "commitment": entry.commitment,
                    "salt": entry.salt,
                    "content": entry.content,
                    "member": member,
                }
                for entry, member in entries
            ],
        )
        self._db.execute(
            heads.insert(),
            {
                "size": head.size,
                "root": head.root,
                "peaks": frontier.packed(),
                "at": us(head.at),
                "signature": head.signature,
            },
        )

    def entries(self, start: int = 0, member: bytes | None = None) -> Iterator[Entry]:
        while True:
            query = select(ledger).where(ledger.c.position >= start).order_by(ledger.c.position).limit(PAGE)
            if member is not None:
                query = query.where(ledger.c.member == member)
            page = self._run(query).all()
            for row in page:
                yield Entry(
                    row.position, _bytes(row.commitment) or b"", _bytes(row.salt), _bytes(row.content)
                )
            if len(page) < PAGE:
                return
            start = page[-1].position + 1

    def commitments(self, size: int) -> list[bytes]:
        query = select(ledger.c.commitment).where(ledger.c.position < size).order_by(ledger.c.position)
        return [_bytes(row.commitment) or b"" for row in self._run(query)]

    def heads(self) -> list[Head]:
        return [
            Head(row.size, _bytes(row.root) or b"", time(row.at), _bytes(row.signature) or b"")
            for row in self._run(select(heads).order_by(heads.c.size))
        ]

    def grants_of(self, members: Sequence[bytes]) -> list[GrantRow]:
        return [
            _grant(row)
            for part in cut(members)
            for row in self._run(select(grants).where(grants.c.member.in_(part)))
        ]

    def grants_touched(self, after: int) -> list[GrantRow]:
        query = select(grants).where(grants.c.touched > after)
        return [_grant(row) for row in self._run(query)]

    def put_grants(self, rows: Sequence[GrantRow]) -> None:
        self._insert(
            grants,
            (
                {
                    "member": row.member,
                    "purpose": row.purpose,
                    "state": row.state,
                    "since": us(row.since),
                    "live_since": maybe_us(row.live_since),
                    "wording": row.wording,
                    "channel": row.channel,
                    "position": row.position,
                    "touched": row.touched,
                }
                for row in rows
            ),
            replace=True,
        )

    def forget_entries(self, member: bytes) -> list[int]:
        self.has_forgotten = True
        query = select(ledger.c.position).where(ledger.c.member == member, ledger.c.content.is_not(None))
        positions = [row.position for row in self._run(query.order_by(ledger.c.position))]
        emptied = update(ledger).where(ledger.c.member == member)
        self._run(emptied.values(salt=None, content=None, member=None))
        self._run(delete(grants).where(grants.c.member == member))
        return positions


def _bytes(value: object) -> bytes | None:
    """The bytes of a cell. SQLite takes text where bytes belong; who touched it so must not stop the check."""
    return value if isinstance(value, bytes) or value is None else str(value).encode("utf-8", "surrogatepass")


def _grant(row: Any) -> GrantRow:
    return GrantRow(
        member=row.member,
        purpose=row.purpose,
        state=row.state,
        since=time(row.since),
        live_since=maybe_time(row.live_since),
        wording=row.wording,
        channel=row.channel,
        position=row.position,
        touched=row.touched,
    )
