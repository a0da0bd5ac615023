"""Erasure: everything that is known about a member goes (GDPR Art. 17).

What stays: the ledger's salted leaves, which say nothing without their content; a keyed hash of the member and of
the address, so that late events are recognised and nobody is mailed by mistake; and the counts of mails sent.
The erasure is itself an entry of the ledger and names the leaves whose content went.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

from postreel.consent import leaf_hash, new_entry, signed_head
from postreel.gate.consenting import change
from postreel.gate.core import Core
from postreel.gate.learning import is_on_roster
from postreel.gate.reading import is_address
from postreel.gate.standing import RESET
from postreel.gate.withdrawing import run_withdrawal
from postreel.members import member_id_from
from postreel.ports import Change, Job
from postreel.schema import STORED, id_array


@dataclass(frozen=True)
class Erasure:
    """What an erasure did.

    Attributes:
        rows: removed, by store.
        seconds: how long it took.
        is_exact: whether the model holds nothing of the member any more.
        withheld: mails that were waiting and will not leave.
    """

    member: bytes
    rows: dict[str, int]
    seconds: float
    is_exact: bool
    withheld: int


def erase(core: Core, member: bytes) -> Erasure:
    """Withdraw all purposes, carry the withdrawals through, then remove the member themself.

    Raises:
        ConsentError: the member is not here.
    """
    core.need(member)
    with core.records.writing() as tx:
        position = tx.ledger_size()
        job = Job(f"e{position}-{secrets.token_hex(6)}", "erasure", member, 0, position, "begun", core.now())
        tx.add_job(job)
    return run_erasure(core, job)


def run_erasure(core: Core, job: Job) -> Erasure:
    """Carry an erasure through; may be run again after a crash at any point."""
    began_s, member = core.clock.monotonic_s(), job.member
    with core.records.reading() as tx:
        held = [row for row in tx.grants_of([member]) if row.state == "granted"]
    now = core.now()
    ended = change(core, [Change(member, row.purpose, "withdrawn", "erasure", "", now) for row in held])
    with core.records.reading() as tx:
        waiting = [other for other in tx.open_jobs() if other.member == member and other.kind == "withdrawal"]
    for other in waiting:
        run_withdrawal(core, other)
    is_exact = not is_on_roster(core, member)
    rows = core.events.erase(id_array([member]), STORED)
    rows |= _removed(core, job)
    seconds = core.clock.monotonic_s() - began_s
    return Erasure(member, rows, seconds, is_exact, ended.withheld)


def _removed(core: Core, job: Job) -> dict[str, int]:
    member = job.member
    rows: dict[str, int] = {}
    with core.records.writing() as tx:
        who = tx.members([member])[0]
        address_key = None if who.address is None else core.address_key(who.address)
        rows["engagement"] = tx.forget_engagement(member, ["open", "click"])
        rows["links"] = tx.forget_one_time(member)
        rows["access_log"] = tx.forget_access(member)
        # Mails stay as counts, under an id that leads nowhere.
        rows["mails"] = tx.forget_sends(member, core.random_id())
        tx.step_job(job.job, "done", core.now(), None)
        rows["jobs"] = tx.forget_jobs(member, core.random_id())
        leaves = tx.forget_entries(member)
        rows["ledger_contents"] = len(leaves)
        rows["member"] = tx.remove_member(member, core.member_key(member), address_key, core.now())
        head = _entry_of_erasure(core, tx, leaves)
    core.heads.append(head.line())
    return rows


def _entry_of_erasure(core: Core, tx: Any, leaves: list[int]) -> Any:
    frontier = tx.frontier()
    facts = {"kind": "erasure", "version": 1, "leaves": leaves, "written": core.now().isoformat()}
    entry = new_entry(frontier.size, facts, secrets.token_bytes(32))
    frontier = frontier.plus([leaf_hash(entry.commitment)])
    head = signed_head(frontier, core.now(), core.keys.ledger_key())
    tx.append([(entry, None)], head, frontier)
    tx.set_meta(RESET, str(frontier.size))
    return head


def traces(core: Core, text: str) -> list[str]:
    """Where anything of a member with this id or address is found, in words; empty where nothing is."""
    found: list[str] = []
    member = member_id_from(text)
    with core.records.reading() as tx:
        if member is None and is_address(text):
            ids = tx.by_address_key([core.address_key(text)])
            member = next(iter(ids.values()))[0] if ids else None
        if member is None:
            member = tx.by_alias([text]).get(text)
        if member is None:
            return found
        rows = {
            "members": len(tx.members([member])),
            "aliases": len(tx.aliases_of(member)),
            "grants": len(tx.grants_of([member])),
            "ledger contents": sum(entry.content is not None for entry in tx.entries(member=member)),
            "mails": len(tx.outbox(member=member)),
            "engagement": len(tx.engagement(member)),
            "access log": sum(row.member is not None for row in tx.access_log(member)),
            "jobs": len(tx.jobs_of(member)),
        }
    ids = id_array([member])
    rows |= {table.__name__.lower(): len(core.events.read(table, ids)) for table in STORED}
    if is_on_roster(core, member):
        rows["model"] = 1
    return [f"{count} in {place}" for place, count in rows.items() if count]
