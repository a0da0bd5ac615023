"""`/why/{token}`: why this mail.

For anyone, how mails are chosen; for its owner, signed in, this mail's own reasons.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from postreel.app import App
from postreel.purposes import Learn, MailPicks, MeasureClicks, MeasureOpens, Recommendations
from postreel.tokens import TokenKind, opened_token
from postreel.web.known import mail_told
from postreel.web.pages import Pages
from postreel.web.sessions import Sessions

MAY_USE = (MailPicks, Recommendations, MeasureOpens, MeasureClicks, Learn)


def routes(app: App, pages: Pages, sessions: Sessions) -> list[BaseRoute]:
    """`/why/…`."""
    return [Route("/why/{token}", _Why(app, pages, sessions).answer)]


@dataclass(frozen=True)
class _Why:
    app: App
    pages: Pages
    sessions: Sessions

    async def answer(self, request: Request) -> Response:
        return await run_in_threadpool(self._answer, request)

    def _answer(self, request: Request) -> Response:
        wordings = [self.app.policy.wordings[purpose.key] for purpose in MAY_USE]
        mail = self._own(request)
        return self.pages.render("why.html", request, mail=mail, wordings=wordings)

    def _own(self, request: Request) -> dict[str, Any] | None:
        """This mail's record, for the member it went to and nobody else."""
        signed = self.sessions.signed_in(request)
        if signed is None:
            return None
        key = self.app.keys.secret("tokens")
        found = opened_token(key, TokenKind.WHY, request.path_params["token"])
        row = None if found is None else self.app.gate.send(found[0])
        if row is None or row.member != signed[1].member:
            return None
        return mail_told(self.app, row, self.app.gate.catalogue())
