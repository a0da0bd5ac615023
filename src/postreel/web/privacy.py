"""`/privacy`: five questions that people ask, answered from the configuration that runs, and for a signed-in member
from their own grants and last mails. The words stand in `templates/answers/`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from postreel.app import App
from postreel.ports import OutboxRow
from postreel.web.pages import HEADERS, Pages
from postreel.web.sessions import Sessions
from postreel.web.telling import Switch, record_of, switches_of, used_named

LAST_MAILS = 5
ANSWERS = ("track", "teach", "personalised", "history", "stop")


def routes(app: App, pages: Pages, sessions: Sessions) -> list[BaseRoute]:
    """`/privacy`."""
    return [Route("/privacy", _Privacy(app, pages, sessions).answer)]


@dataclass(frozen=True)
class Proof:
    """Where an answer can be checked."""

    href: str
    text: str


@dataclass(frozen=True)
class Question:
    """One question with its answer, and the facts that it rests on."""

    id: str
    question: str
    answer: str
    facts: dict[str, Any]
    yours: str = ""
    proofs: tuple[Proof, ...] = ()


@dataclass(frozen=True)
class Own:
    """What a signed-in member's answers rest on."""

    switches: Mapping[str, Switch]
    mails: list[OutboxRow]

    def is_on(self, key: str) -> bool:
        return self.switches[key].state == "granted"


@dataclass(frozen=True)
class _Privacy:
    app: App
    pages: Pages
    sessions: Sessions

    async def answer(self, request: Request) -> Response:
        return await run_in_threadpool(self._answer, request)

    def _answer(self, request: Request) -> Response:
        own = self._own(request)
        questions = answered(self.app, self.pages, own)
        if _wants_json(request):
            told = [
                {
                    name: value
                    for name, value in asdict(q).items()
                    if name in ("id", "question", "answer", "facts")
                }
                for q in questions
            ]
            return JSONResponse({"questions": told}, headers={**HEADERS, "Vary": "Accept, Cookie"})
        headers = {"Vary": "Accept, Cookie"}
        return self.pages.render(
            "privacy.html", request, headers=headers, questions=questions, is_signed_in=own is not None
        )

    def _own(self, request: Request) -> Own | None:
        signed = self.sessions.signed_in(request)
        if signed is None:
            return None
        rights = self.app.gate.rights(signed[1].member)
        mails = [row for row in rights.mails() if row.state == "accepted" and row.kind != "service"]
        return Own(switches_of(self.app.policy, rights.grants()), mails[::-1][:LAST_MAILS])


def answered(app: App, pages: Pages, own: Own | None = None) -> list[Question]:
    """The five questions with their answers, live."""
    policy = app.policy
    values = {"wordings": policy.wordings, "days": policy.retention_days, "again": policy.ask_again_days}
    said = {name: " ".join(pages.text(f"answers/{name}.txt", **values).split()) for name in ANSWERS}
    return [
        _track(app, said, own),
        _teach(app, said, own),
        _personalised(app, said, own),
        _history(app, said, own),
        _stop(app, said, own),
    ]


def _track(app: App, said: Mapping[str, str], own: Own | None) -> Question:
    facts: dict[str, Any] = {
        "pixel_only_with": "measure.opens",
        "reporting_links_only_with": "measure.clicks",
        "unknown_counts_as": "no",
        "opens_and_clicks_kept_days": app.policy.retention_days["engagement"],
        "signals_after_withdrawal": "not recorded, and those on record erased",
    }
    yours = ""
    if own:
        facts["you"] = {key: own.switches[key].state for key in ("measure.opens", "measure.clicks")}
        facts["your_last_mails"] = [
            {"opens": bool(record_of(row).get("has_opens")), "clicks": bool(record_of(row).get("has_clicks"))}
            for row in own.mails
        ]
        opens, clicks = own.is_on("measure.opens"), own.is_on("measure.clicks")
        yours = {
            (
                False,
                False,
            ): "You allow neither: your mails tell us nothing when you open them or follow a link.",
            (
                True,
                False,
            ): "You allow the first: your mails tell us when they are opened, not what you follow.",
            (
                False,
                True,
            ): "You allow the second: we learn which link you followed, not when a mail is opened.",
            (True, True): "You allow both: we learn when you open a mail and which link you follow.",
        }[opens, clicks]
    return Question(
        "track",
        "Can you track my viewing through e-mail?",
        said["track"],
        facts,
        yours,
        (Proof("/console/outbox", "Every mail as it left, with its source"),),
    )


def _teach(app: App, said: Mapping[str, str], own: Own | None) -> Question:
    facts: dict[str, Any] = {
        "needs": ["learn", "recommendations", "history"],
        "clicks_need": "measure.clicks",
        "model": app.gate.model().name,
        "opens_used_for_taste": False,
        "clicks_used_for_taste": False,
    }
    yours = ""
    if own:
        facts["you"] = {key: own.switches[key].state for key in ("learn", "measure.clicks")}
        yours = (
            "You allow it; nothing uses it yet."
            if own.is_on("learn")
            else "You have not switched it on: they teach us nothing of you."
        )
    return Question(
        "teach",
        "How do mails teach you my taste?",
        said["teach"],
        facts,
        yours,
        (Proof("/console/members", "Any member's tastes, and what each rests on"),),
    )


def _personalised(app: App, said: Mapping[str, str], own: Own | None) -> Question:
    facts: dict[str, Any] = {
        "chosen_from": ["titles watched", "ratings", "titles listed"],
        "without_recommendations": "popular titles, the same for everybody",
        "sold_or_shared": False,
        "model": app.gate.model().name,
    }
    yours = ""
    if own:
        facts["your_last_mails"] = [
            {"personal": bool(record_of(row).get("is_personal")), "used": used_named(app.policy, row)}
            for row in own.mails
        ]
        count = sum(bool(record_of(row).get("is_personal")) for row in own.mails)
        yours = (
            f"Of the last mails to you ({len(own.mails)}), {count or 'none'} came from your own history."
            if own.mails
            else "You have had no mail from us yet."
        )
    return Question(
        "personalised",
        "Are your mails personalised, and from what?",
        said["personalised"],
        facts,
        yours,
        (Proof("/console/outbox", "A personal mail beside a popular one"),),
    )


def _history(app: App, said: Mapping[str, str], own: Own | None) -> Question:
    days = app.policy.retention_days
    facts: dict[str, Any] = {
        "needs": ["history", "recommendations"],
        "events_kept_days": days["plays"],
        "sessions_kept_days": days["sessions"],
        "is_removed_by_age": False,
        "others_need": "training",
        "reasons": "printed only where that title moved the score; its share is on record",
    }
    yours = ""
    if own:
        keys = ("history", "recommendations", "training")
        facts["you"] = {key: own.switches[key].state for key in keys}
        yours = (
            "You let us recommend from your history."
            if own.is_on("recommendations")
            else "You have not switched it on: nothing is recommended from your history."
        )
    return Question(
        "history",
        "Do you recommend from my history?",
        said["history"],
        facts,
        yours,
        (Proof("/console/members", "Recommendations with their reasons and shares"),),
    )


def _stop(app: App, said: Mapping[str, str], own: Own | None) -> Question:
    facts: dict[str, Any] = {
        "one_click": "List-Unsubscribe in every marketing mail (RFC 8058)",
        "holds": "from the moment it is answered: mails that wait are withheld",
        "switches": [key for key in app.policy.wordings],
        "asked_again_after_days": app.policy.ask_again_days,
        "policy": app.policy.version,
    }
    yours = ""
    if own:
        on = [switch.title for switch in own.switches.values() if switch.is_on]
        facts["you"] = {key: switch.state for key, switch in own.switches.items()}
        yours = (
            f"{len(on)} of {len(own.switches)} switches are on for you." if on else "Nothing is on for you."
        )
    return Question(
        "stop",
        "How do I stop it?",
        said["stop"],
        facts,
        yours,
        (Proof("/console/campaigns", "Every mail that was withheld, and why"),),
    )


def _wants_json(request: Request) -> bool:
    if request.query_params.get("format") == "json":
        return True
    accept = request.headers.get("accept", "")
    return "application/json" in accept and "text/html" not in accept
