"""The doors `brief` and `post`, and the lock that makes one process the sender.

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
from postreel.errors import ConsentError, InputError
from postreel.gate.consenting import FLIGHT_S
from postreel.gate.core import Core
from postreel.gate.settling import recover
from postreel.ports import MemberFacts, Moved, OutboxRow
from postreel.purposes import (
    BIT,
    Learn,
    Mailing,
    MeasureClicks,
    MeasureOpens,
    Postable,
    Purpose,
    Recommendations,
    mask_of,
)
from postreel.schema import Briefs, Messages, Picks, id_array, unique_ids

P = TypeVar("P", bound=Postable)
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
        recover(core, notices=notices)
        yield secrets.token_hex(8)


def brief(
    core: Core,
    kind: type[Mailing],
    claims: Sequence[OutboxRow],
    picks: Permitted[Picks, Recommendations],
    popular: Picks,
    known: Sequence[MemberFacts] = (),
    catalogue_version: int | None = None,
) -> Briefing:
    """One row a claimed mail, under the kind's purpose; what rests on another purpose is there only where live.

    Args:
        claims: mails of this sender, claimed.
        picks: personal titles of those of the members who have them.
        popular: one row of popular titles for everybody else; its member is not looked at.
        known, catalogue_version: members and catalogue as they were before the titles were chosen, so that
            `post` sees what changed since; without them, as they are now.
    """
    by_member = {row.member: row for row in claims}
    standing = core.standing()
    asked = unique_ids(id_array(by_member))
    live = asked[standing.is_live(kind, asked)]
    with core.records.reading() as tx:
        facts = {m.member: m for m in tx.granted_members([bytes(m) for m in live], kind.key)}
        version = tx.catalogue_version() if catalogue_version is None else catalogue_version
    personal = _personal(core, picks)
    may_choose = dict(zip(map(bytes, live), standing.is_live(Recommendations, live).tolist(), strict=True))
    before = {who.member: who for who in known}
    rows: list[dict[str, Any]] = []
    reasons: list[Moved] = []
    for member, claim in sorted(by_member.items()):
        who = facts.get(member)
        why = _unwritable(who, kind)
        if why or who is None:
            reasons.append(Moved(claim.send_id, "withheld", why))
        else:
            # Titles chosen under a grant that has gone since are dropped here: the member gets what is popular.
            own = personal.get(member) if may_choose.get(member) else None
            rows.append(_brief(who, before.get(member), claim, kind, own, popular, version))
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
    who: MemberFacts,
    known: MemberFacts | None,
    claim: OutboxRow,
    kind: type[Mailing],
    own: Any,
    popular: Picks,
    version: int,
) -> dict[str, Any]:
    # Whoever shares an address could read about the other: such mail carries nobody's history.
    is_personal = own is not None and not who.is_shared
    seen = who.data_seq if known is None else min(known.data_seq, who.data_seq)
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
        # As it was before the titles were chosen: `post` sends back what was chosen from something else.
        "data_seq": seen,
        "catalogue_version": version,
    }


def _mask(core: Core, rows: list[dict[str, Any]], bits: Any, kind: type[Mailing]) -> None:
    """Write on each row which purposes it uses: never one that is not live at the warrant's position."""
    optional = {"has_opens": MeasureOpens, "has_clicks": MeasureClicks, "has_learn": Learn}
    for row, live in zip(rows, bits.tolist(), strict=True):
        used = BIT[kind.key]
        for column, purpose in optional.items():
            row[column] = bool(live & BIT[purpose.key])
            if purpose is not Learn:
                # What a member does with mails steers nothing yet; the column says whether answers may be asked.
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
    if who.is_shared and row["used"] & BIT[Recommendations.key]:
        return "planned", None  # somebody else came to the address, who would read about this member
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
