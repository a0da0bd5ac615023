"""Erasure: everything that is known about a member goes (GDPR Art. 17).

What stays: the ledger's salted leaves, which say nothing without their content; a keyed hash of the member and of
the address, so that late events are recognised and nobody is mailed by mistake; and the counts of mails sent.
The erasure is itself an entry of the ledger and names the leaves whose content went.
"""

from __future__ import annotations

import secrets
from collections import Counter
from dataclasses import dataclass

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from postreel.consent import Head, leaf_hash, new_entry, signed_head
from postreel.errors import ConsentError
from postreel.gate.consenting import change
from postreel.gate.core import Core
from postreel.gate.learning import is_on_roster
from postreel.gate.reading import admitted_again, is_address
from postreel.gate.standing import RESET
from postreel.gate.withdrawing import alone_with, run_withdrawal
from postreel.members import member_id_from
from postreel.ports import Change, Job, Transaction
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
    with core.records.writing() as tx:
        if not tx.members([member]):
            raise ConsentError("that member is not here (any more); nothing was done")
        job = next((job for job in tx.open_jobs() if job.member == member and job.kind == "erasure"), None)
        if job is None:
            position, name = tx.ledger_size(), secrets.token_hex(6)
            job = Job(f"e{position}-{name}", "erasure", member, 0, position, "begun", core.now())
            tx.add_job(job)
    return carry_erasure(core, job)


def carry_erasure(core: Core, job: Job) -> Erasure:
    """Carry an erasure through, if nobody else has meanwhile."""
    with alone_with(core, job.member):
        with core.records.reading() as tx:
            is_here = bool(tx.members([job.member]))
        if is_here:
            return run_erasure(core, job)
        with core.records.writing() as tx:
            tx.step_job(job.job, "done", core.now(), None)
    return Erasure(job.member, {}, 0.0, not is_on_roster(core, job.member), 0)


def run_erasure(core: Core, job: Job) -> Erasure:
    """Carry an erasure through, under `alone_with`; may be run again after a crash at any point."""
    began_s, member = core.clock.monotonic_s(), job.member
    with core.records.reading() as tx:
        held = [row for row in tx.grants_of([member]) if row.state == "granted"]
    now = core.now()
    ended = change(core, [Change(member, row.purpose, "withdrawn", "erasure", "", now) for row in held])
    with core.records.reading() as tx:
        waiting = [other for other in tx.open_jobs() if other.member == member and other.kind == "withdrawal"]
    rows: Counter[str] = Counter()
    for other in waiting:
        rows.update(run_withdrawal(core, other)["removed"])
    is_exact = not is_on_roster(core, member)
    rows.update(core.events.erase(id_array([member]), STORED))
    rows.update(_removed(core, job))
    seconds = core.clock.monotonic_s() - began_s
    return Erasure(member, dict(rows), seconds, is_exact, ended.withheld)


def _removed(core: Core, job: Job) -> dict[str, int]:
    member = job.member
    rows: dict[str, int] = {}
    with core.records.writing() as tx:
        who = tx.members([member])[0]
        address_key = None if who.address is None else core.address_key(who.address)
        if address_key is not None:
            _remember(core, tx, address_key, member)
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


def _remember(core: Core, tx: Transaction, address_key: bytes, member: bytes) -> None:
    """Keep the id that an address had, encrypted, so that by the address it can be checked that all of it went.

    It says no more than the keyed hash beside it: whoever has the key could test any id against that.
    """
    note = _note_of(address_key)
    nonce = secrets.token_bytes(12)
    sealed = nonce + AESGCM(core.keys.secret("erased members")).encrypt(nonce, member, address_key)
    tx.set_meta(note, " ".join([*(tx.meta(note) or "").split(), sealed.hex()]))


def _erased_ids(core: Core, tx: Transaction, address_key: bytes) -> list[bytes]:
    cipher = AESGCM(core.keys.secret("erased members"))
    sealed = [bytes.fromhex(one) for one in (tx.meta(_note_of(address_key)) or "").split()]
    return [cipher.decrypt(one[:12], one[12:], address_key) for one in sealed]


def _note_of(address_key: bytes) -> str:
    return f"erased {address_key.hex()}"


def _entry_of_erasure(core: Core, tx: Transaction, leaves: list[int]) -> Head:
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
    # Events that were admitted before a withdrawal and stored after it stand in the spool; this drops them.
    core.events.compact(lambda plays: admitted_again(core, plays))
    return [trace for member in members_named(core, text) for trace in _traces_of(core, member)]


def members_named(core: Core, text: str) -> list[bytes]:
    """The members, erased ones with them, with this id, alias or address; empty where there is none."""
    with core.records.reading() as tx:
        one = member_id_from(text) or tx.by_alias([text]).get(text)
        members = [] if one is None else [one]
        if is_address(text):
            key = core.address_key(text)
            members += [*tx.by_address_key([key]).get(key, []), *_erased_ids(core, tx, key)]
    return list(dict.fromkeys(members))


def _traces_of(core: Core, member: bytes) -> list[str]:
    with core.records.reading() as tx:
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
