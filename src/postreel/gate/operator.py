"""The door `as_operator`: a person, or a job on their behalf, looks at a member; logged where the member sees it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from postreel.consent import Permitted
from postreel.errors import InputError
from postreel.gate.core import Core
from postreel.gate.reading import read
from postreel.ports import OutboxRow
from postreel.purposes import Purpose, Service
from postreel.schema import Messages, R, id_array

T = TypeVar("T")
P = TypeVar("P", bound=Purpose)


@dataclass(frozen=True)
class Operator:
    """Somebody who looks at members. Made by `Gate.as_operator`.

    Attributes:
        who: the person, as the installation knows them.
        why: what for, in words; the member reads it.
    """

    core: Core
    who: str
    why: str

    def __post_init__(self) -> None:
        if not self.who.strip() or not self.why.strip():
            raise InputError("say who looks and why; the member can read it")

    def read(self, table: type[R], member: bytes, under: type[P]) -> Permitted[R, P]:
        """One member's rows, where the purpose is live; written in the access log with who and why."""
        return read(self.core, table, id_array([member]), under, self.why, self.who)

    def mails(self, member: bytes) -> list[OutboxRow]:
        """The mails to a member, with their reasons."""
        with self.core.records.reading() as tx:
            return tx.outbox(member=member)

    def note(self, member: bytes) -> None:
        """Write in the access log that this person looked at the member's mail."""
        position = self.core.standing().position
        self.core.log(Service, Messages, id_array([member]), position, self.why, self.who)

    def shown(self, permitted: Permitted[T, Purpose]) -> T:
        """Plain rows, to be shown to this person."""
        return permitted.unseal(self.core.seal)
