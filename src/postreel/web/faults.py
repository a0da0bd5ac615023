"""What is answered when a page is not there, or something fails: words, no traces, and nothing of the address."""

from __future__ import annotations

from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from postreel.errors import ConsentError, PostreelError, TransientError
from postreel.web.behind import log
from postreel.web.pages import HEADERS, Pages


def handlers(pages: Pages) -> dict[Any, Any]:
    """For Starlette's `exception_handlers`."""

    def of_http(request: Request, fault: Exception) -> Response:
        status = fault.status_code if isinstance(fault, HTTPException) else 500
        headers = dict((fault.headers if isinstance(fault, HTTPException) else None) or {})
        return _answer(pages, request, status, headers)

    def of_ours(request: Request, fault: Exception) -> Response:
        log.warning("a request failed: %s", type(fault).__name__)
        is_passing = isinstance(fault, ConsentError | TransientError)
        return _answer(pages, request, 503 if is_passing else 500, {"Retry-After": "1"} if is_passing else {})

    def of_all(request: Request, fault: Exception) -> Response:
        return _answer(pages, request, 500, {})

    return {HTTPException: of_http, PostreelError: of_ours, 500: of_all}


def _answer(pages: Pages, request: Request, status: int, headers: dict[str, str]) -> Response:
    if request.url.path.startswith("/v1/"):
        words = {404: "there is nothing here", 405: "not by this method", 503: "try again in a moment"}
        body = {"error": words.get(status, "this failed; the server's log says why")}
        return JSONResponse(body, status, headers={**HEADERS, **headers})
    return pages.render("fault.html", request, status, headers=headers, code=status)
