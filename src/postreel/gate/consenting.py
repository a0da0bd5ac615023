"""Grants and withdrawals: one transaction in the ledger, and what must be true before it is answered.

A change is written to the ledger together with the state it leads to, the mails that it withholds and the job
that carries a withdrawal through. The head is then kept outside the database as well; the member's part is
copied to the model's removal journal; and the answer waits until no mail of theirs can begin to leave any more.
"""

from __future__ import annotations

import json
import secrets
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from postreel.consent import Entry, Head, inclusion_proof, leaf_hash, new_entry, public_key_of, signed_head
from postreel.errors import ConsentError, InputError
from postreel.gate.core import Core
from postreel.gate.learning import journal_removals
from postreel.gate.verifying import repair_heads
from postreel.gate.withdrawing import carry_withdrawal
from postreel.ports import Change, GrantRow, Job, MemberFacts, OutboxRow, Transaction
from postreel.purposes import SWITCHABLE, keys_in, mask_of, purpose_named

FLIGHT_S = 0.8
"""Seconds after which a mail put in flight may no longer begin its DATA."""
STEP_S = 0.01
EVERY = mask_of(p.key for p in SWITCHABLE)
STATES = ("granted", "refused", "withdrawn", "expired")
MAILS = tuple(p.key for p in SWITCHABLE if p.key.startswith("mail."))
SIMULATION = "simulation"
"""The channel of answers that nobody gave: a sandbox alone has them."""
YIELD_S = 0.001
CHUNK = 200
"""Entries a transaction: so small that a withdrawal beside a bulk import waits a few milliseconds."""


@dataclass(frozen=True)
class Changed:
    """What a change of grants led to.

    Attributes:
        position: the ledger entry of the last change.
        entries: those written; none where everything stood so already.
        head: the signed head that covers them, or None.
        jobs: what goes on behind the answer.
        withheld: mails that were waiting and now will not leave.
        begun: mails whose DATA had begun, or may have, when the change was answered.
    """

    position: int
    entries: tuple[Entry, ...]
    head: Head | None
    jobs: tuple[Job, ...]
    withheld: int
    begun: tuple[OutboxRow, ...]


def change(core: Core, changes: Sequence[Change]) -> Changed:
    """Write these changes in one transaction, and make them hold.

    Raises:
        InputError: an unknown purpose or state, or more changes than one transaction takes.
        ConsentError: a member is not here, or is a child, who grants nothing.
    """
    _refuse_odd(changes)
    members = sorted({c.member for c in changes})
    granting = {c.member for c in changes if c.state == "granted"}
    jobs: tuple[Job, ...] = ()
    withheld = 0
    while True:
        with core.records.writing() as tx:
            waiting = [job for job in tx.open_jobs() if job.member in granting] if granting else []
            if not waiting:
                facts = {m.member: m for m in tx.members(members)}
                before = _by_member(tx.grants_of(members))
                written = _written(core, tx, changes, facts, before)
                if written.entries:
                    jobs, withheld = _carry(core, tx, before, written)
                break
        _finish_withdrawals(core, waiting)
    if not written.entries:
        return _said_again(core, changes, before)
    core.heads.append(written.head.line())
    journal_removals(core, jobs)
    begun = _waited(core, {job.member: job.purposes for job in jobs})
    return Changed(written.entries[-1].position, written.entries, written.head, jobs, withheld, begun)


def _finish_withdrawals(core: Core, waiting: Sequence[Job]) -> None:
    """Carry open withdrawals of members through, so that what they grant now starts afresh.

    Else what was to be erased would be in use again, and the job would erase what came under the new grant.
    """
    for job in waiting:
        if job.kind == "erasure":
            raise ConsentError("that member is being erased; nothing was changed")
        carry_withdrawal(core, job)


def _said_again(core: Core, changes: Sequence[Change], before: dict[bytes, dict[str, GrantRow]]) -> Changed:
    """What stood so already. Whoever said it first may have died before the answer, so it is made to hold anew.

    Or they wait for their answer now, while the job is done behind it: so this waits too, whatever step that is at.
    """
    members = {one.member for one in changes if one.state != "granted"}
    jobs: list[Job] = []
    if members:
        with core.records.reading() as tx:
            mine = [job for job in tx.open_jobs() if job.member in members]
        jobs = [job for job in mine if job.kind == "withdrawal" and job.step == "begun"]
    if jobs:
        repair_heads(core)
        journal_removals(core, jobs)
    begun = _waited(core, {one.member: EVERY & ~_live(before.get(one.member, {})) for one in changes})
    rows = [before.get(one.member, {}).get(one.purpose) for one in changes]
    return Changed(max((row.position for row in rows if row), default=-1), (), None, (), 0, begun)


def change_many(core: Core, changes: Sequence[Change]) -> int:
    """As `change`, cut into transactions of at most 200 entries. How many entries were written.

    A yes after a no of the same member comes in a later transaction, when what the no removes is gone.
    """
    count = 0
    for part in _cut(changes):
        count += len(change(core, part).entries)
        # Whoever waits to write goes before the next chunk.
        core.clock.sleep(YIELD_S)
    return count


def _cut(changes: Sequence[Change]) -> Iterator[list[Change]]:
    part: list[Change] = []
    named: set[tuple[bytes, str]] = set()
    for one in changes:
        if len(part) == CHUNK or (one.member, one.purpose) in named:
            yield part
            part, named = [], set()
        part.append(one)
        named.add((one.member, one.purpose))
    if part:
        yield part


@dataclass(frozen=True)
class _Written:
    entries: tuple[Entry, ...]
    head: Head
    after: dict[bytes, dict[str, GrantRow]]


def _refuse_odd(changes: Sequence[Change]) -> None:
    if len(changes) > CHUNK:
        raise InputError(f"{len(changes)} changes in one transaction; at most {CHUNK}")
    if len({(one.member, one.purpose) for one in changes}) < len(changes):
        raise InputError("a purpose of one member changes twice in one transaction; make it two")
    for one in changes:
        if purpose_named(one.purpose) not in SWITCHABLE:
            raise InputError(f"{one.purpose!r} rests on law or contract and cannot be switched")
        if one.state not in STATES:
            raise InputError(f"a grant can be {', '.join(STATES)}; not {one.state!r}")


def _written(
    core: Core,
    tx: Transaction,
    changes: Sequence[Change],
    facts: dict[bytes, MemberFacts],
    before: dict[bytes, dict[str, GrantRow]],
) -> _Written:
    frontier = tx.frontier()
    entries: list[Entry] = []
    owners: list[bytes] = []
    after = {member: dict(rows) for member, rows in before.items()}
    for one in changes:
        member = facts.get(one.member)
        if member is None:
            raise ConsentError("that member is not here (any more); nothing was changed")
        if member.is_child and one.state == "granted":
            raise ConsentError("a child grants nothing; nothing was changed")
        rows = after.setdefault(one.member, {})
        held = rows.get(one.purpose)
        since = _since(tx, one, held)
        if held is not None and held.state == one.state and since == held.since:
            continue
        position = frontier.size + len(entries)
        row = GrantRow(
            one.member,
            one.purpose,
            one.state,
            since,
            None,
            core.policy.wording_of(one.purpose),
            one.channel,
            position,
            position,
        )
        entries.append(new_entry(position, _facts(core, one, row), secrets.token_bytes(32)))
        owners.append(one.member)
        rows[one.purpose] = row
    frontier = frontier.plus([leaf_hash(entry.commitment) for entry in entries])
    head = signed_head(frontier, core.now(), core.keys.ledger_key())
    if entries:
        tx.append(list(zip(entries, owners, strict=True)), head, frontier)
    last = entries[-1].position if entries else -1
    for member, rows in after.items():
        after[member] = _with_lives(core, rows, last)
    return _Written(tuple(entries), head, after)


def _since(tx: Transaction, one: Change, held: GrantRow | None) -> datetime:
    """When this state begins: a yes after a no never reaches back before the no, whatever the clocks say."""
    at = one.at.astimezone(UTC)
    if held is None or held.state != one.state:
        return at if held is None or one.state != "granted" else max(at, held.since)
    is_simulated = one.state == "granted" and one.channel == held.channel == SIMULATION
    if not is_simulated or at >= held.since:
        return held.since
    # A second file of a sandbox reaches further back: so does its simulated grant, but not past a no.
    told = (entry.facts for entry in tx.entries(member=one.member))
    noes = [datetime.fromisoformat(str(f["since"])) for f in told if _is_no(f, one.purpose)]
    return max([at, *noes])


def _is_no(facts: Mapping[str, object], purpose: str) -> bool:
    return facts.get("purpose") == purpose and facts.get("state") != "granted"


def _facts(core: Core, one: Change, row: GrantRow) -> dict[str, object]:
    return {
        "kind": "consent",
        "version": 1,
        "member": one.member.hex(),
        "purpose": one.purpose,
        "state": one.state,
        "since": row.since.isoformat(),
        "written": core.now().isoformat(),
        "wording": row.wording,
        "channel": one.channel,
        "evidence": one.evidence,
    }


def _with_lives(core: Core, rows: dict[str, GrantRow], last: int) -> dict[str, GrantRow]:
    since = {key: row.since for key, row in rows.items() if row.state == "granted"}
    live = core.policy.live_since(since)
    return {
        key: row
        if row.live_since == live.get(key)
        else replace(row, live_since=live.get(key), touched=max(row.touched, last))
        for key, row in rows.items()
    }


def _carry(
    core: Core, tx: Transaction, before: dict[bytes, dict[str, GrantRow]], written: _Written
) -> tuple[tuple[Job, ...], int]:
    """Store the new states, withhold what must not leave, open a job for each member who lost a purpose."""
    changed: list[GrantRow] = []
    jobs: list[Job] = []
    withheld = 0
    for member, rows in written.after.items():
        old = before.get(member, {})
        changed += [row for key, row in rows.items() if row != old.get(key)]
        lost = _live(old) & ~_live(rows)
        if not lost:
            continue
        kinds = [key for key in keys_in(lost) if key in MAILS]
        if kinds:
            withheld += tx.withhold([member], kinds, "withdrawn", core.now())
        tx.raise_data_seq([member])
        position = written.entries[-1].position
        # Nothing of the member is in the name: it outlives them.
        name = f"w{position}-{secrets.token_hex(6)}"
        job = Job(name, "withdrawal", member, lost, position, "begun", core.now())
        tx.add_job(job)
        jobs.append(job)
    tx.put_grants(changed)
    return tuple(jobs), withheld


def _live(rows: dict[str, GrantRow]) -> int:
    return mask_of(key for key, row in rows.items() if row.live_since is not None)


def _waited(core: Core, lost: Mapping[bytes, int]) -> tuple[OutboxRow, ...]:
    """Wait until no mail that uses what was taken back can begin to leave; those that had begun, or may have.

    A mail uses the purpose of its kind, and perhaps a pixel, measured links, the member's own titles.

    Args:
        lost: the purposes, as bits, that each of these members has no live grant of any more.
    """
    if not lost:
        return ()

    def flying() -> list[OutboxRow]:
        with core.records.reading() as tx:
            return [row for row in tx.in_flight(list(lost)) if row.used & lost[row.member]]

    watched = flying()
    # Each was put in flight before this look, so its deadline is over at the latest this much later.
    until = core.clock.monotonic_s() + FLIGHT_S
    waiting = watched
    while waiting and core.clock.monotonic_s() < until:
        core.clock.sleep(STEP_S)
        waiting = flying()
    begun: list[OutboxRow] = []
    with core.records.reading() as tx:
        for row in watched:
            now = tx.send(row.send_id)
            is_out = now is not None and now.state not in ("planned", "claimed", "withheld")
            # One that came back and left without what was taken back is none of those.
            if now is not None and is_out and now.used & lost[row.member]:
                begun.append(now)
    return tuple(begun)


def _by_member(rows: Sequence[GrantRow]) -> dict[bytes, dict[str, GrantRow]]:
    found: dict[bytes, dict[str, GrantRow]] = defaultdict(dict)
    for row in rows:
        found[row.member][row.purpose] = row
    return dict(found)


def receipt_of(core: Core, changed: Changed) -> dict[str, object]:
    """The record given to a member: what was written, its proof of inclusion, the signed head, what had left.

    Whoever holds it can check with `consent.is_included` that the entry is in the tree, and later, by a proof of
    consistency, that no entry was changed since.
    """
    if changed.head is None or not changed.entries:
        return {"position": changed.position, "changed": False}
    with core.records.reading() as tx:
        leaves = [leaf_hash(one) for one in tx.commitments(changed.head.size)]
    return {
        "position": changed.position,
        "changed": True,
        "entries": [
            {
                "position": entry.position,
                "content": json.loads(entry.content or b"{}"),
                "salt": (entry.salt or b"").hex(),
                "proof": [step.hex() for step in inclusion_proof(leaves, entry.position)],
            }
            for entry in changed.entries
        ],
        "head": json.loads(changed.head.line()),
        "key": public_key_of(core.keys.ledger_key()).hex(),
        "withheld": changed.withheld,
        "had_begun": [row.message_id for row in changed.begun],
    }
