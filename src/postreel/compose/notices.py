"""Service notices: one plain mail that confirms, answers or reports, and tracks nothing at all.

Runs under `service` (contract): confirmations with a single-use link, receipts, answers to requests. No picture,
no pixel, no rewritten link, no List-Unsubscribe, since it is no mail that one subscribes to.
"""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from datetime import datetime

from postreel.compose import envelope
from postreel.compose.kit import Kit
from postreel.errors import InputError
from postreel.schema import Contacts, Messages
from postreel.tokens import return_path
from postreel.words import wrapped


def notice_of(
    contact: Contacts,
    kit: Kit,
    send_id: bytes,
    at: datetime,
    *,
    subject: str,
    paragraphs: Sequence[str],
    link: str | None = None,
    link_text: str | None = None,
) -> Messages:
    """One notice to one member.

    Args:
        contact: one row.
        kit: sender, templates and keys.
        send_id: sixteen bytes; the Message-ID and the return path follow from it.
        at: aware time of composing.
        subject: also its heading. Without a title, as all subjects.
        paragraphs: plain text, a paragraph each.
        link, link_text: the one link and the words on it, both or neither.

    Raises:
        InputError: not exactly one contact; a link without words; an unusable subject.
    """
    if len(contact) != 1:
        raise InputError(f"a notice goes to one member, got {len(contact)} contacts")
    if (link is None) != (link_text is None):
        raise InputError("a notice's link needs words on it, and words need a link")
    row = contact.table.to_pylist()[0]
    template = kit.template(row["language"])
    values = {
        "service": kit.service,
        "subject": subject,
        "paragraphs": list(paragraphs),
        "link": html.escape(link) if link else "",
        "text_link": link or "",
        "link_text": link_text or "",
        "asked": template.words.say("notice.asked", service=kit.service),
        "postal_address": kit.postal_address,
    }
    message_id = f"<{kit.secret_hex('notice', send_id)}@{kit.domain}>"
    text = wrapped(template.filled("notice.txt", values))
    page = envelope.html_bytes(template.filled("notice.html", values))
    raw = b"".join(
        (
            envelope.address_header("From", kit.sender_address, kit.sender_name),
            envelope.address_header("To", row["address"]),
            envelope.header("Subject", subject),
            envelope.date_header(at),
            f"Message-ID: {message_id}\r\nMIME-Version: 1.0\r\n".encode("ascii"),
            b"Auto-Submitted: auto-generated\r\nX-Auto-Response-Suppress: All\r\n",
            envelope.multipart(
                "alternative",
                kit.secret_hex("boundary"),
                [envelope.text_part(text), envelope.html_part(page)],
            ),
        )
    )
    return Messages.of(
        member=contact.members,
        send_id=[send_id],
        address=[row["address"]],
        return_path=[return_path(kit.token_key, send_id, kit.return_domain)],
        message_id=[message_id],
        raw=[kit.signed(raw, at)],
        record=[json.dumps({"subject": subject, "purpose": "service"}, ensure_ascii=False)],
        data_seq=[row["data_seq"]],
        catalogue_version=[0],
        used=[0],
    )
