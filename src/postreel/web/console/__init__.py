"""The console: what the people who run the service see. In a sandbox only; elsewhere every address of it is unknown,
until there is a sign-in for operators.

Every look at a member is written in the access log, where the member reads it. Nothing here grants anything.
"""

from __future__ import annotations

from starlette.routing import BaseRoute

from postreel.app import App
from postreel.web.console import campaigns, ledger, members, outbox, overview
from postreel.web.console.desk import Desk
from postreel.web.pages import Pages


def routes(app: App, pages: Pages) -> list[BaseRoute]:
    """Everything below `/console/`."""
    if not app.settings.sandbox:
        return []
    desk = Desk(app, pages)
    return [
        *overview.routes(desk),
        *outbox.routes(desk),
        *members.routes(desk),
        *campaigns.routes(desk),
        *ledger.routes(desk),
    ]
