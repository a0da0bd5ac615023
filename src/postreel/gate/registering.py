"""The door by which members come in: registrations by the service, and imports of members with their grants."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from postreel.errors import InputError
from postreel.gate.consenting import change_many
from postreel.gate.core import Core
from postreel.members import MemberRow, normal_address
from postreel.ports import Change, MemberFacts, Transaction

CHUNK = 200


@dataclass(frozen=True)
class Registered:
    """What came of a registration.

    Attributes:
        ids: the member of each row, None where the row was refused.
        added: how many are new.
        refused: row number (0-based) and why.
    """

    ids: tuple[bytes | None, ...]
    added: int
    refused: tuple[tuple[int, str], ...]


def register(core: Core, rows: Sequence[MemberRow]) -> Registered:
    """Add members, or bring what is stored of them up to date. Grants nothing.

    A member is the same when the alias is, else when exactly one has the address. An address whose member was
    erased is refused: they come back by their own hand only.
    """
    ids: list[bytes | None] = []
    refused: list[tuple[int, str]] = []
    added = 0
    for start in range(0, len(rows), CHUNK):
        part = rows[start : start + CHUNK]
        with core.records.writing() as tx:
            for offset, one in enumerate(_registered(core, tx, part)):
                found, is_new, why = one
                ids.append(found)
                added += is_new
                if why:
                    refused.append((start + offset, why))
    return Registered(tuple(ids), added, tuple(refused))


def _registered(
    core: Core, tx: Transaction, rows: Sequence[MemberRow]
) -> list[tuple[bytes | None, bool, str]]:
    keys = [core.address_key(row.address) if row.address else None for row in rows]
    some = [key for key in keys if key is not None]
    by_alias = tx.by_alias([row.alias for row in rows if row.alias])
    by_key = tx.by_address_key(some)
    gone = tx.erased_addresses(some)
    known = {
        m.member: m for m in tx.members([*by_alias.values(), *(i for ids in by_key.values() for i in ids)])
    }
    fresh: list[tuple[MemberFacts, bytes | None, str | None, datetime]] = []
    results: list[tuple[bytes | None, bool, str]] = []
    for row, key in zip(rows, keys, strict=True):
        member = _same(row, key, by_alias, by_key)
        if member is None and key is not None and key in gone:
            results.append((None, False, "this address was erased; its owner alone can come back"))
            continue
        facts = _facts_of(row, member or core.random_id())
        if member is None:
            fresh.append((facts, key, row.alias, core.now()))
            if row.alias:
                by_alias[row.alias] = facts.member
            if key is not None:
                by_key.setdefault(key, []).append(facts.member)
        elif member in known and replace(known[member], data_seq=0, is_shared=False) != facts:
            tx.change_member(facts, key)
        results.append((facts.member, member is None, ""))
    tx.add_members(fresh)
    return results


def _same(
    row: MemberRow, key: bytes | None, by_alias: dict[str, bytes], by_key: dict[bytes, list[bytes]]
) -> bytes | None:
    if row.alias:
        # With an alias the source tells its people apart: another alias on the same address is somebody else.
        return by_alias.get(row.alias)
    sharing = by_key.get(key, []) if key is not None else []
    if len(sharing) > 1:
        raise InputError(f"{len(sharing)} members share one address; give each row its alias")
    return sharing[0] if sharing else None


def _facts_of(row: MemberRow, member: bytes) -> MemberFacts:
    return MemberFacts(
        member=member,
        address=None if row.is_child or not row.address else normal_address(row.address),
        name=row.name,
        language=row.language,
        timezone=row.timezone,
        region=row.region,
        maturity=row.maturity,
        household=row.household,
        is_child=row.is_child,
        data_seq=0,
    )


def grant_with_evidence(core: Core, rows: Sequence[MemberRow], registered: Registered, channel: str) -> int:
    """Write down the grants that an import brings, each with its evidence. How many were new."""
    now = core.now()
    changes = [
        Change(member, purpose, "granted", channel, evidence, now)
        for row, member in zip(rows, registered.ids, strict=True)
        if member is not None and not row.is_child
        for purpose, evidence in row.grants
    ]
    return change_many(core, changes)
