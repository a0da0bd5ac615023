"""`/posters/{title}.png`: the pictures of titles, which are about nobody."""

from __future__ import annotations

from functools import lru_cache

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from postreel.app import App
from postreel.catalogue import Title

WIDTHS = (80, 120, 160, 240, 392, 600)
"""Those that are drawn; what is asked for is rounded up to one of them."""
KEPT = 512


def routes(app: App) -> list[BaseRoute]:
    """`/posters/…`."""
    return [Route("/posters/{title_id:path}.png", _Posters(app).answer)]


class _Posters:
    def __init__(self, app: App) -> None:
        self._app = app
        self._drawn = lru_cache(KEPT)(self._poster)

    def _poster(self, title: Title, width: int) -> bytes:
        return self._app.kit.poster(title, width)

    async def answer(self, request: Request) -> Response:
        """One picture, drawn once."""
        catalogue = await run_in_threadpool(self._app.gate.catalogue)
        title = catalogue.get(request.path_params["title_id"])
        if title is None:
            return Response(status_code=404)
        picture = await run_in_threadpool(self._drawn, title, _width(request.query_params.get("w", "")))
        headers = {"Cache-Control": "public, max-age=86400", "X-Content-Type-Options": "nosniff"}
        return Response(picture, media_type="image/png", headers=headers)


def _width(asked: str) -> int:
    wanted = int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 5 else 240
    return next((width for width in WIDTHS if width >= wanted), WIDTHS[-1])
