"""The doors `admit`, `stream`, `read` and `keep`: events in, rows out, derived rows in.

Ungranted rows are kept from leaving the store by its own query; what it gives back is compared with the grants
once more, and a stray row means that nothing is released (`Permitted` checks that as it is made).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import numpy as np
import pyarrow as pa

from postreel.consent import Permitted
from postreel.errors import ConsentError, InputError
from postreel.gate.core import Core
from postreel.gate.standing import Standing
from postreel.members import member_id_from, normal_address
from postreel.purposes import Devices, History, Purpose, Rights, Service
from postreel.schema import (
    KEEPABLE,
    READABLE,
    STORED,
    Contacts,
    Ids,
    Mask,
    Plays,
    R,
    Rows,
    id_array,
    is_among,
    unique_ids,
)

P = TypeVar("P", bound=Purpose)
BY_LAW = (Rights, Service)


@dataclass(frozen=True)
class Admitted:
    """What came through the intake.

    Attributes:
        plays: the events that a live grant covers.
        is_covered: (n,) which of those offered they are.
        missing: the purpose that the others had no grant for.
    """

    plays: Permitted[Plays, History]
    is_covered: Mask
    missing: str = History.key


def admit(core: Core, plays: Plays, *, is_own: bool) -> Admitted:
    """The events that a live grant covers, ready to be stored.

    Args:
        is_own: a member brings their own history, and their grant of now covers it; else a grant must have been
            live at the event's own time, taken as no later than its arrival, and still be.
    """
    standing = core.standing()
    members = plays.members
    at = plays.table.column("at").cast(pa.int64()).to_numpy()
    arrived = plays.table.column("arrived").cast(pa.int64()).to_numpy()
    happened = np.where(is_own, arrived, np.minimum(at, arrived))
    is_covered = standing.since_us(History, members) <= happened
    kept = plays.where(is_covered)
    can_tie = standing.since_us(Devices, kept.members) <= happened[is_covered]
    kept = _without_devices(kept, ~can_tie)
    permitted = core.permit(kept, History, standing, standing.members(History))
    return Admitted(cast("Permitted[Plays, History]", permitted), is_covered)


def admitted_again(core: Core, plays: Plays) -> Plays:
    """The events that are still covered, as the spool becomes Parquet."""
    standing = core.standing()
    members = plays.members
    arrived = plays.table.column("arrived").cast(pa.int64()).to_numpy()
    is_kept = standing.since_us(History, members) <= arrived
    kept = plays.where(is_kept)
    # A device id that came before the grant of now belongs to an earlier one, which was withdrawn.
    return _without_devices(kept, standing.since_us(Devices, kept.members) > arrived[is_kept])


def stream(core: Core, table: type[R], under: type[P]) -> Iterator[Permitted[R, P]]:
    """Batches of a table under a purpose, a member never split, all at one ledger position."""
    yield from stream_at(core, table, under, core.standing())


def stream_at(core: Core, table: type[R], under: type[P], standing: Standing) -> Iterator[Permitted[R, P]]:
    """As `stream`, at a position looked at before: for work that goes over the rows more than once."""
    _may(READABLE, table, under)
    live = standing.members(under)
    core.log(under, table, live, standing.position, "a job over all members")
    for rows in core.events.stream(table, live):
        # Who is in this batch is all that its warrant vouches for.
        members = unique_ids(rows.members)
        if not bool(np.all(is_among(members, live))):
            raise ConsentError(f"rows came back without a live {under.key!r} grant; none were released")
        yield cast("Permitted[R, P]", core.permit(rows, under, standing, members))


def read(
    core: Core, table: type[R], members: Ids, under: type[P], why: str, who: str | None = None
) -> Permitted[R, P]:
    """The rows of these members for whom the purpose is live."""
    _may(READABLE, table, under)
    standing = core.standing()
    asked = unique_ids(members)
    live = asked if under in BY_LAW else asked[standing.is_live(under, asked)]
    if table is Contacts:
        rows = cast(R, _contacts(core, live, under))
    elif table in STORED:
        rows = core.events.read(table, live)
    else:
        raise ConsentError(f"{table.__name__} is not a stored table")
    core.log(under, table, live, standing.position, why, who)
    return cast("Permitted[R, P]", core.permit(rows, under, standing, live))


def keep(core: Core, rows: Permitted[R, P]) -> None:
    """Store derived rows with their warrant, in place of those that the same members had.

    Members whose grant has gone since the rows were read lose them: before they are written, and again after,
    so that a withdrawal between the two finds nothing left behind.
    """
    warrant = rows.warrant
    held = rows.unseal(core.seal)
    _may(KEEPABLE, type(held), warrant.purpose)
    live = warrant.members[core.standing().is_live(warrant.purpose, warrant.members)]
    kept = held.where(is_among(held.members, live))
    core.events.keep(core.permit(kept, warrant.purpose, core.standing(), live))
    gone = live[~core.standing().is_live(warrant.purpose, live)]
    if len(gone):
        core.events.erase(gone, [type(held)])


def _contacts(core: Core, members: Ids, under: type[Purpose]) -> Contacts:
    some = [bytes(member) for member in members]
    with core.records.reading() as tx:
        found = tx.granted_members(some, None if under in BY_LAW else under.key)
    return contacts_of(found)


def contacts_of(found: Sequence[Any]) -> Contacts:
    """The table of these `MemberFacts`; children, who have no address, are left out."""
    rows = [facts for facts in found if facts.address is not None and not facts.is_child]
    names = [name for name in Contacts.SCHEMA.names if name != "member"]
    columns: dict[str, Any] = {name: [getattr(facts, name) for facts in rows] for name in names}
    return Contacts.of(member=id_array(facts.member for facts in rows), **columns)


def _without_devices(plays: Plays, mask: Any) -> Plays:
    if not bool(np.any(mask)):
        return plays
    cut = pa.array(np.where(mask, np.array(None, object), plays.column("device_id")), pa.string())
    index = Plays.SCHEMA.get_field_index("device_id")
    return Plays(plays.table.set_column(index, Plays.SCHEMA.field(index), cut))


def _may(allowed: Any, table: type[Rows], under: type[Purpose]) -> None:
    if under not in allowed.get(table, frozenset()):
        raise ConsentError(
            f"{table.__name__} may not be used under {under.key!r}; see the table in schema.py"
        )


def resolved(core: Core, names: Sequence[str]) -> dict[str, bytes]:
    """The members with these aliases, ids or addresses; an address that several share names nobody."""
    with core.records.reading() as tx:
        found = tx.by_alias(names)
        rest = [name for name in names if name not in found]
        ids = {name: member for name in rest if (member := member_id_from(name)) is not None}
        here = {facts.member for facts in tx.members(list(ids.values()))} if ids else set[bytes]()
        found |= {name: member for name, member in ids.items() if member in here}
        keys = {name: core.address_key(name) for name in rest if is_address(name)}
        by_key = tx.by_address_key(list(keys.values()))
    for name, key in keys.items():
        if len(by_key.get(key, [])) == 1:
            found[name] = by_key[key][0]
    return found


def is_address(name: str) -> bool:
    """Whether this is a mail address, not an alias or an id."""
    try:
        return bool(normal_address(name))
    except InputError:
        return False
