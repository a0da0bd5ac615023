"""`/console/members`: who there is and what they agreed to; one member's habits, picks and mails.

All looks are logged where the member reads it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from postreel.compose import title_ref
from postreel.errors import InputError
from postreel.flows.choose import personal_picks, popular
from postreel.gate import Operator
from postreel.habits import habits_of
from postreel.plots import Bar, bars
from postreel.ports import MemberFacts
from postreel.purposes import SWITCHABLE, History, MailPicks, MeasureClicks, MeasureOpens, Service, mask_of
from postreel.schema import Plays, Sessions, Tastes, id_array
from postreel.tokens import TokenKind, sealed_token
from postreel.web.bodies import is_from_elsewhere
from postreel.web.console import habits_told
from postreel.web.console.desk import Desk, number, paged
from postreel.web.known import name_of
from postreel.web.telling import groups_of, moment, record_of, switches_of

LINKS = {"welcome": ("welcome", "/welcome/"), "sign-in": ("sign in", "/confirm/")}
LINK_MINUTES = 60
REPORTS = mask_of((MeasureOpens.key, MeasureClicks.key))
SHOWN: dict[str, tuple[str, Callable[[MemberFacts, int], bool]]] = {
    "mailed": ("mails allowed", lambda who, bits: bool(bits & mask_of([MailPicks.key]))),
    "silent": ("mails allowed, none reports back", lambda who, bits: _is_silent(bits)),
    "none": ("nothing allowed", lambda who, bits: not bits and not who.is_child),
    "children": ("children", lambda who, bits: who.is_child),
}


def _is_silent(bits: int) -> bool:
    return bool(bits & mask_of([MailPicks.key])) and not bits & REPORTS


def routes(desk: Desk) -> list[BaseRoute]:
    """Members, and each of them."""
    members = _Members(desk)
    return [
        Route("/console/members", members.listed),
        Route("/console/members/{member}", members.one),
        Route("/console/members/{member}/{what}", members.link, methods=["POST"]),
    ]


@dataclass(frozen=True)
class _Members:
    desk: Desk

    def listed(self, request: Request) -> Response:
        """Everybody, a page at a time; found by id, alias or address."""
        asked = request.query_params
        query = (asked.get("q") or "").strip()
        if query:
            try:
                return RedirectResponse(f"/console/members/{self.desk.gate.find(query).member.hex()}", 303)
            except InputError:
                pass
        everybody = self.desk.gate.members()
        standing = self.desk.gate.standing()
        bits = dict(
            zip(
                (who.member for who in everybody),
                standing.bits(id_array(who.member for who in everybody)).tolist(),
                strict=True,
            )
        )
        counts = {
            key: (words, sum(test(who, bits[who.member]) for who in everybody))
            for key, (words, test) in SHOWN.items()
        }
        show = asked.get("show")
        rows = [who for who in everybody if show not in SHOWN or SHOWN[str(show)][1](who, bits[who.member])]
        page = paged(rows, request)
        self.desk.operator("the list of members in the console").note(*(who.member for who in page.rows))
        values: dict[str, Any] = {
            "page": page,
            "rows": [
                {
                    "member": who.member.hex(),
                    "number": number(who.member),
                    "who": who,
                    "answers": self.desk.answers(bits[who.member]),
                    "live": bits[who.member].bit_count(),
                }
                for who in page.rows
            ],
            "counts": counts,
            "total": len(everybody),
            "show": show,
            "query": query,
            "purposes": len(SWITCHABLE),
        }
        return self.desk.page("members.html", request, **values)

    def one(self, request: Request) -> Response:
        """One member: habits, picks with reasons, choices, mails."""
        who = self.desk.member(request.path_params["member"])
        gate, policy = self.desk.gate, self.desk.app.policy
        operator = self.desk.operator("the member's page in the console")
        switches = switches_of(policy, operator.grants(who.member)[who.member])
        key = self.desk.app.keys.secret("tokens")
        mails = [row for row in operator.mails(who.member) if row.kind != Service.key]
        values: dict[str, Any] = {
            "who": who,
            "member": who.member.hex(),
            "number": number(who.member),
            "groups": groups_of(policy, switches),
            "live": sum(switch.state == "granted" for switch in switches.values()),
            "habits": self._habits(operator, who),
            "obstacle": gate.obstacle(who.member, MailPicks),
            "preferences": f"/preferences/{sealed_token(key, TokenKind.PREFERENCES, who.member)}",
            "unsubscribe": f"/unsubscribe/{sealed_token(key, TokenKind.UNSUBSCRIBE, who.member, _PICKS)}",
            "mails": [
                {
                    "send": row.send_id.hex(),
                    "subject": record_of(row).get("subject") or "not written",
                    "state": row.state,
                    "reason": row.reason,
                    "at": "" if row.settled_at is None else moment(row.settled_at),
                }
                for row in mails[::-1]
            ],
            **self._picks(operator, who),
        }
        return self.desk.page("member.html", request, **values)

    def link(self, request: Request) -> Response:
        """A single-use link of theirs, made at the press of a button: what their mailbox would bring them."""
        who = self.desk.member(request.path_params["member"])
        found = LINKS.get(request.path_params["what"])
        if found is None or who.is_child:
            raise HTTPException(404)
        if is_from_elsewhere(request):
            raise HTTPException(403)
        what, path = found
        self.desk.operator(f"made a link for them: {what}").note(who.member)
        token = self.desk.gate.new_link(who.member, what, LINK_MINUTES)
        return RedirectResponse(f"{path}{token}", 303)

    def _habits(self, operator: Operator, who: MemberFacts) -> dict[str, Any] | None:
        """What their viewing says; None without a live grant or without any viewing."""
        plays = operator.shown(operator.read(Plays, who.member, History))
        sessions = operator.shown(operator.read(Sessions, who.member, History))
        tastes = operator.shown(operator.read(Tastes, who.member, History))
        if not len(plays) and not len(sessions):
            return None
        found = habits_of(plays, sessions, tastes, self.desk.gate.catalogue(), who.timezone)
        return habits_told.told(found, sessions)

    def _picks(self, operator: Operator, who: MemberFacts) -> dict[str, Any]:
        gate, now = self.desk.gate, self.desk.app.clock.now()
        own = operator.shown(personal_picks(gate, id_array([who.member]), [who], now)).table.to_pylist()
        picks = own[0]["picks"] if own else popular(gate, now).table.to_pylist()[0]["picks"]
        return {
            "picks": [self._pick(pick) for pick in picks],
            "is_personal": bool(own),
            "model": gate.model().name,
        }

    def _pick(self, pick: dict[str, Any]) -> dict[str, Any]:
        catalogue = self.desk.gate.catalogue()
        title = catalogue[pick["title_id"]]
        facts = [str(title.year)] if title.year else []
        facts += [f"{title.minutes:.0f} min"] if title.minutes else []
        reasons = [
            (name_of(r["title_id"], catalogue), r["evidence"], r["share"] or 0.0, r["contribution"])
            for r in pick["reasons"] or ()
        ]
        drawn = [Bar(f"{name} ({evidence})", share, f"{share:.0%}") for name, evidence, share, _ in reasons]
        return {
            "name": title.name,
            "poster": f"/posters/{title_ref(title.title_id)}.png",
            "facts": " · ".join([*facts, *title.genres[:2]]),
            "score": f"{pick['score']:.3f}",
            "also": ", ".join(pick["also"] or ()),
            "reasons": reasons,
            "plot": bars(drawn, f"What moved {title.name}", is_stacked=True) if drawn else "",
        }


_PICKS = SWITCHABLE.index(MailPicks)
