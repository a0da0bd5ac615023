"""The picks mail: a batch of briefs becomes a batch of signed messages.

Runs under `mail.picks`. What rests on another purpose follows the brief's own flags: without `has_opens` nothing
in the mail is loaded from anywhere, without `has_clicks` every link but the steering links (preferences, stop,
why) is the plain link that anyone would get.
"""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from postreel.catalogue import Catalogue
from postreel.compose import envelope, saying
from postreel.compose.kit import Card, Kit, Template, title_ref
from postreel.purposes import SWITCHABLE, MailPicks, keys_in
from postreel.schema import Briefs, Messages
from postreel.tokens import TokenKind, return_path, sealed_token
from postreel.words import wrapped

MAX_TITLES = 6
"""One title large, and up to five more."""
MAX_HTML = 95_000
"""Octets of HTML; Gmail clips a mail near 102,000, and the way out with it."""

Row = Mapping[str, Any]


def messages_of(briefs: Briefs, kit: Kit, catalogue: Catalogue, at: datetime) -> Messages:
    """One signed mail for each brief that has a title to show.

    Args:
        briefs: whom to write to, about what, and what their mail may hold. A row whose picks are all gone from
            the catalogue gets no message; the caller sees that by the row that is missing.
        kit: sender, templates, keys and pictures.
        catalogue: names and facts of titles.
        at: aware time of composing: the Date header, and the reader's weekday in their own time zone.

    Returns:
        Messages in the order of the briefs.
    """
    date = envelope.date_header(at)
    rows = [m for b in briefs.table.to_pylist() if (m := _message(b, kit, catalogue, at, date)) is not None]
    return Messages.of(**{name: [row[name] for row in rows] for name in Messages.SCHEMA.names})


@dataclass(frozen=True)
class _Slot:
    """One title in one mail."""

    card: Card
    values: dict[str, Any]
    pick: Row
    named: list[str]


def _message(
    brief: Row, kit: Kit, catalogue: Catalogue, at: datetime, date: bytes
) -> dict[str, object] | None:
    template = kit.template(brief["language"])
    slots = _slots(brief, kit, template, catalogue)
    while slots:
        values = _values(brief, kit, template, slots, at)
        page = envelope.html_bytes(template.filled("picks.html", values))
        if len(page) <= MAX_HTML or len(slots) == 1:
            return _row(brief, kit, template, slots, values, page, at, date)
        slots = slots[:-1]
    return None


def _slots(brief: Row, kit: Kit, template: Template, catalogue: Catalogue) -> list[_Slot]:
    is_personal = bool(brief["is_personal"])
    slots: list[_Slot] = []
    for pick in brief["picks"] or ():
        title = catalogue.get(pick["title_id"])
        if title is None or any(s.card.title is title for s in slots):
            continue
        card = kit.card(title, template.words)
        reason, named = saying.reason_sentence(
            template.words, pick, catalogue, kit.service, is_personal=is_personal
        )
        values = {**card.values, "reason": reason}
        if brief["has_clicks"]:
            token = sealed_token(kit.token_key, TokenKind.CLICK, brief["send_id"], len(slots))
            link = f"{kit.base_url}/c/{title_ref(title.title_id)}.{token}"
            values |= {"link": html.escape(link), "text_link": link}
        slots.append(_Slot(card, values, pick, named))
        if len(slots) == MAX_TITLES:
            break
    return slots


def _values(brief: Row, kit: Kit, template: Template, slots: Sequence[_Slot], at: datetime) -> dict[str, Any]:
    words = template.words
    is_personal, has_opens, has_clicks = (bool(brief[k]) for k in ("is_personal", "has_opens", "has_clicks"))
    moment = saying.Moment.of(at, brief["timezone"], words)
    chance = int.from_bytes(brief["send_id"][:6], "big")
    subject, preheader = saying.subject_and_preheader(
        words, moment, len(slots), is_personal=is_personal, chance=chance
    )
    evidence = saying.evidence_of([s.pick for s in slots]) if is_personal else []
    data_used, reports = saying.footer_lines(
        words,
        kit.service,
        keys_in(brief["used"] or 0),
        is_personal=is_personal,
        has_opens=has_opens,
        has_clicks=has_clicks,
    )
    pixel = ""
    if has_opens:
        pixel = f"{kit.base_url}/o/{sealed_token(kit.token_key, TokenKind.OPEN, brief['send_id'])}.gif"
    return {
        "service": kit.service,
        "subject": subject,
        "preheader": preheader,
        "hello": saying.greeting(words, brief["name"]),
        "why_now": saying.why_now(words, moment, kit.service, len(slots), evidence, is_personal=is_personal),
        "main": slots[0].values,
        "rows": [s.values for s in slots[1:]],
        "data_used": data_used,
        "reports": reports,
        "asked": words.say("footer.asked", service=kit.service),
        "postal_address": kit.postal_address,
        "pixel": pixel,
        **_steering(brief, kit),
    }


def _steering(brief: Row, kit: Kit) -> dict[str, str]:
    """The links that a mail always carries: they refuse, withdraw and explain, and grant nothing."""
    key, member = kit.token_key, brief["member"]
    preferences = f"{kit.base_url}/preferences/{sealed_token(key, TokenKind.PREFERENCES, member)}"
    stop = f"{kit.base_url}/unsubscribe/{sealed_token(key, TokenKind.UNSUBSCRIBE, member, _BIT)}"
    why = f"{kit.base_url}/why/{sealed_token(key, TokenKind.WHY, brief['send_id'])}"
    return {
        "preferences": html.escape(preferences),
        "stop": html.escape(stop),
        "why": html.escape(why),
        "text_preferences": preferences,
        "text_stop": stop,
        "text_why": why,
    }


_BIT = SWITCHABLE.index(MailPicks)
"""The place of `mail.picks` among the purposes: what one click on *stop* ends."""


def _row(
    brief: Row,
    kit: Kit,
    template: Template,
    slots: Sequence[_Slot],
    values: Mapping[str, Any],
    page: bytes,
    at: datetime,
    date: bytes,
) -> dict[str, object]:
    message_id = (
        f"<{kit.secret_hex('message id', str(brief['campaign']).encode(), brief['member'])}@{kit.domain}>"
    )
    text = wrapped(template.filled("picks.txt", values))
    boundary = kit.secret_hex("boundary")
    pictures = [slots[0].card.large.part, *(s.card.small.part for s in slots[1:])]
    related = envelope.multipart(
        "related", f"{boundary}.r", [envelope.html_part(page), *pictures], '; type="text/html"'
    )
    raw = b"".join(
        (
            _headers(brief, kit, values, message_id, date),
            envelope.multipart("alternative", f"{boundary}.a", [envelope.text_part(text), related]),
        )
    )
    return {
        "member": brief["member"],
        "send_id": brief["send_id"],
        "address": brief["address"],
        "return_path": return_path(kit.token_key, brief["send_id"], kit.return_domain),
        "message_id": message_id,
        "raw": kit.signed(raw, at),
        "record": _record(brief, kit, slots, values),
        "data_seq": brief["data_seq"],
        "catalogue_version": brief["catalogue_version"],
        "used": brief["used"],
    }


def _headers(brief: Row, kit: Kit, values: Mapping[str, Any], message_id: str, date: bytes) -> bytes:
    kind = str(brief["kind"])
    short_kind = kind.rpartition(".")[2]
    campaign = kit.secret_hex("campaign", str(brief["campaign"]).encode())[:12]
    return b"".join(
        (
            envelope.address_header("From", kit.sender_address, kit.sender_name),
            envelope.address_header("To", brief["address"]),
            envelope.header("Subject", values["subject"]),
            date,
            f"Message-ID: {message_id}\r\nMIME-Version: 1.0\r\n".encode("ascii"),
            f"List-Id: <{short_kind}.{kit.domain}>\r\n".encode("ascii"),
            f"List-Unsubscribe: <{values['text_stop']}>\r\n".encode("ascii"),
            b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n",
            f"Feedback-ID: {campaign}:{short_kind}:postreel:{kit.domain}\r\n".encode("ascii"),
            b"Precedence: bulk\r\nAuto-Submitted: auto-generated\r\nX-Auto-Response-Suppress: All\r\n",
        )
    )


def _record(brief: Row, kit: Kit, slots: Sequence[_Slot], values: Mapping[str, Any]) -> str:
    """What is kept with the send: what was shown, and by how much each reason moved it."""
    is_personal = bool(brief["is_personal"])
    return json.dumps(
        {
            "subject": values["subject"],
            "preheader": values["preheader"],
            "titles": [
                {
                    "title_id": s.card.title.title_id,
                    "slot": i,
                    "reasons": list(s.pick["reasons"] or ()) if is_personal else [],
                    "named": s.named,
                    "also": list(s.pick["also"] or ()),
                }
                for i, s in enumerate(slots)
            ],
            "is_personal": is_personal,
            "has_opens": bool(brief["has_opens"]),
            "has_clicks": bool(brief["has_clicks"]),
            "used": list(keys_in(brief["used"] or 0)),
            "model": kit.model if is_personal else "popular",
        },
        ensure_ascii=False,
    )
