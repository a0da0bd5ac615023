"""The one page for every link that opens nothing: forged, used up, expired, erased. It says how to get a new one."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from postreel.web.pages import Pages


def gone(pages: Pages, request: Request) -> Response:
    """The page; the same for whatever is wrong with the link."""
    return pages.render("gone.html", request, status=404)
