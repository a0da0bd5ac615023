"""The door by which members come in: registrations by the service, and imports of members with their grants."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from postreel.gate.consenting import YIELD_S, change_many
from postreel.gate.core import Core
from postreel.gate.jobs import run_open_jobs
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

    A member is the same when the alias is, else when exactly one has the address; but one who is known by another
    alias is somebody else. An address whose member was erased is refused: they come back by their own hand only.
    Whoever turns out to be a child loses all grants, and what rested on them.
    """
    ids: list[bytes | None] = []
    refused: list[tuple[int, str]] = []
    children: list[bytes] = []
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
                elif found is not None and part[offset].is_child and not is_new:
                    children.append(found)
        core.clock.sleep(YIELD_S)
    _end_grants(core, children)
    return Registered(tuple(ids), added, tuple(refused))


def _end_grants(core: Core, children: Sequence[bytes]) -> None:
    with core.records.reading() as tx:
        held = [row for row in tx.grants_of(children) if row.state == "granted"]
    now, why = core.now(), "a child grants nothing"
    change_many(
        core, [Change(row.member, row.purpose, "withdrawn", "registration", why, now) for row in held]
    )
    for child in {row.member for row in held}:
        run_open_jobs(core, child)


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
    adopted: list[tuple[str, bytes]] = []
    named = {member: bool(tx.aliases_of(member)) for ids in by_key.values() for member in ids}
    for row, key in zip(rows, keys, strict=True):
        sharing = by_key.get(key, []) if key is not None else []
        member = by_alias.get(row.alias) if row.alias else None
        if row.alias is None and len(sharing) > 1:
            why = f"{len(sharing)} members share this address; give the row its alias"
            results.append((None, False, why))
            continue
        if member is None and len(sharing) == 1 and _may_be(row, has_alias=named.get(sharing[0], False)):
            member = sharing[0]
        if member is None and row.is_child and row.alias is None:
            results.append((None, False, "a child has no mailbox; give the row an alias"))
            continue
        # A child has no address of their own: the one told is a parent's, which is not shared by that.
        own_key = None if row.is_child else key
        if key is not None and key in gone and member not in sharing:
            results.append((None, False, "this address was erased; its owner alone can come back"))
            continue
        facts = _facts_of(core, row, member or core.random_id(), known.get(member) if member else None)
        if member is None:
            fresh.append((facts, own_key, row.alias, core.now()))
            if row.alias:
                by_alias[row.alias] = facts.member
            if own_key is not None:
                by_key.setdefault(own_key, []).append(facts.member)
        elif member in known:
            if row.alias and row.alias not in by_alias:
                adopted.append((row.alias, member))
                by_alias[row.alias] = member
            if replace(known[member], data_seq=0, is_shared=False) != facts:
                tx.change_member(facts, own_key)
                known[member] = facts
        named[facts.member] = named.get(facts.member, False) or row.alias is not None
        results.append((facts.member, member is None, ""))
    tx.add_members(fresh)
    tx.add_aliases(adopted)
    return results


def _may_be(row: MemberRow, *, has_alias: bool) -> bool:
    """Whether the one member with a row's address may be whom it means, though its alias is not known."""
    # A source tells its people apart by alias; and a child's row may carry a parent's address.
    return row.alias is None or not (has_alias or row.is_child)


def _facts_of(core: Core, row: MemberRow, member: bytes, known: MemberFacts | None) -> MemberFacts:
    return MemberFacts(
        member=member,
        address=None if row.is_child or not row.address else normal_address(row.address),
        name=row.name,
        language=row.language or (known.language if known else core.language),
        timezone=row.timezone or (known.timezone if known else core.timezone),
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
