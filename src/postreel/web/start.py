"""The start page of a sandbox."""

from __future__ import annotations

from starlette.routing import BaseRoute

from postreel.app import App
from postreel.web.pages import Pages


def routes(app: App, pages: Pages) -> list[BaseRoute]:
    """The routes of this module."""
    return []
