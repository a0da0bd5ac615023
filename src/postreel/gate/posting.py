"""The doors `brief`, `post` and `settle`, and the lock that makes one process the sender.

    planned -> claimed -> in flight -> accepted | refused | ambiguous
       ^          |           |
       |          +-> withheld+-> deferred -> claimed ...
       +----------------------+   (returned: the deadline passed before DATA began)

`brief` looks at grants when a member's mail is composed; `post` looks again, in the transaction that puts it in
flight, at everything that the mail rests on: the purposes it used, the address and its suppression, what is
known of the member, the catalogue. A mail is in flight for at most 800 ms before its DATA begins; after that the
transport hands it back. Therefore an answered withdrawal needs to wait no longer than that.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar, cast

import numpy as np

from postreel.consent import Permitted, Warrant
from postreel.deliver import is_dead_address, retry_after
from postreel.errors import ConsentError, InputError
from postreel.gate.consenting import FLIGHT_S, YIELD_S
from postreel.gate.core import Core
from postreel.ports import Campaign, MemberFacts, Moved, OutboxRow
from postreel.purposes import (
    BIT,
    Learn,
    Mailing,
    MeasureClicks,
    MeasureOpens,
    Postable,
    Purpose,
    Recommendations,
    Service,
    mask_of,
)
from postreel.schema import Briefs, Ids, Messages, Picks, Sends, id_array, unique_ids

P = TypeVar("P", bound=Postable)
PLAN_CHUNK = 200
GROUP = 16
"""Most mails in flight at once for one call: so few that all can begin before their deadline."""


@dataclass(frozen=True)
class Briefing:
    """What composing needs.

    Attributes:
        briefs: one row a mail that may be composed.
        withheld: how many may not, by reason.
    """

    briefs: Permitted[Briefs, Mailing]
    withheld: dict[str, int]


@dataclass(frozen=True)
class Posted:
    """What came of looking again.

    Attributes:
        leaving: the mails now in flight.
        deadline_s: monotonic time after which none of them may begin its DATA.
        again: how many rest on something that changed since, and go back to be composed anew.
        withheld: how many will not leave, by reason.
    """

    leaving: Permitted[Messages, Postable]
    deadline_s: float
    again: int
    withheld: dict[str, int]


@contextmanager
def sending(core: Core, *, notices: bool) -> Generator[str, None, None]:
    """Be the one process that sends, for the length of a with block; first put right what a dead one left.

    Args:
        notices: send notices about accounts, beside whoever sends campaigns.

    Yields:
        The sender's name, written on the rows that it claims.

    Raises:
        TransientError: another process is sending.
    """
    with core.locks.held("notices" if notices else "sender"):
        _recover(core, notices=notices)
        yield secrets.token_hex(8)


def _recover(core: Core, *, notices: bool) -> None:
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
        tx.move(moved, core.now())
        tx.unclaim(Service.key, is_kind=notices)


def brief(
    core: Core,
    kind: type[Mailing],
    claims: Sequence[OutboxRow],
    picks: Permitted[Picks, Recommendations],
    popular: Picks,
    model: str,
) -> Briefing:
    """One row a claimed mail, under the kind's purpose; what rests on another purpose is there only where live.

    Args:
        claims: mails of this sender, claimed.
        picks: personal titles of those of the members who have them.
        popular: one row of popular titles for everybody else; its member is not looked at.
        model: the name of the model behind both.
    """
    by_member = {row.member: row for row in claims}
    standing = core.standing()
    asked = unique_ids(id_array(by_member))
    live = asked[standing.is_live(kind, asked)]
    with core.records.reading() as tx:
        facts = {m.member: m for m in tx.granted_members([bytes(m) for m in live], kind.key)}
        version = tx.catalogue_version()
    personal = _personal(core, picks)
    rows: list[dict[str, Any]] = []
    reasons: list[Moved] = []
    for member, claim in sorted(by_member.items()):
        who = facts.get(member)
        why = _unwritable(who, kind)
        if why or who is None:
            reasons.append(Moved(claim.send_id, "withheld", why))
        else:
            rows.append(_brief(who, claim, kind, personal.get(member), popular, version))
    _mask(core, rows, standing.bits(id_array(row["member"] for row in rows)), kind)
    with core.records.writing() as tx:
        tx.move(reasons, core.now())
    table = (
        Briefs.of(**{name: [row[name] for row in rows] for name in Briefs.SCHEMA.names})
        if rows
        else Briefs.empty()
    )
    members, used = table.members, table.column("used").astype(np.int64)
    warrant = Warrant(kind, standing.position, members, used)
    permitted = Permitted[Briefs, Mailing](core.seal, table, warrant)
    return Briefing(permitted, dict(Counter(str(row.reason) for row in reasons)))


def obstacle(core: Core, member: bytes, kind: type[Mailing]) -> str | None:
    """What stands against a mail of this kind to this member now; None: nothing."""
    with core.records.reading() as tx:
        known = tx.standing([member])
    if member not in known:
        return "the member is gone"
    who, _, is_suppressed, live = known[member]
    if kind.key not in live.split():
        return "a child is never written to" if who.is_child else f"no live {kind.key}"
    if is_suppressed:
        return "the address is suppressed"
    return _unwritable(who, kind) or None


def _personal(core: Core, picks: Permitted[Picks, Recommendations]) -> dict[bytes, Any]:
    rows = picks.unseal(core.seal)
    return dict(
        zip(rows.table.column("member").to_pylist(), rows.table.column("picks").to_pylist(), strict=True)
    )


def _unwritable(who: MemberFacts | None, kind: type[Purpose]) -> str:
    if who is None:
        return f"no live {kind.key}"
    if who.is_child:
        return "a child is never written to"
    return "" if who.address else "no address"


def _brief(
    who: MemberFacts, claim: OutboxRow, kind: type[Mailing], own: Any, popular: Picks, version: int
) -> dict[str, Any]:
    # Whoever shares an address could read about the other: such mail carries nobody's history.
    is_personal = own is not None and not who.is_shared
    return {
        "member": who.member,
        "send_id": claim.send_id,
        "campaign": claim.campaign,
        "kind": kind.key,
        "address": who.address,
        "name": who.name,
        "language": who.language,
        "timezone": who.timezone,
        "picks": own if is_personal else popular.table.column("picks")[0].as_py(),
        "is_personal": is_personal,
        "data_seq": who.data_seq,
        "catalogue_version": version,
    }


def _mask(core: Core, rows: list[dict[str, Any]], bits: Any, kind: type[Mailing]) -> None:
    """Write on each row which purposes it uses: never one that is not live at the warrant's position."""
    optional = {"has_opens": MeasureOpens, "has_clicks": MeasureClicks, "has_learn": Learn}
    for row, live in zip(rows, bits.tolist(), strict=True):
        used = BIT[kind.key]
        for column, purpose in optional.items():
            row[column] = bool(live & BIT[purpose.key])
            used |= live & BIT[purpose.key]
        if row["is_personal"]:
            if not live & BIT[Recommendations.key]:
                raise ConsentError(
                    "personal picks for a member without a live 'recommendations' grant; not briefed"
                )
            used |= BIT[Recommendations.key]
        row["used"] = used


def post(core: Core, mails: Permitted[Messages, P], sender: str) -> Posted:
    """Look again at all that these mails rest on, and put those in flight that may still leave, in one commit.

    Raises:
        InputError: more than 16 mails.
        ConsentError: the purpose of the mails is none that mail may be sent under.
    """
    rows = mails.unseal(core.seal)
    purpose = mails.warrant.purpose
    if not issubclass(purpose, Postable):
        raise ConsentError(f"no mail is sent under {purpose.key!r}")
    if len(rows) > GROUP:
        raise InputError(f"{len(rows)} mails in one group; at most {GROUP}")
    facts = rows.table.drop_columns(["raw"]).to_pylist()
    started_s = core.clock.monotonic_s()
    is_leaving = np.zeros(len(rows), np.bool_)
    moved: list[Moved] = []
    with core.records.writing() as tx:
        now, position, version = core.now(), tx.ledger_size(), tx.catalogue_version()
        standing = tx.standing([row["member"] for row in facts])
        states = tx.states([row["send_id"] for row in facts])
        for i, row in enumerate(facts):
            if states.get(row["send_id"]) != ("claimed", sender):
                continue  # withheld by a withdrawal meanwhile, or no longer ours
            state, why = _verdict(core, purpose, row, standing.get(row["member"]), version)
            is_leaving[i] = state == "in flight"
            moved.append(_moved(row, state, why, sender, now, position))
        tx.move(moved, now)
    counts = Counter(str(m.reason) for m in moved if m.state == "withheld")
    counts["withdrawn"] += len(facts) - len(moved)
    leaving = cast("Permitted[Messages, Postable]", mails.where(is_leaving))
    again = sum(m.state == "planned" for m in moved)
    return Posted(leaving, started_s + FLIGHT_S, again, {k: n for k, n in counts.items() if n})


def _verdict(
    core: Core,
    purpose: type[Purpose],
    row: dict[str, Any],
    standing: tuple[MemberFacts, bytes | None, bool, str] | None,
    version: int,
) -> tuple[str, str | None]:
    if standing is None:
        return "withheld", "the member is gone"
    who, address_key, is_suppressed, live = standing
    now = mask_of(live.split())
    if issubclass(purpose, Mailing) and not now & BIT[purpose.key]:
        return "withheld", f"no live {purpose.key}"
    if is_suppressed and issubclass(purpose, Mailing):
        return "withheld", "the address is suppressed"
    if who.address is None or address_key is None:
        return "withheld", "no address"
    is_moved = address_key != core.address_key(row["address"])
    if not issubclass(purpose, Mailing):
        # A notice rests on no grant and shows no title; it must only reach the right mailbox.
        return ("withheld", "the address changed") if is_moved else ("in flight", None)
    is_lost = row["used"] & ~now
    if is_moved or is_lost or who.data_seq != row["data_seq"] or version != row["catalogue_version"]:
        return "planned", None
    return "in flight", None


def _moved(row: dict[str, Any], state: str, why: str | None, sender: str, now: Any, position: int) -> Moved:
    if state != "in flight":
        return Moved(row["send_id"], state, why)
    return Moved(
        row["send_id"],
        state,
        sender=sender,
        deadline=now + timedelta(seconds=FLIGHT_S),
        message_id=row["message_id"],
        used=row["used"],
        position=position,
        record=row["record"],
        is_attempt=True,
    )


def settle(core: Core, sends: Sends) -> dict[str, int]:
    """Write what became of mails in flight. How many by state; `planned`: handed back before DATA began."""
    rows = sends.table.to_pylist()
    moved: list[Moved] = []
    with core.records.writing() as tx:
        now = core.now()
        for row in rows:
            held = tx.send(row["send_id"])
            if held is not None and held.state == "in flight":
                moved.append(_settled(row, held.attempts, now))
                if row["outcome"] == "refused" and is_dead_address(row["reply"] or ""):
                    _suppress(core, tx, held.member, now)
        tx.move(moved, now)
    return dict(Counter(m.state for m in moved))


def withhold_claimed(core: Core, claims: Sequence[OutboxRow], sender: str, reason: str) -> int:
    """Withhold those of these mails that this sender still holds. How many."""
    with core.records.writing() as tx:
        states = tx.states([claim.send_id for claim in claims])
        held = [send_id for send_id, state in states.items() if state == ("claimed", sender)]
        tx.move([Moved(send_id, "withheld", reason) for send_id in held], core.now())
    return len(held)


def take_back(core: Core, posted: Posted) -> None:
    """Put mails that nobody took back where they waited."""
    rows = posted.leaving.unseal(core.seal)
    moved = [Moved(send_id, "planned") for send_id in rows.table.column("send_id").to_pylist()]
    with core.records.writing() as tx:
        tx.move(moved, core.now())


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
    """A campaign, and one mail in it for each of these members. Cut, so that no transaction is long."""
    with core.records.writing() as tx:
        if not any(held.campaign == campaign.campaign for held in tx.campaigns()):
            tx.add_campaign(campaign)
    count = 0
    for start in range(0, len(members), PLAN_CHUNK):
        rows = [(core.random_id(), bytes(member)) for member in members[start : start + PLAN_CHUNK]]
        with core.records.writing() as tx:
            count += tx.plan(campaign.campaign, campaign.kind, rows, core.now())
        core.clock.sleep(YIELD_S)
    return count


def set_campaign(core: Core, campaign: str, state: str) -> None:
    """Pause, resume or end a campaign; `recalled` withholds all that has not left.

    Raises:
        InputError: there is no such campaign.
    """
    with core.records.writing() as tx:
        if not any(held.campaign == campaign for held in tx.campaigns()):
            raise InputError(f"there is no campaign {campaign!r}; `postreel campaign list` shows them")
        tx.set_campaign(campaign, state)
        if state == "recalled":
            tx.recall(campaign, core.now())
