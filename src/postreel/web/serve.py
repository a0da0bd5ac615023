"""The ASGI application, and the server that runs it.

The access log stays off: the addresses of members' pages carry tokens. One process serves a home; SQLite and the
event spool are written by it and by commands side by side.
"""

from __future__ import annotations

import os
from pathlib import Path

from granian import Granian
from granian.constants import Interfaces
from granian.log import LogLevels
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from postreel.app import App, opened
from postreel.settings import home_named, read_settings
from postreel.web import account, asking, console, preferences, privacy, signals, start, stopping, why
from postreel.web.pages import Pages, static_file
from postreel.web.sessions import Sessions

STATIC = {"style.css": "text/css; charset=utf-8"}


def make_asgi(app: App) -> Starlette:
    """The application of one opened installation."""
    pages, sessions = Pages(app), Sessions(app)
    routes: list[BaseRoute] = [
        *_static(),
        *signals.routes(app),
        *stopping.routes(app, pages),
        *preferences.routes(app, pages, sessions),
        *asking.routes(app, pages, sessions),
        *account.routes(app, pages, sessions),
        *why.routes(app, pages, sessions),
        *privacy.routes(app, pages, sessions),
        *start.routes(app, pages),
        *console.routes(app, pages),
    ]
    return Starlette(routes=routes)


def from_environment() -> Starlette:
    """The application of the home that `POSTREEL_HOME` names: what the server's process begins with."""
    home = home_named(None)
    return make_asgi(opened(read_settings(home), who="web"))


def serve_home(home: Path, host: str, port: int) -> None:
    """Serve a home until Ctrl-C."""
    os.environ["POSTREEL_HOME"] = str(home)
    server = Granian(
        f"{__name__}:{from_environment.__name__}",
        address=host,
        port=port,
        interface=Interfaces.ASGI,
        workers=1,
        websockets=False,
        log_access=False,
        log_level=LogLevels.warning,
        factory=True,
    )
    server.serve()


def _static() -> list[BaseRoute]:
    return [_file_route(name, kind) for name, kind in STATIC.items()]


def _file_route(name: str, kind: str) -> Route:
    content = static_file(name)
    headers = {"Cache-Control": "public, max-age=300", "X-Content-Type-Options": "nosniff"}

    async def answer(request: Request) -> Response:
        return Response(content, media_type=kind, headers=headers)

    return Route(f"/static/{name}", answer)
