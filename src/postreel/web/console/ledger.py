"""`/console/ledger`: how many entries, the signed head, the latest entries; and the whole of it checked on demand.

Entries are shown without whom they are about: what was answered, when, and the commitment that stands in the tree.
"""

from __future__ import annotations

from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from postreel.consent import Entry, Finding
from postreel.web.bodies import is_from_elsewhere
from postreel.web.console.desk import Desk
from postreel.web.telling import moment

LAST = 40


def routes(desk: Desk) -> list[BaseRoute]:
    """The ledger; a POST checks it."""

    def ledger(request: Request) -> Response:
        finding, seconds = None, 0.0
        if request.method == "POST":
            if is_from_elsewhere(request):
                raise HTTPException(403)
            began_s = desk.app.clock.monotonic_s()
            finding = desk.gate.verify_ledger()
            seconds = desk.app.clock.monotonic_s() - began_s
        return desk.page("ledger.html", request, **_values(desk, finding, seconds))

    return [Route("/console/ledger", ledger, methods=["GET", "POST"])]


def _values(desk: Desk, finding: Finding | None, seconds: float) -> dict[str, Any]:
    head, entries = desk.operator("the ledger in the console").ledger_tail(LAST)
    return {
        "size": 0 if head is None else head.size,
        "root": "" if head is None else head.root.hex(),
        "signature": "" if head is None else head.signature.hex(),
        "at": "" if head is None else moment(head.at),
        "entries": [_line(entry) for entry in entries],
        "finding": finding,
        "seconds": f"{seconds:.1f}",
    }


def _line(entry: Entry) -> dict[str, Any]:
    facts = entry.facts
    since = str(facts.get("since", ""))
    return {
        "position": entry.position,
        "kind": facts.get("kind", "erased content" if entry.content is None else ""),
        "purpose": facts.get("purpose", ""),
        "state": facts.get("state", ""),
        "channel": facts.get("channel", ""),
        "since": since[:16].replace("T", " "),
        "iso": since,
        "commitment": entry.commitment.hex(),
    }
