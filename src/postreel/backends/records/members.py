"""Members, their addresses and aliases."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import and_, delete, func, select, update

from postreel.backends.records.base import Facet, cut, us
from postreel.backends.records.tables import aliases, erased, grants, members
from postreel.ports import MemberFacts


class MemberFacet(Facet):
    """`ports.MemberRecords` in SQL."""

    def add_members(self, rows: Sequence[tuple[MemberFacts, bytes | None, str | None, datetime]]) -> None:
        self._insert(
            members,
            (
                {**_stored(facts, key), "id": facts.member, "data_seq": 0, "created_at": us(at)}
                for facts, key, _, at in rows
            ),
        )
        self.add_aliases([(alias, facts.member) for facts, _, alias, _ in rows if alias])

    def change_member(self, facts: MemberFacts, address_key: bytes | None) -> None:
        self._run(
            update(members)
            .where(members.c.id == facts.member)
            .values(**_stored(facts, address_key), data_seq=members.c.data_seq + 1)
        )

    def add_aliases(self, pairs: Sequence[tuple[str, bytes]]) -> None:
        self._insert(aliases, ({"alias": alias, "member": member} for alias, member in pairs))

    def by_alias(self, some: Sequence[str]) -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        for part in cut(some):
            rows = self._run(select(aliases.c.alias, aliases.c.member).where(aliases.c.alias.in_(part)))
            found.update({row.alias: row.member for row in rows})
        return found

    def by_address_key(self, keys: Sequence[bytes]) -> dict[bytes, list[bytes]]:
        found: dict[bytes, list[bytes]] = {}
        for part in cut(keys):
            query = select(members.c.address_key, members.c.id).where(members.c.address_key.in_(part))
            for row in self._run(query.order_by(members.c.id)):
                found.setdefault(row.address_key, []).append(row.id)
        return found

    def members(self, some: Sequence[bytes] | None = None) -> list[MemberFacts]:
        query = _with_sharing()
        if some is None:
            return [_facts(row) for row in self._run(query.order_by(members.c.id))]
        return [_facts(row) for part in cut(some) for row in self._run(query.where(members.c.id.in_(part)))]

    def aliases_of(self, member: bytes) -> list[str]:
        query = select(aliases.c.alias).where(aliases.c.member == member).order_by(aliases.c.alias)
        return [row.alias for row in self._run(query)]

    def granted_members(self, some: Sequence[bytes], purpose: str | None) -> list[MemberFacts]:
        query = _with_sharing()
        if purpose is not None:
            live = and_(
                grants.c.member == members.c.id,
                grants.c.purpose == purpose,
                grants.c.live_since.is_not(None),
            )
            query = query.join(grants, live)
        return [_facts(row) for part in cut(some) for row in self._run(query.where(members.c.id.in_(part)))]

    def raise_data_seq(self, some: Sequence[bytes]) -> None:
        for part in cut(some):
            changed = update(members).where(members.c.id.in_(part))
            self._run(changed.values(data_seq=members.c.data_seq + 1))

    def remove_member(self, member: bytes, member_key: bytes, address_key: bytes | None, at: datetime) -> int:
        self.has_forgotten = True
        trace = {"member_key": member_key, "address_key": address_key, "at": us(at)}
        self._insert(erased, [trace])
        removed = self._run(delete(aliases).where(aliases.c.member == member)).rowcount
        return int(removed + self._run(delete(members).where(members.c.id == member)).rowcount)

    def is_erased(self, member_key: bytes) -> bool:
        return self._run(select(erased.c.at).where(erased.c.member_key == member_key)).first() is not None

    def erased_addresses(self, keys: Sequence[bytes]) -> set[bytes]:
        return {
            row.address_key
            for part in cut(keys)
            for row in self._run(select(erased.c.address_key).where(erased.c.address_key.in_(part)))
        }


def _stored(facts: MemberFacts, address_key: bytes | None) -> dict[str, Any]:
    return {
        "address": facts.address,
        "address_key": address_key,
        "name": facts.name,
        "language": facts.language,
        "timezone": facts.timezone,
        "region": facts.region,
        "maturity": facts.maturity,
        "household": facts.household,
        "is_child": facts.is_child,
    }


def _with_sharing() -> Any:
    others = members.alias("others")
    shared = (
        select(func.count())
        .where(others.c.address_key == members.c.address_key, others.c.id != members.c.id)
        .scalar_subquery()
    )
    return select(members, shared.label("others"))


def _facts(row: Any) -> MemberFacts:
    return MemberFacts(
        member=row.id,
        address=row.address,
        name=row.name,
        language=row.language,
        timezone=row.timezone,
        region=row.region,
        maturity=row.maturity,
        household=row.household,
        is_child=bool(row.is_child),
        data_seq=row.data_seq,
        is_shared=row.others > 0,
    )
