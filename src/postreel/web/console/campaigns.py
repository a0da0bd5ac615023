"""`/console/campaigns`: where every mail of a mailing stands, and why those that did not leave did not."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from postreel.flows.send import report_of
from postreel.plots import Bar, bars
from postreel.ports import OUTBOX_STATES, Campaign, MemberFacts, OutboxRow
from postreel.purposes import BIT, SWITCHABLE, Service
from postreel.web.console.desk import Desk, number, paged
from postreel.web.telling import WORDS, day, moment, switches_of

CHILD = "a child is never written to"


def routes(desk: Desk) -> list[BaseRoute]:
    """Campaigns, each with its report and the lists behind its counts."""
    some = _Campaigns(desk)
    return [
        Route("/console/campaigns", some.listed),
        Route("/console/campaigns/{campaign}", some.report),
        Route("/console/campaigns/{campaign}/left-out", some.left_out),
    ]


@dataclass(frozen=True)
class _Campaigns:
    desk: Desk

    def listed(self, request: Request) -> Response:
        """All of them, the latest first."""
        held = [c for c in self.desk.gate.campaigns() if c.kind != Service.key]
        rows = [(c, report_of(self.desk.gate, c.campaign), day(c.created_at)) for c in held[::-1]]
        return self.desk.page("campaigns.html", request, rows=rows)

    def report(self, request: Request) -> Response:
        """One: states, reasons, and which data the mails used."""
        campaign, rows = self._found(request)
        sent = report_of(self.desk.gate, campaign.campaign)
        excluded: dict[str, int] = json.loads(campaign.excluded)
        withheld = Counter(row.reason or "unknown" for row in rows if row.state == "withheld")
        accepted = [row for row in rows if row.state == "accepted"]
        used = self._used(accepted)
        values: dict[str, Any] = {
            "campaign": campaign,
            "at": moment(campaign.created_at),
            "planned": sent.planned,
            "states": [(name, sent.states[name]) for name in OUTBOX_STATES if sent.states[name]],
            "excluded": sorted(excluded.items(), key=_by_count),
            "withheld": sorted(withheld.items(), key=_by_count),
            "out_count": sum(excluded.values()) + sum(withheld.values()),
            "used": used,
            "plot": bars(
                [Bar(title, float(count), f"{count:,} · {share}") for title, count, share in used],
                "Data used by the mails that left",
                is_stacked=True,
            ),
            "silent": sum(not row.used & _REPORTS for row in accepted),
            "accepted": len(accepted),
        }
        return self.desk.page("campaign.html", request, **values)

    def left_out(self, request: Request) -> Response:
        """Members who got no mail of this campaign because none was planned for them: where they stand now."""
        campaign, rows = self._found(request)
        planned = {row.member for row in rows}
        reason = request.query_params.get("reason", "")
        found = [who for who in self.desk.gate.members() if who.member not in planned]
        if reason:
            found = [who for who in found if _reason(who, campaign) == reason]
        page = paged(found, request)
        operator = self.desk.operator("who got no mail, in the console")
        grants = operator.grants(*(who.member for who in page.rows))
        policy = self.desk.app.policy
        lines = [
            {
                "member": who.member.hex(),
                "number": number(who.member),
                "reason": _reason(who, campaign),
                "told": "" if who.is_child else _told(switches_of(policy, grants[who.member])[campaign.kind]),
            }
            for who in page.rows
        ]
        return self.desk.page(
            "left_out.html", request, campaign=campaign, page=page, rows=lines, reason=reason
        )

    def _found(self, request: Request) -> tuple[Campaign, list[OutboxRow]]:
        name = request.path_params["campaign"]
        for campaign in self.desk.gate.campaigns():
            if campaign.campaign == name and campaign.kind != Service.key:
                return campaign, self.desk.gate.sends(name)
        raise HTTPException(404)

    def _used(self, rows: list[OutboxRow]) -> list[tuple[str, int, str]]:
        """How many of the mails used each purpose."""
        wordings = self.desk.app.policy.wordings
        counts = [
            (wordings[p.key].title, sum(bool(row.used & BIT[p.key]) for row in rows)) for p in SWITCHABLE
        ]
        return [(title, count, f"{count / len(rows):.0%}") for title, count in counts if count]


_REPORTS = BIT["measure.opens"] | BIT["measure.clicks"]


def _by_count(pair: tuple[str, int]) -> int:
    return -pair[1]


def _reason(who: MemberFacts, campaign: Campaign) -> str:
    return CHILD if who.is_child else f"no live {campaign.kind}"


def _told(switch: Any) -> str:
    since = f", {switch.since}" if switch.since else ""
    return f"{switch.told if switch.state == 'waiting' else WORDS.get(switch.state, switch.told)}{since}"
