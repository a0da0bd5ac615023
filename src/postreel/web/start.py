"""The start page. In a sandbox it tells the whole story as the five questions of `/privacy`, each with its proof one
click away; elsewhere it is a plain welcome. Beside it the posters of titles, which are about nobody.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from postreel.app import App
from postreel.catalogue import Title
from postreel.compose import title_ref
from postreel.flows.choose import popular
from postreel.flows.send import report_of
from postreel.ports import Campaign, OutboxRow
from postreel.purposes import (
    BIT,
    SWITCHABLE,
    Learn,
    MailPicks,
    MeasureClicks,
    MeasureOpens,
    Recommendations,
    Service,
    mask_of,
)
from postreel.tokens import TokenKind, sealed_token
from postreel.web.pages import Pages
from postreel.web.privacy import Proof, Question, answered
from postreel.web.telling import record_of

POSTERS = 8
MANY, SEVERAL = 60, 8
REPORTS = mask_of((MeasureOpens.key, MeasureClicks.key))
PERSONAL, LEARNS = BIT[Recommendations.key], BIT[Learn.key]
_PICKS = SWITCHABLE.index(MailPicks)


def routes(app: App, pages: Pages) -> list[BaseRoute]:
    """`/`: the story of a sandbox, elsewhere a plain welcome."""
    start = _Start(app, pages)
    return [Route("/", start.story if app.settings.sandbox else start.welcome)]


@dataclass(frozen=True)
class _Examples:
    """Mails to show: one that reports nothing, one that reports all it may, one with what is popular."""

    silent: OutboxRow | None
    reporting: OutboxRow | None
    popular: OutboxRow | None
    learning: OutboxRow | None

    @property
    def main(self) -> OutboxRow | None:
        """The one that the tour follows."""
        return self.learning or self.silent or self.reporting or self.popular

    @classmethod
    def of(cls, rows: list[OutboxRow]) -> _Examples:
        sent = [row for row in rows if row.state == "accepted" and row.kind != Service.key]

        def first(test: Callable[[int], bool]) -> OutboxRow | None:
            return next((row for row in sent if test(row.used)), None)

        return cls(
            silent=first(lambda used: bool(used & PERSONAL) and not used & REPORTS),
            reporting=first(lambda used: used & REPORTS == REPORTS),
            popular=first(lambda used: not used & PERSONAL),
            learning=_telling([row for row in sent if row.used & PERSONAL and row.used & LEARNS][:MANY]),
        )


@dataclass(frozen=True)
class _Start:
    app: App
    pages: Pages

    def welcome(self, request: Request) -> Response:
        """Outside a sandbox: where a member goes from here."""
        return self.pages.render("start.html", request, story=None)

    def story(self, request: Request) -> Response:
        """In a sandbox: what happened here, question by question."""
        rows = self.app.gate.sends()
        examples = _Examples.of(rows)
        campaign = next((c for c in self.app.gate.campaigns()[::-1] if c.kind != Service.key), None)
        story: dict[str, Any] = {
            "questions": [self._proven(q, examples, campaign) for q in answered(self.app, self.pages)],
            "posters": self._posters(),
            "tour": self._tour(examples, campaign),
            **self._figures(rows, campaign),
        }
        return self.pages.render("start.html", request, story=story)

    def _figures(self, rows: list[OutboxRow], campaign: Campaign | None) -> dict[str, Any]:
        gate = self.app.gate
        stored, sent = gate.stored_count(), [row for row in rows if row.state == "accepted"]
        marketing = [row for row in sent if row.kind != Service.key]
        left_out = sum(report_of(gate, campaign.campaign).withheld.values()) if campaign else 0
        return {
            "members": sum(not who.is_child for who in gate.members()),
            "events": stored["plays"],
            "sessions": stored["sessions"],
            "mails": len(marketing),
            "silent": sum(not row.used & REPORTS for row in marketing),
            "left_out": left_out,
            "campaign": campaign,
        }

    def _posters(self) -> list[tuple[str, str]]:
        """What is popular now, as pictures."""
        catalogue = self.app.gate.catalogue()
        picks = popular(self.app.gate, self.app.clock.now(), POSTERS).table.to_pylist()[0]["picks"]
        titles: list[Title] = [catalogue[pick["title_id"]] for pick in picks]
        return [(title.name, f"/posters/{title_ref(title.title_id)}.png") for title in titles]

    def _proven(self, question: Question, examples: _Examples, campaign: Campaign | None) -> Question:
        proofs = {
            "track": (
                _mail(examples.silent, "A mail that reports nothing: look at its source"),
                _mail(examples.reporting, "A mail whose reader allows both reports"),
            ),
            "teach": (
                _member(examples.learning, "A member who allows it: their tastes and what each rests on"),
                Proof("/console/members?show=silent", "Members who take mail and let none report back"),
            ),
            "personalised": (
                _mail(examples.main, "A personal mail, with the figures behind each reason"),
                _mail(examples.popular, "A mail with what is popular"),
            ),
            "history": (
                _member(examples.main, "One member: habits, and recommendations with their reasons"),
                Proof("/console/members?show=none", "Members who allow nothing: nothing is known of them"),
            ),
            "stop": (
                self._centre(examples.main),
                _report(campaign),
            ),
        }[question.id]
        return replace(question, proofs=tuple(proof for proof in proofs if proof is not None))

    def _centre(self, row: OutboxRow | None) -> Proof | None:
        if row is None:
            return None
        return Proof(self._token("preferences", TokenKind.PREFERENCES, row), "A member's preference centre")

    def _token(self, path: str, kind: TokenKind, row: OutboxRow) -> str:
        extra = _PICKS if kind is TokenKind.UNSUBSCRIBE else 0
        return f"/{path}/{sealed_token(self.app.keys.secret('tokens'), kind, row.member, extra)}"

    def _tour(self, examples: _Examples, campaign: Campaign | None) -> list[tuple[str, str, str]]:
        """Where to look, in the order of a member's data: what, where, and what is to be seen there."""
        row = examples.main
        tour: list[tuple[str, str, str]] = []
        if row is not None:
            member = row.member.hex()
            tour += [
                (
                    "A member's habits and picks",
                    f"/console/members/{member}",
                    "What their viewing says, and each recommendation with the reasons that moved it.",
                ),
                (
                    "The mail they got",
                    f"/console/mail/{row.send_id.hex()}",
                    "As its reader sees it, beside its text part, its headers and the data it used.",
                ),
                (
                    "Their preference centre",
                    self._token("preferences", TokenKind.PREFERENCES, row),
                    "Switch something off, and look again at the mail, the member and the report.",
                ),
            ]
        if campaign is not None:
            tour.append(
                (
                    "The campaign's report",
                    f"/console/campaigns/{campaign.campaign}",
                    "Every mail, and why those that did not leave did not.",
                )
            )
        return [
            *tour,
            ("The outbox", "/console/outbox", "All mails; those that report nothing, those that do."),
            ("The ledger", "/console/ledger", "Every yes and no, signed; check it yourself."),
        ]


def _telling(rows: list[OutboxRow]) -> OutboxRow | None:
    """The mail with the strongest reasons among those whose reasons name several titles: a history that shows."""

    def strength(row: OutboxRow) -> tuple[bool, float]:
        reasons = [title["reasons"] for title in record_of(row).get("titles", ()) if title["reasons"]]
        named = {reason["title_id"] for some in reasons for reason in some}
        return len(named) >= SEVERAL, sum(max(reason["share"] for reason in some) for some in reasons)

    return max(rows, key=strength, default=None)


def _mail(row: OutboxRow | None, text: str) -> Proof | None:
    return None if row is None else Proof(f"/console/mail/{row.send_id.hex()}", text)


def _member(row: OutboxRow | None, text: str) -> Proof | None:
    return None if row is None else Proof(f"/console/members/{row.member.hex()}", text)


def _report(campaign: Campaign | None) -> Proof | None:
    if campaign is None:
        return None
    return Proof(f"/console/campaigns/{campaign.campaign}", "Who got no mail, and why")
