"""The ASGI application, and the server that runs it.

The access log stays off: the addresses of members' pages carry tokens. One process serves a home; SQLite and the
event spool are written by it and by commands side by side.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path

from granian import Granian
from granian.constants import Interfaces
from granian.log import LogLevels
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from postreel.app import App, opened
from postreel.errors import PostreelError, SettingsError, TransientError
from postreel.settings import home_named, read_settings
from postreel.web import (
    account,
    api,
    asking,
    console,
    faults,
    machines,
    posters,
    preferences,
    privacy,
    signals,
    start,
    stopping,
    why,
)
from postreel.web.behind import log
from postreel.web.pages import Pages, static_file
from postreel.web.sessions import Sessions

ROUND_S = 60.0
ROUNDS = 60
"""Open jobs are looked for every minute, and the spool is turned into Parquet every hour."""
STATIC = {name: "text/css; charset=utf-8" for name in ("style.css", "console.css")}


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
        *api.routes(app),
        *machines.routes(app),
        *posters.routes(app),
        *start.routes(app, pages),
        *console.routes(app, pages),
    ]
    return Starlette(routes=routes, exception_handlers=faults.handlers(pages), lifespan=_keeping_up(app))


def _keeping_up(app: App) -> Callable[[Starlette], AbstractAsyncContextManager[None]]:
    """While the server runs: carry on what a dead process left, and turn the spool into Parquet now and then."""

    def once(count: int) -> None:
        try:
            app.gate.run_jobs()
            if count % ROUNDS == ROUNDS - 1:
                app.gate.compact()
        except PostreelError as fault:
            log.warning("work beside the pages failed and is tried again: %s", type(fault).__name__)

    async def rounds() -> None:
        count = 0
        while True:
            await run_in_threadpool(once, count)
            count += 1
            await asyncio.sleep(ROUND_S)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None]:
        task = asyncio.create_task(rounds())
        yield
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    return lifespan


def from_environment() -> Starlette:
    """The application of the home that `POSTREEL_HOME` names: what the server's process begins with."""
    home = home_named(None)
    return make_asgi(opened(read_settings(home), who="web"))


def check_port(host: str, port: int) -> None:
    """Look whether the port can be had.

    Raises:
        TransientError: another program holds it.
        SettingsError: the host is no address of this machine, or the port may not be used.
    """
    # Granian shares its port with whoever else does so. Two homes would then answer in turn, and a no said to one
    # would not be heard by the other.
    try:
        family, kind, _, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(place)
    except OSError as fault:
        if fault.errno == errno.EADDRINUSE:
            raise TransientError(
                f"something else serves on {host}:{port} already; stop it, or name another port with --port"
            ) from None
        raise SettingsError(f"cannot serve on {host}:{port}: {fault.strerror or fault}") from None


def serve_home(home: Path, host: str, port: int) -> None:
    """Serve a home until Ctrl-C.

    Raises:
        TransientError: another program holds the port.
        SettingsError: the host or the port cannot be used.
    """
    check_port(host, port)
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
