"""Templates to responses: every page has the same frame, the same headers, and runs no script of its own.

Holds nothing of a member's; what a page shows is handed to `render`. Used by every module of this room.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from typing import Any

from minijinja import Environment
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import HTMLResponse

from postreel.app import App

CSP = (
    "default-src 'self'; img-src 'self' data:; script-src 'none'; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'self'"
)
HEADERS = {
    "Content-Security-Policy": CSP,
    # A member's page has a token in its address, which must not travel on to where a link leads.
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "X-Robots-Tag": "noindex",
}
"""What every page is answered with."""


class Pages:
    """The templates beside this module, read once."""

    def __init__(self, app: App) -> None:
        self._made = Environment(templates=_templates(), trim_blocks=True, lstrip_blocks=True)
        self._made.add_filter("thousands", _thousands)
        settings = app.settings
        self._common: dict[str, Any] = {
            "brand": settings.brand,
            "language": settings.language,
            "is_sandbox": settings.sandbox,
        }

    def render(
        self,
        name: str,
        request: Request,
        status: int = 200,
        *,
        headers: Mapping[str, str] | None = None,
        background: BackgroundTask | None = None,
        **values: Any,
    ) -> HTMLResponse:
        """A page from a template, whose name is given from `web/templates`.

        Args:
            headers: further ones, or others in place of `HEADERS`.
            background: what goes on behind the answer.
            values: what the template shows; `brand`, `language`, `is_sandbox` and `path` are always there.
        """
        text = self.text(name, path=request.url.path, **values)
        return HTMLResponse(text, status, headers={**HEADERS, **(headers or {})}, background=background)

    def text(self, name: str, **values: Any) -> str:
        """As `render`, the HTML alone."""
        return str(self._made.render_template(name, **{**self._common, **values}))


def static_file(name: str) -> bytes:
    """The bytes of a file of `web/static`."""
    file: Any = resources.files("postreel").joinpath("web", "static", name)
    return bytes(file.read_bytes())


def _templates() -> dict[str, str]:
    """Every template by its path below `web/templates`."""
    found: dict[str, str] = {}
    waiting: list[tuple[str, Any]] = [("", resources.files("postreel").joinpath("web", "templates"))]
    while waiting:
        prefix, folder = waiting.pop()
        for entry in folder.iterdir():
            if entry.is_dir():
                waiting.append((f"{prefix}{entry.name}/", entry))
            elif entry.name.endswith((".html", ".txt")):
                found[prefix + entry.name] = entry.read_text("utf-8")
    return found


def _thousands(number: float) -> str:
    return f"{number:,.0f}"
