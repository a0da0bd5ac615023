"""One member's mail, composed and not sent."""

from __future__ import annotations

import email
import email.policy
import re
from base64 import b64encode
from dataclasses import dataclass
from typing import cast

from postreel.compose import Kit, messages_of
from postreel.errors import InputError
from postreel.flows.choose import personal_picks, popular
from postreel.gate import Gate
from postreel.ports import Clock, MemberFacts, OutboxRow
from postreel.purposes import Mailing
from postreel.schema import id_array


@dataclass(frozen=True)
class Seen:
    """A mail as its reader sees it.

    Attributes:
        raw: the bytes that would leave.
        page: its HTML, pictures drawn in.
        text: its text part.
        headers: in their order.
    """

    subject: str
    raw: bytes
    page: bytes
    text: str
    headers: tuple[tuple[str, str], ...]


def previewed(gate: Gate, kind: type[Mailing], who: MemberFacts, kit: Kit, clock: Clock, why: str) -> Seen:
    """Compose the mail that this member would get now.

    Raises:
        InputError: they would get none; says why.
    """
    obstacle = gate.obstacle(who.member, kind)
    if obstacle is not None:
        raise InputError(f"this member would get no such mail: {obstacle}")
    now = clock.now()
    ids = id_array([who.member])
    claim = OutboxRow(
        b"\x01" * 16, "preview", who.member, kind.key, "claimed", None, None, 0, 0, 0, None, None, None
    )
    picks = personal_picks(gate, ids, [who], now)
    briefing = gate.brief(kind, [claim], picks, popular(gate, now))
    mails = briefing.briefs.map(messages_of, kit, gate.catalogue(), now)
    operator = gate.as_operator(gate.who, why)
    operator.note(who.member)
    return seen(operator.shown(mails).table.column("raw")[0].as_py())


def seen(raw: bytes) -> Seen:
    """A mail's bytes as its reader sees them, pictures drawn into the page."""
    whole = email.message_from_bytes(raw, policy=email.policy.default)
    page, text = b"", ""
    pictures: dict[str, str] = {}
    for part in whole.walk():
        kind = part.get_content_type()
        if kind == "text/html" and not page:
            page = str(part.get_content()).encode()
        elif kind == "text/plain" and not text:
            text = str(part.get_content())
        elif part.get("Content-ID"):
            content = b64encode(cast(bytes, part.get_payload(decode=True))).decode()
            pictures[str(part["Content-ID"]).strip("<>")] = f"data:{kind};base64,{content}"
    drawn = re.sub(
        r"cid:([^\"'\s>)]+)",
        lambda found: pictures.get(found.group(1), found.group(0)),
        page.decode("utf-8", "replace"),
    )
    return Seen(
        str(whole["Subject"]), raw, drawn.encode(), text, tuple((k, str(v)) for k, v in whole.items())
    )
