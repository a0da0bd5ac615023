"""What the console's pages share: the installation, how lists are paged, how members and purposes are told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from postreel.app import App
from postreel.gate import Gate, Operator
from postreel.members import member_id_from
from postreel.ports import MemberFacts, OutboxRow
from postreel.purposes import BIT, Service
from postreel.schema import id_array
from postreel.web.pages import Pages

T = TypeVar("T")
ROWS = 40


@dataclass(frozen=True)
class Paged(Generic[T]):
    """One page of a list.

    Attributes:
        number, last: this page and the last, from 1.
    """

    rows: Sequence[T]
    number: int
    last: int
    total: int
    path: str
    rest: str

    def link(self, number: int) -> str:
        """The address of another page of the same list."""
        return f"{self.path}?{self.rest}page={number}"

    @property
    def before(self) -> str | None:
        """The page before, or None."""
        return self.link(self.number - 1) if self.number > 1 else None

    @property
    def after(self) -> str | None:
        """The page after, or None."""
        return self.link(self.number + 1) if self.number < self.last else None


@dataclass(frozen=True)
class Desk:
    """The opened installation, and the pages."""

    app: App
    pages: Pages

    @property
    def gate(self) -> Gate:
        """The one door."""
        return self.app.gate

    def operator(self, why: str) -> Operator:
        """Whoever sits at the console, looking for this reason."""
        return self.gate.as_operator("console", why)

    def page(self, name: str, request: Request, **values: Any) -> Response:
        """A page of the console."""
        return self.pages.render(f"console/{name}", request, **values)

    def member(self, text: str) -> MemberFacts:
        """The member with this id; answers 404 where there is none."""
        member = member_id_from(text)
        found = [] if member is None else self.gate.members(id_array([member]))
        if not found:
            raise HTTPException(404)
        return found[0]

    def marketing(self) -> list[OutboxRow]:
        """Every mail but notices about accounts."""
        return [row for row in self.gate.sends() if row.kind != Service.key]

    def answers(self, bits: int) -> list[str]:
        """Yes, partly or no to each of the four questions, by what is live."""
        said: list[str] = []
        for question in self.app.policy.questions:
            live = sum(bool(bits & BIT[key]) for key in question.purposes)
            said.append("yes" if live == len(question.purposes) else "partly" if live else "no")
        return said


def number(member: bytes) -> str:
    """A member's number: the first eight digits of their id."""
    return member.hex()[:8]


def paged(rows: Sequence[T], request: Request) -> Paged[T]:
    """The page of a list that the request asks for."""
    asked = request.query_params.get("page", "1")
    last = max(1, -(-len(rows) // ROWS))
    at = min(max(int(asked), 1), last) if asked.isascii() and asked.isdigit() and len(asked) < 9 else 1
    rest = "".join(f"{key}={value}&" for key, value in _others(request))
    return Paged(rows[(at - 1) * ROWS : at * ROWS], at, last, len(rows), request.url.path, rest)


def _others(request: Request) -> list[tuple[str, str]]:
    return [(quote(k), quote(v)) for k, v in request.query_params.multi_items() if k != "page"]
