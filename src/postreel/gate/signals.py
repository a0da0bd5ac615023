"""Opens, clicks and single-use links.

A signal is counted where the member's grant is live at this moment, and otherwise not at all.

Looked up and written in one transaction, so that a signal and a withdrawal cannot cross.
"""

from __future__ import annotations

import secrets
from datetime import timedelta

from postreel.errors import PostreelError
from postreel.gate.core import Core
from postreel.purposes import BIT, MeasureClicks, MeasureOpens
from postreel.tokens import fingerprint

NEEDS = {"open": MeasureOpens, "click": MeasureClicks}


def note_signal(core: Core, send_id: bytes, kind: str, slot: int = 0) -> bool:
    """Count an open or a click of this mail, where that may be; whether it was.

    The caller answers the same either way, and the same where the store is gone: what cannot be looked up is
    not counted.

    Args:
        kind: `open` or `click`.
        slot: which link; 0 for an open.
    """
    purpose = NEEDS[kind]
    try:
        with core.records.reading() as tx:
            row = tx.send(send_id)
        if row is None or not row.used & BIT[purpose.key]:
            return False
        with core.records.writing() as tx:
            # A grant that began after the mail had left does not wake the pixels and links of before.
            live = any(
                g.live_since is not None and g.touched < row.position
                for g in tx.grants_of([row.member])
                if g.purpose == purpose.key
            )
            if live:
                tx.note(send_id, row.member, kind, slot, core.now())
    except PostreelError:
        return False
    return live


def new_link(core: Core, member: bytes, what: str, minutes: int) -> str:
    """A single-use link's token: the token itself is stored nowhere, its fingerprint is."""
    token = secrets.token_urlsafe(24)
    with core.records.writing() as tx:
        tx.put_one_time(fingerprint(token), member, what, core.now() + timedelta(minutes=minutes))
    return token


def link_of(core: Core, token: str) -> tuple[bytes, str] | None:
    """Whose link this is and what for, while it can be used. Looking does not use it up."""
    with core.records.reading() as tx:
        found = tx.one_time(fingerprint(token))
    if found is None or found[3] or found[2] <= core.now():
        return None
    return found[0], found[1]


def used_link(core: Core, token: str) -> tuple[bytes, str] | None:
    """As `link_of`, and used up by it: of two at once, one gets it."""
    found = link_of(core, token)
    if found is None:
        return None
    with core.records.writing() as tx:
        return found if tx.use_one_time(fingerprint(token), core.now()) else None
