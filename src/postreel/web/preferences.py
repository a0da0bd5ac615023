"""The preference centre: every purpose as a switch.

`/preferences/{token}`, from a mail, refuses and withdraws, and never grants: whoever finds that mail can at most
make it quieter. `/account/preferences` is the same page for a member who is signed in, and grants too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from postreel.app import App
from postreel.errors import ConsentError
from postreel.gate import Changed
from postreel.purposes import SWITCHABLE
from postreel.tokens import TokenKind, opened_token
from postreel.web.behind import behind
from postreel.web.bodies import Form, first, form_of, is_from_elsewhere
from postreel.web.gone import gone
from postreel.web.pages import Pages
from postreel.web.sessions import Sessions
from postreel.web.signing import Signed, signed_route
from postreel.web.telling import begun_names, groups_of, switches_of, titles_named

KEYS = tuple(p.key for p in SWITCHABLE)


def routes(app: App, pages: Pages, sessions: Sessions) -> list[BaseRoute]:
    """`/preferences/…` and `/account/preferences`."""
    desk = _Desk(app, pages)
    return [
        Route("/preferences/{token}", desk.by_link, methods=["GET", "POST"]),
        signed_route("/account/preferences", desk.signed_in, pages, sessions, methods=["GET", "POST"]),
    ]


@dataclass(frozen=True)
class _Saved:
    """What a press of a button led to.

    Attributes:
        on, off: titles of the purposes that were switched.
    """

    changed: Changed
    on: list[str]
    off: list[str]


@dataclass(frozen=True)
class _Desk:
    app: App
    pages: Pages

    async def by_link(self, request: Request) -> Response:
        """The page behind a mail's own link: no name, no address, no history on it."""
        key = self.app.keys.secret("tokens")
        found = opened_token(key, TokenKind.PREFERENCES, request.path_params["token"])
        if found is None:
            return gone(self.pages, request)
        form = await _pressed(request)
        try:
            return await run_in_threadpool(self._answer, request, found[0], form, None)
        except ConsentError:
            return gone(self.pages, request)

    async def signed_in(self, request: Request, signed: Signed) -> Response:
        """The page of a member who is signed in."""
        return await run_in_threadpool(self._answer, request, signed.who.member, signed.form, signed)

    def _answer(self, request: Request, member: bytes, form: Form, signed: Signed | None) -> Response:
        self.app.gate.rights(member).facts()
        saved = self._saved(member, form, may_grant=signed is not None)
        switches = switches_of(self.app.policy, self.app.gate.rights(member).grants())
        values: dict[str, Any] = {
            "groups": groups_of(self.app.policy, switches),
            "can_grant": signed is not None,
            "mark": signed.mark if signed else "",
            "is_any_on": any(switch.is_on for switch in switches.values()),
            "law": self.app.policy.law.items(),
            "saved": saved,
            "begun": begun_names(saved.changed) if saved else [],
            "withheld": saved.changed.withheld if saved else 0,
            "position": saved.changed.position if saved and saved.changed.entries else None,
        }
        job = behind(self.app.gate.rights(member).finish) if saved and saved.changed.jobs else None
        return self.pages.render("preferences.html", request, background=job, **values)

    def _saved(self, member: bytes, form: Form, *, may_grant: bool) -> _Saved | None:
        """What this form asks for, done; None where it asks for nothing."""
        rights = self.app.gate.rights(member)
        channel = "account" if may_grant else "preferences link"
        held = {key for key, row in rights.grants().items() if row.state == "granted"}
        if first(form, "stop") == "everything":
            return self._told(rights.stop_everything(channel), [], sorted(held, key=KEYS.index))
        if first(form, "save") != "yes":
            return None
        # Only what the page showed is switched: a yes given since, elsewhere, is not undone by an old page.
        shown, on = set(form.get("shown", [])), set(form.get("on", []))
        off_now = [key for key in KEYS if key in held and key in shown and key not in on]
        on_now = [key for key in KEYS if may_grant and key in on and key in shown and key not in held]
        answers = dict.fromkeys(off_now, False) | dict.fromkeys(on_now, True)
        return self._told(rights.switch(answers, channel, "pressed Save"), on_now, off_now)

    def _told(self, changed: Changed, on: list[str], off: list[str]) -> _Saved:
        return _Saved(changed, titles_named(self.app.policy, on), titles_named(self.app.policy, off))


async def _pressed(request: Request) -> Form:
    if request.method != "POST" or is_from_elsewhere(request):
        return {}
    return await form_of(request)
