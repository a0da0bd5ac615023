"""The HTTP API for the service's own machines: events, members, consents, titles, recommendations.

Every request carries the API key. Answers are JSON; an error is `{"error": words}`, which never hold an address or
a title that somebody watched.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, cast
from zoneinfo import available_timezones

from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from postreel.app import App
from postreel.catalogue import MATURITIES
from postreel.collect import parse_title
from postreel.errors import InputError, PostreelError
from postreel.flows.ask import welcome_by_mail
from postreel.flows.choose import K, recommended
from postreel.flows.ingest import accept_events
from postreel.gate import Changed
from postreel.members import MemberRow
from postreel.ports import MemberFacts
from postreel.purposes import SWITCHABLE
from postreel.web.behind import behind, log
from postreel.web.bodies import TooLargeError, body_of, json_object

EVENTS_LIMIT = 16 * 1024 * 1024
KEYS = frozenset(p.key for p in SWITCHABLE)
MOST_K = 100
HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
MEMBER_FIELDS: dict[str, type] = {
    "address": str,
    "name": str,
    "language": str,
    "timezone": str,
    "region": str,
    "maturity": int,
    "household": str,
    "is_child": bool,
}

Handler = Callable[[Request], Awaitable[Response]]


class UnknownError(InputError):
    """What the address names is not here."""


def routes(app: App) -> list[BaseRoute]:
    """`/v1/…`."""
    api = _Api(app)
    return [
        Route("/v1/events", guarded(app, api.events), methods=["POST"]),
        Route("/v1/members/{id}", guarded(app, api.member), methods=["PUT"]),
        Route("/v1/members/{id}/grants", guarded(app, api.grants), methods=["POST"]),
        Route("/v1/members/{id}/withdrawals", guarded(app, api.withdrawals), methods=["POST"]),
        Route("/v1/members/{id}/asking", guarded(app, api.asking), methods=["POST"]),
        Route("/v1/members/{id}/recommendations", guarded(app, api.recommendations)),
        Route("/v1/titles/{id:path}", guarded(app, api.title), methods=["PUT"]),
    ]


def api_key(app: App) -> str:
    """The key that a request of the API carries as `Authorization: Bearer KEY`."""
    return app.keys.secret("api").hex()


def is_with_key(app: App, request: Request) -> bool:
    """Whether a request carries the API key."""
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    return scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), api_key(app).encode())


def guarded(app: App, handler: Handler) -> Handler:
    """A handler behind the key, its errors turned into answers."""

    async def answer(request: Request) -> Response:
        if not is_with_key(app, request):
            refusal = _said(401, "this needs the API key: Authorization: Bearer KEY")
            refusal.headers["WWW-Authenticate"] = "Bearer"
            return refusal
        try:
            response = await handler(request)
        except TooLargeError as fault:
            response = _said(413, str(fault))
        except UnknownError as fault:
            response = _said(404, str(fault))
        except InputError as fault:
            response = _said(400 if request.url.path == "/v1/events" else 422, str(fault))
        except PostreelError as fault:
            # Whatever else failed, nothing was done, and a sender that keeps its batch loses nothing.
            log.warning("a request of the API failed: %s", type(fault).__name__)
            response = _said(503, str(fault))
            response.headers["Retry-After"] = "1"
        # Each of these may be said twice and means the same; the key comes back as it came.
        if key := request.headers.get("idempotency-key"):
            response.headers["Idempotency-Key"] = key[:200]
        return response

    return answer


@dataclass(frozen=True)
class _Api:
    app: App

    async def events(self, request: Request) -> Response:
        """A batch of playback events; answered once they are on disk."""
        body = await body_of(request, EVENTS_LIMIT)
        taken = await run_in_threadpool(accept_events, self.app.gate, body, self.app.clock.now())
        refused = [{"index": row.line - 1, "reason": row.reason} for row in taken.refusals]
        return _json({"kept": taken.kept, "refused": refused, "withheld": dict(taken.withheld)})

    async def member(self, request: Request) -> Response:
        """A member, new or brought up to date."""
        row = _member_row(request.path_params["id"], await json_object(request))
        registered = await run_in_threadpool(self.app.gate.register, [row])
        if registered.refused:
            return _said(409, registered.refused[0][1])
        member = registered.ids[0]
        return _json(
            {"id": row.alias, "member": member.hex() if member else None}, 201 if registered.added else 200
        )

    async def grants(self, request: Request) -> Response:
        """A member's yes, with what shows it."""
        given = await json_object(request)
        purposes = _purposes(given)
        evidence = given.get("evidence")
        if not isinstance(evidence, str) or not evidence.strip():
            raise InputError("a grant needs `evidence`: how, when and to which words the member said yes")
        if not self.app.settings.sandbox and any(key.startswith("measure.") for key in purposes):
            raise InputError("consent to measurement is never imported; the member gives it themself")
        who = await run_in_threadpool(self._who, request)
        if who.is_child:
            raise InputError("a child grants nothing; nothing was changed")
        rights = self.app.gate.rights(who.member)
        changed = await run_in_threadpool(rights.grant, purposes, "service API", evidence[:10_000])
        return await self._told(who, changed)

    async def withdrawals(self, request: Request) -> Response:
        """A member's no; it holds when this is answered."""
        purposes = _purposes(await json_object(request))
        who = await run_in_threadpool(self._who, request)
        rights = self.app.gate.rights(who.member)
        changed = await run_in_threadpool(rights.refuse, purposes, "service API")
        return await self._told(who, changed, behind(rights.finish))

    async def asking(self, request: Request) -> Response:
        """The four questions, sent to a member by mail."""
        who = await run_in_threadpool(self._who, request)
        app, days = self.app, self.app.policy.ask_again_days
        state = await run_in_threadpool(welcome_by_mail, app.gate, app.kit, app.clock, who.member, days)
        return _json({"member": who.member.hex(), "mail": state})

    async def title(self, request: Request) -> Response:
        """A title, new or changed."""
        given = await json_object(request)
        named = str(request.path_params["id"])
        if given.setdefault("title_id", named) != named:
            raise InputError("the title_id in the body is not the one in the address")
        title = parse_title(json.dumps(given).encode())
        is_new = title.title_id not in await run_in_threadpool(self.app.gate.catalogue)
        count = await run_in_threadpool(self.app.gate.put_titles, [title])
        return _json({"title_id": title.title_id, "changed": bool(count)}, 201 if is_new else 200)

    async def recommendations(self, request: Request) -> Response:
        """What a member would be recommended now, and why."""
        asked = request.query_params.get("k", str(K))
        if not asked.isascii() or not asked.isdigit() or not 1 <= int(asked[:4]) <= MOST_K:
            raise InputError(f"k is 1 to {MOST_K}")
        who = await run_in_threadpool(self._who, request)
        facts = await run_in_threadpool(
            recommended, self.app.gate, self.app.clock, who, int(asked), "recommendations over the API"
        )
        return _json(facts)

    def _who(self, request: Request) -> MemberFacts:
        try:
            return self.app.gate.find(request.path_params["id"])
        except InputError as fault:
            raise UnknownError(str(fault)) from None

    async def _told(
        self, who: MemberFacts, changed: Changed, background: BackgroundTask | None = None
    ) -> Response:
        held = await run_in_threadpool(self.app.gate.rights(who.member).grants)
        facts = {
            "member": who.member.hex(),
            "grants": {key: row.state for key, row in held.items()},
            "position": changed.position,
            "receipt": await run_in_threadpool(self.app.gate.receipt, changed),
            "withheld": changed.withheld,
            "had_begun": [row.message_id for row in changed.begun],
        }
        return _json(facts, background=background)


def _member_row(alias: str, given: dict[str, Any]) -> MemberRow:
    odd = [name for name in given if name not in MEMBER_FIELDS]
    if odd:
        raise InputError(f"a member has no field {odd[0][:80]!r}; it has {', '.join(MEMBER_FIELDS)}")
    values: dict[str, Any] = {}
    for name, value in given.items():
        kind = MEMBER_FIELDS[name]
        if value is None:
            continue
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise InputError(f"`{name}` is not a {'number' if kind is int else kind.__name__}")
        values[name] = value
    if not values.get("is_child") and not values.get("address"):
        raise InputError("a member needs an `address`; a child (`is_child`) has none")
    if values.get("timezone") and values["timezone"] not in available_timezones():
        raise InputError("`timezone` is a name such as Europe/Lisbon")
    if values.get("maturity", 0) not in MATURITIES:
        raise InputError(f"`maturity` is one of {', '.join(map(str, MATURITIES))}")
    return MemberRow(values.pop("address", ""), alias=alias, **values)


def _purposes(given: dict[str, Any]) -> list[str]:
    found = given.get("purposes")
    if not isinstance(found, list) or not found:
        raise InputError("say `purposes`: a list of one or more")
    keys = [str(key) for key in cast("list[object]", found)]
    odd = [key for key in keys if key not in KEYS]
    if odd:
        raise InputError(f"no purpose {odd[0][:80]!r} can be switched")
    return [p.key for p in SWITCHABLE if p.key in keys]


def _json(facts: Any, status: int = 200, background: BackgroundTask | None = None) -> JSONResponse:
    return JSONResponse(facts, status, headers=HEADERS, background=background)


def _said(status: int, words: str) -> JSONResponse:
    return _json({"error": words}, status)
