"""Service notices: one mail to one member, by the same outbox and the same doors. Runs under `service`."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from postreel.compose import Kit, notice_of
from postreel.consent import Permitted
from postreel.errors import TransientError
from postreel.gate import Gate
from postreel.ports import Campaign, Clock
from postreel.purposes import Service
from postreel.schema import Contacts, id_array

PATIENCE_S = 5.0


def notify(
    gate: Gate,
    kit: Kit,
    clock: Clock,
    member: bytes,
    *,
    subject: str,
    paragraphs: Sequence[str],
    link: str | None = None,
    link_text: str | None = None,
) -> str:
    """Write to a member about their account. What became of it: accepted, deferred, refused, withheld …

    Raises:
        TransientError: other notices hold the line for too long.
    """
    ids = id_array([member])
    contact = gate.read(Contacts, ids, Service, "a notice about the account")
    if len(contact) == 0:
        return "withheld"
    name = f"n-{secrets.token_hex(8)}"
    gate.add_campaign(Campaign(name, Service.key, "notice", "sending", clock.now()), ids)
    until = clock.monotonic_s() + PATIENCE_S
    while True:
        try:
            return _sent(gate, kit, clock, name, contact, subject, paragraphs, link, link_text)
        except TransientError:
            if clock.monotonic_s() > until:
                raise
            clock.sleep(0.02)


def _sent(
    gate: Gate,
    kit: Kit,
    clock: Clock,
    name: str,
    contact: Permitted[Contacts, Service],
    subject: str,
    paragraphs: Sequence[str],
    link: str | None,
    link_text: str | None,
) -> str:
    with gate.sending(notices=True) as sender:
        claims = gate.claim(name, sender, 1)
        if not claims:
            return "withheld"
        mails = contact.map(
            notice_of,
            kit,
            claims[0].send_id,
            clock.now(),
            subject=subject,
            paragraphs=paragraphs,
            link=link,
            link_text=link_text,
        )
        gate.ready_to_send()
        posted = gate.post(mails, sender)
        if len(posted.leaving):
            gate.settle(gate.hand_over(posted))
    row = gate.send(claims[0].send_id)
    return "withheld" if row is None else row.state
