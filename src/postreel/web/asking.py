"""The pages that single-use links open: the first asking, a choice to confirm, signing in.

A GET shows and uses nothing up: programs that look at links before people do may open them as often as they like.
A press of the button uses the link up, and only then is anything granted or anybody signed in.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from postreel.app import App
from postreel.errors import ConsentError
from postreel.purposes import SWITCHABLE
from postreel.web.behind import behind
from postreel.web.bodies import Form, first, form_of, is_from_elsewhere
from postreel.web.gone import gone
from postreel.web.pages import Pages
from postreel.web.sessions import Sessions
from postreel.web.telling import begun_names, groups_of, switches_of

WELCOME = "welcome"
SIGN_IN = "sign in"
GRANT = "grant "
YES, NO = "yes", "no"
EVIDENCE = "pressed a button behind a single-use link"


def routes(app: App, pages: Pages, sessions: Sessions) -> list[BaseRoute]:
    """`/welcome/…` and `/confirm/…`."""
    asking = _Asking(app, pages, sessions)
    return [
        Route("/welcome/{token}", asking.welcome, methods=["GET", "POST"]),
        Route("/confirm/{token}", asking.confirm, methods=["GET", "POST"]),
    ]


@dataclass(frozen=True)
class _Asking:
    app: App
    pages: Pages
    sessions: Sessions

    async def welcome(self, request: Request) -> Response:
        """The four questions."""
        token = request.path_params["token"]
        found = await run_in_threadpool(self.app.gate.link, token)
        if found is None or found[1] != WELCOME:
            return gone(self.pages, request)
        form = await _pressed(request)
        if form is None:
            return self._questions(request)
        answers = self._answers(form)
        if not answers:
            return self._questions(request, is_empty=True)
        return await run_in_threadpool(self._welcomed, request, token, answers)

    async def confirm(self, request: Request) -> Response:
        """Signing in, or one choice."""
        token = request.path_params["token"]
        found = await run_in_threadpool(self.app.gate.link, token)
        if found is None or not self._is_ours(found[1]):
            return gone(self.pages, request)
        what = found[1]
        form = await _pressed(request)
        said = first(form or {}, "confirm")
        if said not in ((YES,) if what == SIGN_IN else (YES, NO)):
            wording = self.app.policy.wordings.get(what.removeprefix(GRANT))
            return self.pages.render("confirm.html", request, wording=wording)
        return await run_in_threadpool(self._confirmed, request, token, said)

    def _is_ours(self, what: str) -> bool:
        return what == SIGN_IN or what.removeprefix(GRANT) in self.app.policy.wordings

    def _questions(self, request: Request, *, is_empty: bool = False) -> Response:
        groups = groups_of(self.app.policy, switches_of(self.app.policy, {}))
        asked = [group for group in groups if group.key != "alone"]
        return self.pages.render("welcome.html", request, questions=asked, is_empty=is_empty)

    def _answers(self, form: Form) -> dict[str, bool]:
        """Yes or no for each purpose of each question that was answered."""
        answers: dict[str, bool] = {}
        for question in self.app.policy.questions:
            said = first(form, question.key)
            if said in (YES, NO):
                answers |= dict.fromkeys(question.purposes, said == YES)
        return {p.key: answers[p.key] for p in SWITCHABLE if p.key in answers}

    def _welcomed(self, request: Request, token: str, answers: dict[str, bool]) -> Response:
        used = self.app.gate.use_link(token)
        if used is None or used[1] != WELCOME:
            return gone(self.pages, request)
        rights = self.app.gate.rights(used[0])
        try:
            changed = rights.switch(answers, WELCOME, "answered the four questions and pressed Save")
        except ConsentError:
            return gone(self.pages, request)
        switches = switches_of(self.app.policy, rights.grants())
        told = [switches[key] for key in answers]
        values: dict[str, Any] = {
            "on": [switch for switch in told if switch.is_on],
            "off": [switch for switch in told if not switch.is_on],
            "receipt": self._receipt(changed),
            "begun": begun_names(changed),
            "ask_again_days": self.app.policy.ask_again_days,
        }
        job = behind(rights.finish) if changed.jobs else None
        return self.pages.render("welcomed.html", request, background=job, **values)

    def _confirmed(self, request: Request, token: str, said: str) -> Response:
        used = self.app.gate.use_link(token)
        if used is None:
            return gone(self.pages, request)
        member, what = used
        if what == SIGN_IN:
            response = RedirectResponse("/account/home", 303, headers={"Cache-Control": "no-store"})
            self.sessions.begin(response, request, member)
            return response
        key = what.removeprefix(GRANT)
        rights = self.app.gate.rights(member)
        try:
            changed = rights.switch({key: said == YES}, "confirmation mail", EVIDENCE)
        except ConsentError:
            return gone(self.pages, request)
        switch = switches_of(self.app.policy, rights.grants())[key]
        job = behind(rights.finish) if changed.jobs else None
        values: dict[str, Any] = {"switch": switch, "receipt": self._receipt(changed)}
        return self.pages.render("confirmed.html", request, background=job, **values)

    def _receipt(self, changed: Any) -> dict[str, str] | None:
        """The receipt as text, and as a link to save it by; None where nothing was written."""
        if not changed.entries:
            return None
        text = json.dumps(self.app.gate.receipt(changed), ensure_ascii=False, indent=1)
        packed = base64.b64encode(text.encode()).decode()
        return {"text": text, "href": f"data:application/json;base64,{packed}"}


async def _pressed(request: Request) -> Form | None:
    """The form of a button that was pressed on our own page; None for all else."""
    if request.method != "POST" or is_from_elsewhere(request):
        return None
    return await form_of(request)
