"""Opens and clicks, where a member agreed, and the same answer where nobody did.

Runs under `measure.opens` and `measure.clicks`. What is counted is counted behind the answer, so that neither a
token's worth nor the store's state shows in it, by content or by time.
"""

from __future__ import annotations

from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from postreel.app import App
from postreel.compose import title_ref
from postreel.errors import PostreelError
from postreel.tokens import TokenKind, opened_token
from postreel.web.behind import behind

GIF = (
    b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff!\xf9\x04\x01\x00\x00\x00\x00"
    b",\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"
)
"""One transparent pixel, 43 bytes."""
HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
}


def routes(app: App) -> list[BaseRoute]:
    """`/o/…` and `/c/…`."""
    signals = _Signals(app)
    return [Route("/o/{token}.gif", signals.open), Route("/c/{rest:path}", signals.click)]


class _Signals:
    def __init__(self, app: App) -> None:
        self._app = app
        self._key = app.keys.secret("tokens")

    async def open(self, request: Request) -> Response:
        """The picture; the mail was opened."""
        counted = self._counted(request, TokenKind.OPEN, "open", request.path_params["token"])
        return Response(GIF, media_type="image/gif", headers=HEADERS, background=counted)

    async def click(self, request: Request) -> Response:
        """On to the title."""
        # A title's id may hold any character once the address is decoded; a token holds no dot.
        title_id, _, token = request.path_params["rest"].rpartition(".")
        counted = self._counted(request, TokenKind.CLICK, "click", token)
        target = await run_in_threadpool(self._target, title_id)
        return Response(status_code=302, headers={**HEADERS, "Location": target}, background=counted)

    def _target(self, title_id: str) -> str:
        """The plain link that anyone gets; decided by the title alone."""
        try:
            is_known = title_id in self._app.gate.catalogue()
        except PostreelError:
            is_known = bool(title_id)
        watch_url = self._app.settings.watch_url
        if not is_known or "{title_id}" not in watch_url:
            return "/"
        return watch_url.replace("{title_id}", title_ref(title_id))

    def _counted(self, request: Request, kind: TokenKind, word: str, token: str) -> BackgroundTask | None:
        is_looking_ahead = "prefetch" in request.headers.get(
            "sec-purpose", request.headers.get("purpose", "")
        )
        if request.method != "GET" or is_looking_ahead:
            return None
        return behind(self._note, kind, word, token)

    def _note(self, kind: TokenKind, word: str, token: str) -> None:
        found = opened_token(self._key, kind, token)
        if found is not None:
            self._app.gate.note_signal(found[0], word, found[1])
