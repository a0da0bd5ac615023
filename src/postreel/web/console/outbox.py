"""`/console/outbox` and `/console/mail/…`: every mail, and each as its reader sees it.

The page of a mail is served apart, under a policy of its own that lets nothing load and no script run: to look at a
mail is not to open it, and counts no open.
"""

from __future__ import annotations

import html
import re
from base64 import b64encode
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from postreel.catalogue import Catalogue
from postreel.compose import title_ref
from postreel.flows.preview import Seen, seen
from postreel.members import member_id_from
from postreel.plots import Bar, bars
from postreel.ports import OUTBOX_STATES, OutboxRow
from postreel.purposes import BIT, MeasureClicks, MeasureOpens, Recommendations, Service
from postreel.web.console.desk import Desk, number, paged
from postreel.web.known import name_of
from postreel.web.signals import GIF
from postreel.web.telling import moment, record_of, used_named

MAIL_POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; form-action 'none'; frame-ancestors 'self'; "
    "sandbox allow-popups allow-popups-to-escape-sandbox"
)
STEERING = ("/unsubscribe/", "/preferences/", "/why/")
"""What a member steers with: these lead to this server where a sandbox shows a mail."""
REPORTS = BIT[MeasureOpens.key] | BIT[MeasureClicks.key]
_PIXEL = re.compile(r'(?<=\ssrc=")https?:[^"]*(?=")')
_STILL = f"data:image/gif;base64,{b64encode(GIF).decode()}"
_LINK = re.compile(r'(<a\s[^>]*?href=")([^"]*)(")', re.DOTALL)

SHOWN: dict[str, tuple[str, Callable[[OutboxRow], bool]]] = {
    "silent": ("reports nothing", lambda row: row.state == "accepted" and not row.used & REPORTS),
    "reporting": ("reports back", lambda row: row.state == "accepted" and bool(row.used & REPORTS)),
    "personal": ("from their history", lambda row: bool(row.used & BIT[Recommendations.key])),
    "popular": (
        "what is popular",
        lambda row: row.state == "accepted" and not row.used & BIT[Recommendations.key],
    ),
}


def routes(desk: Desk) -> list[BaseRoute]:
    """The outbox and its mails."""
    box = _Outbox(desk)
    return [
        Route("/console/outbox", box.listed),
        Route("/console/mail/{send}", box.mail),
        Route("/console/mail/{send}/page", box.page),
        Route("/console/mail/{send}/source.eml", box.source),
    ]


@dataclass(frozen=True)
class _Outbox:
    desk: Desk

    def listed(self, request: Request) -> Response:
        """All mails, by state, by what they use, by campaign or reason."""
        asked = request.query_params
        rows = self.desk.marketing()
        if campaign := asked.get("campaign"):
            rows = [row for row in rows if row.campaign == campaign]
        states = Counter(row.state for row in rows)
        kinds = {key: (words, sum(map(test, rows))) for key, (words, test) in SHOWN.items()}
        total = len(rows)
        if state := asked.get("state"):
            rows = [row for row in rows if row.state == state]
        if reason := asked.get("reason"):
            rows = [row for row in rows if row.reason == reason]
        if (show := asked.get("show")) in SHOWN:
            rows = [row for row in rows if SHOWN[str(show)][1](row)]
        page = paged(rows, request)
        self.desk.operator("the list of mails in the console").note(*{row.member for row in page.rows})
        values: dict[str, Any] = {
            "page": page,
            "rows": [_line(row) for row in page.rows],
            "states": [(name, states[name]) for name in OUTBOX_STATES if states[name]],
            "kinds": kinds,
            "total": total,
            "campaign": campaign,
            "state": state,
            "show": show,
            "reason": reason,
        }
        return self.desk.page("outbox.html", request, **values)

    def mail(self, request: Request) -> Response:
        """A mail as its reader sees it, beside its text, its headers, and what it was made from."""
        row, raw = self._found(request)
        catalogue = self.desk.gate.catalogue()
        record = record_of(row)
        shown = None if raw is None else seen(raw)
        values: dict[str, Any] = {
            "send": row.send_id.hex(),
            "member": row.member.hex(),
            "number": number(row.member),
            "row": row,
            "at": "" if row.settled_at is None else moment(row.settled_at),
            "record": record,
            "used": used_named(self.desk.app.policy, row),
            "titles": [_title(one, catalogue) for one in record.get("titles", ())],
            "seen": shown,
            "size": 0 if raw is None else round(len(raw) / 1024),
            "html_size": 0 if shown is None else round(_html_size(shown) / 1024),
            "links": [] if shown is None else self._links(shown),
            "remote": 0 if shown is None else len(re.findall(rb'\ssrc="https?:', shown.page)),
        }
        return self.desk.page("mail.html", request, **values)

    def page(self, request: Request) -> Response:
        """The mail's own page, for a frame."""
        _, raw = self._found(request)
        if raw is None:
            raise HTTPException(404)
        return HTMLResponse(
            self._rewritten(seen(raw).page.decode()),
            headers={
                "Content-Security-Policy": MAIL_POLICY,
                "Referrer-Policy": "no-referrer",
                "X-Content-Type-Options": "nosniff",
                # Two frames show it side by side; that is one look.
                "Cache-Control": "private, max-age=60",
            },
        )

    def source(self, request: Request) -> Response:
        """The mail's bytes."""
        row, raw = self._found(request)
        if raw is None:
            raise HTTPException(404)
        name = f'attachment; filename="{row.send_id.hex()}.eml"'
        headers = {"Content-Disposition": name, "Cache-Control": "no-store"}
        return Response(raw, media_type="message/rfc822", headers=headers)

    def _found(self, request: Request) -> tuple[OutboxRow, bytes | None]:
        send_id = member_id_from(request.path_params["send"])
        row = None if send_id is None else self.desk.gate.send(send_id)
        # What a notice holds (a link to sign in with, say) is its member's alone.
        if row is None or row.kind == Service.key:
            raise HTTPException(404)
        return row, self.desk.operator("a mail looked at in the console").mail_bytes(row.send_id)

    def _rewritten(self, page: str) -> str:
        """Links open beside the frame, those that steer lead to this server; a picture from outside is put out."""

        def one(found: re.Match[str]) -> str:
            address = html.escape(self._local(html.unescape(found.group(2))))
            start = found.group(1).replace("<a", '<a target="_blank" rel="noopener noreferrer"', 1)
            return f"{start}{address}{found.group(3)}"

        return _PIXEL.sub(_STILL, _LINK.sub(one, page))

    def _local(self, address: str) -> str:
        rest = address.removeprefix(self.desk.app.settings.base_url)
        return rest if rest.startswith(STEERING) else address

    def _links(self, shown: Seen) -> list[dict[str, Any]]:
        """Every link with what following it tells."""
        base = self.desk.app.settings.base_url
        found = [html.unescape(m.group(2)) for m in _LINK.finditer(shown.page.decode())]
        links: list[dict[str, Any]] = []
        for address, count in Counter(found).items():
            local = self._local(address)
            is_counted = address.startswith(f"{base}/c/")
            tells = "steers: refuses, withdraws or explains, and never grants" if local != address else ""
            tells = "tells who followed it" if is_counted else tells or "nothing: anybody gets this link"
            links.append({"address": _short(address), "href": local, "count": count, "tells": tells})
        return links


def _short(address: str) -> str:
    parts = urlsplit(address)
    path = parts.path if len(parts.path) < 44 else f"{parts.path[:40]}…"
    return f"{parts.netloc}{path}"


def _html_size(shown: Seen) -> int:
    return len(re.sub(rb"data:[^\"']+", b"cid:", shown.page))


def _line(row: OutboxRow) -> dict[str, Any]:
    record = record_of(row)
    reports = [
        word
        for word, purpose in (("opens", MeasureOpens), ("clicks", MeasureClicks))
        if row.used & BIT[purpose.key]
    ]
    return {
        "send": row.send_id.hex(),
        "subject": record.get("subject"),
        "member": row.member.hex(),
        "number": number(row.member),
        "kind": row.kind,
        "campaign": row.campaign,
        "state": row.state,
        "reason": row.reason,
        "is_personal": bool(row.used & BIT[Recommendations.key]),
        "reports": " and ".join(reports) or "nothing",
        "at": "" if row.settled_at is None else f"{row.settled_at.day} {row.settled_at:%b, %H:%M}",
        "iso": "" if row.settled_at is None else row.settled_at.isoformat(timespec="seconds"),
    }


def _title(one: dict[str, Any], catalogue: Catalogue) -> dict[str, Any]:
    """A title in a mail with its reasons: how much each moved the score, and whether the mail named it."""
    reasons: list[dict[str, Any]] = [
        {
            "name": name_of(reason["title_id"], catalogue),
            "evidence": reason["evidence"],
            "share": reason["share"] or 0.0,
            "contribution": reason["contribution"],
            "is_named": reason["title_id"] in one.get("named", ()),
        }
        for reason in one.get("reasons", ())
    ]
    name = name_of(one["title_id"], catalogue)
    drawn = [Bar(f"{r['name']} ({r['evidence']})", r["share"], f"{r['share']:.0%}") for r in reasons]
    return {
        "name": name,
        "poster": f"/posters/{title_ref(one['title_id'])}.png",
        "reasons": reasons,
        "also": ", ".join(one.get("also", ())),
        "plot": bars(drawn, f"What moved {name}", is_stacked=True) if drawn else "",
    }
