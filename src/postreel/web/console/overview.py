"""`/console/`: the whole service on a page, every figure a link to what it counts."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from postreel.flows.send import report_of
from postreel.plots import Bar, bars
from postreel.purposes import SWITCHABLE, Service
from postreel.web.console.desk import Desk
from postreel.web.telling import day


def routes(desk: Desk) -> list[BaseRoute]:
    """The overview."""

    def overview(request: Request) -> Response:
        gate, standing = desk.gate, desk.gate.standing()
        members = gate.members()
        adults = sum(not who.is_child for who in members)
        stored = gate.stored_count()
        grants = [(desk.app.policy.wordings[p.key], len(standing.members(p))) for p in SWITCHABLE]
        campaigns = [c for c in gate.campaigns() if c.kind != Service.key]
        most = max(grants, key=lambda pair: pair[1])
        shown = [
            Bar(wording.title, float(count), f"{count:,} · {count / max(adults, 1):.0%}")
            for wording, count in grants
        ]
        values = {
            "members": adults,
            "children": len(members) - adults,
            "titles": len(gate.catalogue()),
            "events": stored["plays"],
            "sessions": stored["sessions"],
            "ledger": standing.position,
            "grants": grants,
            "most": most[0].title,
            "plot": bars(shown, "Live grants by purpose", is_stacked=True),
            "campaigns": [(c, report_of(gate, c.campaign), day(c.created_at)) for c in campaigns[::-1]],
        }
        return desk.page("overview.html", request, **values)

    return [Route("/console/", overview), Route("/console", overview)]
