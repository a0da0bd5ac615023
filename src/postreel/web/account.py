"""A member's account: sign in by a link in the mailbox; see, take along, stop, erase.

Runs under `rights` and `service`. Whether an address is known shows in no answer: what is done for one that is
goes on behind it.
"""

from __future__ import annotations

from dataclasses import dataclass

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from postreel.app import App
from postreel.errors import InputError
from postreel.flows.ask import LINK_MINUTES, sign_in_by_mail
from postreel.flows.erase import erase_member
from postreel.flows.export import export_parts, zipped
from postreel.members import normal_address
from postreel.web.behind import behind
from postreel.web.bodies import first, form_of, is_from_elsewhere
from postreel.web.known import known_of
from postreel.web.pages import HEADERS, Pages
from postreel.web.recent import Recent
from postreel.web.sessions import Sessions
from postreel.web.signing import Signed, signed_route
from postreel.web.telling import begun_names, switches_of

ERASE_WORD = "erase"
LINKS, LINKS_S = 3, 900.0
"""So many links an address and a quarter of an hour: nobody's mailbox is filled by somebody else's asking."""


def routes(app: App, pages: Pages, sessions: Sessions) -> list[BaseRoute]:
    """`/account` and all below it but the preferences."""
    account = _Account(app, pages, sessions, Recent(LINKS, LINKS_S))
    both = ("GET", "POST")
    return [
        Route("/account", account.door, methods=["GET", "POST"]),
        signed_route("/account/home", account.home, pages, sessions),
        signed_route("/account/known", account.known, pages, sessions),
        signed_route("/account/data.zip", account.data, pages, sessions),
        signed_route("/account/stop", account.stop, pages, sessions, both),
        signed_route("/account/erase", account.erase, pages, sessions, both),
        signed_route("/account/sign-out", account.sign_out, pages, sessions, ("POST",)),
    ]


@dataclass(frozen=True)
class _Account:
    app: App
    pages: Pages
    sessions: Sessions
    recent: Recent

    async def door(self, request: Request) -> Response:
        """Type an address, get a link by mail; the same answer for any address."""
        if request.method != "POST" or is_from_elsewhere(request):
            return self.pages.render("account.html", request, error="", address="", minutes=LINK_MINUTES)
        typed = first(await form_of(request), "address")
        try:
            address = normal_address(typed)
        except InputError as fault:
            return self.pages.render(
                "account.html", request, 422, error=str(fault), address=typed[:254], minutes=LINK_MINUTES
            )
        job = behind(self._send_link, address)
        return self.pages.render("account_sent.html", request, background=job, minutes=LINK_MINUTES)

    def _send_link(self, address: str) -> None:
        if not self.recent.is_within(address.lower(), self.app.clock.monotonic_s()):
            return
        who = self.app.gate.find(address)
        sign_in_by_mail(self.app.gate, self.app.kit, self.app.clock, who.member)

    async def home(self, request: Request, signed: Signed) -> Response:
        """An overview."""
        return await run_in_threadpool(self._home, request, signed)

    def _home(self, request: Request, signed: Signed) -> Response:
        rights = self.app.gate.rights(signed.who.member)
        switches = switches_of(self.app.policy, rights.grants())
        mails = rights.mails()
        return self.pages.render(
            "account_home.html",
            request,
            who=signed.who,
            mark=signed.mark,
            on_count=sum(switch.is_on for switch in switches.values()),
            all_count=len(switches),
            mail_count=sum(row.state == "accepted" for row in mails),
        )

    async def known(self, request: Request, signed: Signed) -> Response:
        """Everything that is known, to be read."""
        return await run_in_threadpool(self._known, request, signed)

    def _known(self, request: Request, signed: Signed) -> Response:
        told = known_of(self.app, signed.who)
        return self.pages.render("account_known.html", request, who=signed.who, **told)

    async def data(self, request: Request, signed: Signed) -> Response:
        """Everything that is known, to take along."""
        content = await run_in_threadpool(self._zip, signed.who.member)
        headers = {**HEADERS, "Content-Disposition": 'attachment; filename="my-data.zip"'}
        return Response(content, media_type="application/zip", headers=headers)

    def _zip(self, member: bytes) -> bytes:
        return zipped(export_parts(self.app.gate.rights(member)), self.app.clock.now())

    async def stop(self, request: Request, signed: Signed) -> Response:
        """Everything off."""
        if first(signed.form, "stop") != "everything":
            return self.pages.render("account_stop.html", request, mark=signed.mark, is_done=False)
        rights = self.app.gate.rights(signed.who.member)
        changed = await run_in_threadpool(rights.stop_everything, "account")
        return self.pages.render(
            "account_stop.html",
            request,
            mark=signed.mark,
            is_done=True,
            count=len(changed.entries),
            begun=begun_names(changed),
            background=behind(rights.finish),
        )

    async def erase(self, request: Request, signed: Signed) -> Response:
        """Everything gone, after a word is typed."""
        typed = first(signed.form, "word").strip().lower()
        if request.method != "POST" or typed != ERASE_WORD:
            error = f"Type {ERASE_WORD} to say that you mean it." if request.method == "POST" else ""
            return self.pages.render(
                "account_erase.html", request, mark=signed.mark, word=ERASE_WORD, error=error
            )
        home = self.app.settings.home
        done = await run_in_threadpool(erase_member, self.app.gate, home, signed.who.member)
        response = self.pages.render(
            "account_erased.html", request, count=sum(done.rows.values()), is_exact=done.is_exact
        )
        self.sessions.end(response)
        return response

    async def sign_out(self, request: Request, signed: Signed) -> Response:
        """Signed out on this device."""
        response = RedirectResponse("/account", 303, headers={"Cache-Control": "no-store"})
        self.sessions.end(response)
        return response
