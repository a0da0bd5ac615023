"""Who is signed in: a signed cookie for an hour, and the mark that the forms of that hour carry.

Nothing is stored: the cookie holds a member's id, its end and a keyed hash over both. Used by the account pages.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from starlette.requests import Request
from starlette.responses import Response

from postreel.app import App
from postreel.ports import MemberFacts
from postreel.schema import id_array

COOKIE = "postreel_session"
MINUTES = 60
_REF, _NONCE, _MAC = 16, 8, 32


@dataclass(frozen=True)
class Session:
    """A member who is signed in.

    Attributes:
        mark: what every form of this session carries, so that no other site's form can stand in for it.
    """

    member: bytes
    until: datetime
    mark: str


class Sessions:
    """Makes and reads the cookie."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._key = app.keys.secret("sessions")

    def begin(self, response: Response, request: Request, member: bytes) -> None:
        """Sign a member in with this response."""
        until = self._app.clock.now() + timedelta(minutes=MINUTES)
        body = member + int(until.timestamp()).to_bytes(8, "big") + secrets.token_bytes(_NONCE)
        value = base64.urlsafe_b64encode(body + self._mac(b"session", body)).decode().rstrip("=")
        response.set_cookie(
            COOKIE,
            value,
            max_age=MINUTES * 60,
            httponly=True,
            samesite="lax",
            # A sandbox is looked at over plain http on this machine.
            secure=not self._app.settings.sandbox or request.url.scheme == "https",
        )

    def end(self, response: Response) -> None:
        """Sign out."""
        response.delete_cookie(COOKIE, httponly=True, samesite="lax")

    def of(self, request: Request) -> Session | None:
        """The session of this request; None where nobody is signed in or their hour is over."""
        value = request.cookies.get(COOKIE, "")
        try:
            raw = base64.urlsafe_b64decode(value + "=" * (-len(value) % 4))
        except (binascii.Error, ValueError):
            return None
        body, mac = raw[:-_MAC], raw[-_MAC:]
        if len(raw) != _REF + 8 + _NONCE + _MAC or not hmac.compare_digest(mac, self._mac(b"session", body)):
            return None
        until = int.from_bytes(body[_REF : _REF + 8], "big")
        now = self._app.clock.now()
        if until <= now.timestamp():
            return None
        member, end = body[:_REF], datetime.fromtimestamp(until, now.tzinfo)
        return Session(member, end, self._mac(b"mark", body).hex())

    def signed_in(self, request: Request) -> tuple[Session, MemberFacts] | None:
        """The session and its member, while they are here."""
        session = self.of(request)
        if session is None:
            return None
        found = self._app.gate.members(id_array([session.member]))
        return (session, found[0]) if found else None

    def is_marked(self, session: Session, mark: str) -> bool:
        """Whether a form carries this session's mark."""
        return hmac.compare_digest(session.mark.encode(), mark.encode("utf-8", "replace"))

    def _mac(self, use: bytes, body: bytes) -> bytes:
        return hmac.digest(self._key, use + b"\0" + body, "sha256")
