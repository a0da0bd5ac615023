"""What becomes of a campaign, and of its mails once they were in flight.

`post` (posting.py) puts mails in flight; here it is written what came of them, and put right what a dead sender
left. A mail that comes back waits again, unless its campaign was recalled meanwhile.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from postreel.consent import Permitted
from postreel.deliver import is_dead_address, retry_after
from postreel.errors import InputError
from postreel.gate.consenting import YIELD_S
from postreel.gate.core import Core
from postreel.ports import Campaign, Moved, OutboxRow, Transaction
from postreel.purposes import Postable, Service
from postreel.schema import Ids, Messages, Sends

PLAN_CHUNK = 200
NOTICE_AGE = timedelta(minutes=10)
PLANNING, RECALLED = "planning", "recalled"
WAITING = ("planned", "deferred")
"""States of a mail that was in flight and waits again."""


def recover(core: Core, *, notices: bool) -> None:
    """Mails that were in flight when a sender died: handed over, not handed over, or nobody can know.

    Whoever holds the lock knows that the former sender is dead, so none of its mails can begin any more.
    """
    with core.records.reading() as tx:
        flying = [row for row in tx.in_flight() if (row.kind == Service.key) == notices]
    handed = core.transport.delivered([row.message_id or "" for row in flying])
    moved: list[Moved] = []
    for row in flying:
        if handed is None:
            why = "the sender died while this was in flight; it is not sent again"
            moved.append(Moved(row.send_id, "ambiguous", why))
        elif row.message_id in handed:
            moved.append(Moved(row.send_id, "accepted", reply="found at its place after a crash"))
        else:
            moved.append(Moved(row.send_id, "planned"))
    with core.records.writing() as tx:
        _move_back(tx, moved, flying, core.now())
        tx.unclaim(Service.key, is_kind=notices)
        if notices:
            # What a notice says is in no store: one that was not composed at once can never be.
            old = core.now() - NOTICE_AGE
            tx.withhold_stale(Service.key, old, "never composed; ask again", core.now())


def settle(core: Core, sends: Sends) -> dict[str, int]:
    """Write what became of mails in flight. How many by state; `planned`: handed back before DATA began."""
    rows = sends.table.to_pylist()
    moved: list[Moved] = []
    with core.records.writing() as tx:
        now = core.now()
        flying = {held.send_id: held for held in tx.in_flight()}
        for row in rows:
            held = flying.get(row["send_id"])
            if held is not None:
                moved.append(_settled(row, held.attempts, now))
                if row["outcome"] == "refused" and is_dead_address(row["reply"] or ""):
                    _suppress(core, tx, held.member, now)
        _move_back(tx, moved, flying.values(), now)
    return dict(Counter(m.state for m in moved))


def _move_back(tx: Transaction, moved: Sequence[Moved], flying: Iterable[OutboxRow], now: datetime) -> None:
    """Write the new states of mails that were in flight; none waits again in a campaign recalled meanwhile."""
    campaign = {row.send_id: row.campaign for row in flying}
    recalled: set[str] = set()
    if any(one.state in WAITING for one in moved):
        recalled = {held.campaign for held in tx.campaigns() if held.state == RECALLED}
    tx.move(
        [
            Moved(one.send_id, "withheld", "recalled", reply=one.reply)
            if one.state in WAITING and campaign.get(one.send_id) in recalled
            else one
            for one in moved
        ],
        now,
    )


def withhold_claimed(core: Core, claims: Sequence[OutboxRow], sender: str, reason: str) -> int:
    """Withhold those of these mails that this sender still holds. How many."""
    with core.records.writing() as tx:
        states = tx.states([claim.send_id for claim in claims])
        held = [send_id for send_id, state in states.items() if state == ("claimed", sender)]
        tx.move([Moved(send_id, "withheld", reason) for send_id in held], core.now())
    return len(held)


def take_back(core: Core, leaving: Permitted[Messages, Postable]) -> None:
    """Put mails that nobody took back where they waited."""
    rows = leaving.unseal(core.seal)
    moved = [Moved(send_id, "planned") for send_id in rows.table.column("send_id").to_pylist()]
    with core.records.writing() as tx:
        _move_back(tx, moved, tx.in_flight(), core.now())


def _settled(row: dict[str, Any], attempts: int, now: Any) -> Moved:
    outcome, reply, send_id = row["outcome"], row["reply"], row["send_id"]
    if outcome == "returned":
        return Moved(send_id, "planned", reply=reply)
    if outcome == "deferred":
        wait = retry_after(attempts)
        if wait is None:
            return Moved(send_id, "refused", "deferred too often", reply=reply)
        return Moved(send_id, "deferred", reply=reply, not_before=now + wait)
    return Moved(send_id, outcome, reply=reply)


def _suppress(core: Core, tx: Any, member: bytes, now: Any) -> None:
    for who in tx.members([member]):
        if who.address is not None:
            tx.suppress(core.address_key(who.address), "the address does not exist", now)


def plan(core: Core, campaign: Campaign, members: Ids) -> int:
    """A campaign, and one mail in it for each of these members. Cut, so that no transaction is long.

    Until the last of them is planned the campaign is `planning`: one that was killed there is planned again.
    """
    with core.records.writing() as tx:
        if not any(held.campaign == campaign.campaign for held in tx.campaigns()):
            tx.add_campaign(replace(campaign, state=PLANNING))
    count = 0
    for start in range(0, len(members), PLAN_CHUNK):
        rows = [(core.random_id(), bytes(member)) for member in members[start : start + PLAN_CHUNK]]
        with core.records.writing() as tx:
            if _state(tx, campaign.campaign) == RECALLED:
                return count
            count += tx.plan(campaign.campaign, campaign.kind, rows, core.now())
        core.clock.sleep(YIELD_S)
    with core.records.writing() as tx:
        if _state(tx, campaign.campaign) == PLANNING:
            tx.set_campaign(campaign.campaign, campaign.state)
    return count


def _state(tx: Transaction, campaign: str) -> str | None:
    return next((held.state for held in tx.campaigns() if held.campaign == campaign), None)


def set_campaign(core: Core, campaign: str, state: str) -> None:
    """Pause, resume or end a campaign; `recalled` withholds all that has not left.

    Raises:
        InputError: there is no such campaign.
    """
    with core.records.writing() as tx:
        now = _state(tx, campaign)
        if now is None:
            raise InputError(f"there is no campaign {campaign!r}; `postreel campaign list` shows them")
        if now == PLANNING and state != RECALLED:
            raise InputError(
                f"campaign {campaign!r} is not planned to its end; "
                f"carry it on with `postreel campaign send KIND --name {campaign}`, or recall it"
            )
        tx.set_campaign(campaign, state)
        if state == RECALLED:
            tx.recall(campaign, core.now())
