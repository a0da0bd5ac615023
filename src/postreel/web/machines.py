"""For machines that watch over an installation: is it well, and plain numbers about it. Nothing of any one member."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from postreel.app import App
from postreel.errors import PostreelError
from postreel.ports import OUTBOX_STATES
from postreel.web.api import HEADERS, guarded

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
LEAST_FREE = 64 * 1024 * 1024
"""Bytes of disk below which nothing more should come in."""


def routes(app: App) -> list[BaseRoute]:
    """`/healthz` and `/metrics`; outside a sandbox the numbers are behind the API key."""
    machines = _Machines(app)
    metrics = machines.metrics if app.settings.sandbox else guarded(app, machines.metrics)
    return [Route("/healthz", machines.health), Route("/metrics", metrics)]


@dataclass(frozen=True)
class _Machines:
    app: App

    async def health(self, request: Request) -> Response:
        """200 where grants can be looked up and the disk takes more; else 503 and what is wrong."""
        checks = await run_in_threadpool(self._checks)
        return JSONResponse(
            {"ok": all(checks.values()), **checks}, 200 if all(checks.values()) else 503, headers=HEADERS
        )

    def _checks(self) -> dict[str, bool]:
        try:
            self.app.gate.standing()
            can_look_up = True
        except PostreelError:
            can_look_up = False
        return {"grants": can_look_up, "disk": self._has_room()}

    def _has_room(self) -> bool:
        home = self.app.settings.home
        try:
            room = os.statvfs(home)
        except OSError:
            return False
        return os.access(home, os.W_OK) and room.f_bavail * room.f_frsize >= LEAST_FREE

    async def metrics(self, request: Request) -> Response:
        """Plain numbers in the text form of Prometheus."""
        text = await run_in_threadpool(self._numbers)
        return PlainTextResponse(text, headers={**HEADERS, "Content-Type": METRICS_TYPE})

    def _numbers(self) -> str:
        gate = self.app.gate
        states: Counter[str] = Counter(dict.fromkeys(OUTBOX_STATES, 0))
        for campaign in gate.campaigns():
            for state, _, count in gate.report(campaign.campaign):
                states[state] += count
        lines = [
            "# HELP postreel_rows Rows in the event store.",
            "# TYPE postreel_rows gauge",
            *(f'postreel_rows{{table="{name}"}} {count}' for name, count in gate.stored_count().items()),
            "# HELP postreel_mails Mails by where they stand.",
            "# TYPE postreel_mails gauge",
            *(f'postreel_mails{{state="{state}"}} {count}' for state, count in states.items()),
            "# HELP postreel_ledger_entries Entries of the ledger.",
            "# TYPE postreel_ledger_entries counter",
            f"postreel_ledger_entries {gate.standing().position}",
            "# HELP postreel_titles Titles in the catalogue.",
            "# TYPE postreel_titles gauge",
            f"postreel_titles {len(gate.catalogue())}",
        ]
        return "\n".join(lines) + "\n"
