"""Routes for members who are signed in: who is not is asked to; a form without the session's mark does nothing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from postreel.ports import MemberFacts
from postreel.web.bodies import Form, first, form_of, is_from_elsewhere
from postreel.web.pages import Pages
from postreel.web.sessions import Sessions


@dataclass(frozen=True)
class Signed:
    """A request of a member who is signed in.

    Attributes:
        form: what they sent; empty for a GET.
        mark: goes into every form of the page.
    """

    who: MemberFacts
    form: Form
    mark: str


Handler = Callable[[Request, Signed], Awaitable[Response]]


def signed_route(
    path: str, handler: Handler, pages: Pages, sessions: Sessions, methods: Sequence[str] = ("GET",)
) -> Route:
    """A route that is answered for members who are signed in, and otherwise leads to the sign-in page."""

    async def answer(request: Request) -> Response:
        found = await run_in_threadpool(sessions.signed_in, request)
        if found is None:
            return RedirectResponse("/account", 303, headers={"Cache-Control": "no-store"})
        session, who = found
        form: Form = {}
        if request.method == "POST":
            form = await form_of(request)
            if is_from_elsewhere(request) or not sessions.is_marked(session, first(form, "mark")):
                return pages.render("unmarked.html", request, status=403)
        return await handler(request, Signed(who, form, session.mark))

    return Route(path, answer, methods=list(methods))
