"""`/unsubscribe/{token}`: one button, one click (RFC 8058).

A GET changes nothing, since scanners open every link. A POST refuses one kind of mail; it is answered when no mail
of that kind can begin to leave any more, and names those that had begun. A token that is not good, or no longer,
is answered with the same page.
"""

from __future__ import annotations

from dataclasses import dataclass

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
from postreel.web.bodies import Form, first, form_of
from postreel.web.pages import Pages
from postreel.web.telling import begun_names

ONE_CLICK = ("List-Unsubscribe", "One-Click")
CONFIRM = ("confirm", "yes")


def routes(app: App, pages: Pages) -> list[BaseRoute]:
    """`/unsubscribe/…`."""
    stopping = _Stopping(app, pages)
    return [Route("/unsubscribe/{token}", stopping.answer, methods=["GET", "POST"])]


@dataclass(frozen=True)
class _Stopping:
    app: App
    pages: Pages

    async def answer(self, request: Request) -> Response:
        if request.method != "POST":
            return self.pages.render("unsubscribe.html", request, is_done=False)
        channel = _channel(await form_of(request))
        if channel is None:
            return self.pages.render("unsubscribe.html", request, is_done=False)
        member, changed = await run_in_threadpool(self._refused, request.path_params["token"], channel)
        job = None if member is None else behind(self.app.gate.rights(member).finish)
        begun = begun_names(changed) if changed else []
        return self.pages.render("unsubscribe.html", request, is_done=True, begun=begun, background=job)

    def _refused(self, token: str, channel: str) -> tuple[bytes | None, Changed | None]:
        found = opened_token(self.app.keys.secret("tokens"), TokenKind.UNSUBSCRIBE, token)
        if found is None or found[1] >= len(SWITCHABLE):
            return None, None
        member, place = found
        try:
            return member, self.app.gate.rights(member).refuse([SWITCHABLE[place].key], channel)
        except ConsentError:
            # Erased since: there is nobody left to mail.
            return None, None


def _channel(form: Form) -> str | None:
    """How the no came; None where this form says none."""
    if first(form, ONE_CLICK[0]) == ONE_CLICK[1]:
        return "one-click"
    return "unsubscribe page" if first(form, CONFIRM[0]) == CONFIRM[1] else None
