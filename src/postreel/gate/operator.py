"""The door `as_operator`: a person, or a job on their behalf, looks at a member; logged where the member sees it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from postreel.consent import Entry, Head, Permitted
from postreel.errors import InputError
from postreel.gate.core import Core
from postreel.gate.reading import read
from postreel.ports import GrantRow, OutboxRow
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
        """The mails to a member, with their reasons; written in the access log with who and why."""
        self.note(member)
        with self.core.records.reading() as tx:
            return tx.outbox(member=member)

    def note(self, *members: bytes) -> None:
        """Write in the access log that this person looked at these members' mail or choices."""
        if not members:
            return
        position = self.core.standing().position
        self.core.log(Service, Messages, id_array(members), position, self.why, self.who)

    def grants(self, *members: bytes) -> dict[bytes, dict[str, GrantRow]]:
        """What each of these members agreed to or refused, by purpose; written in the access log."""
        self.note(*members)
        found: dict[bytes, dict[str, GrantRow]] = {member: {} for member in members}
        with self.core.records.reading() as tx:
            for row in tx.grants_of(list(members)):
                found[row.member][row.purpose] = row
        return found

    def mail_bytes(self, send_id: bytes) -> bytes | None:
        """A mail as it left, written in the access log; None where it did not leave, or is kept nowhere."""
        with self.core.records.reading() as tx:
            row = tx.send(send_id)
        if row is None or row.message_id is None:
            return None
        self.note(row.member)
        return self.core.transport.message(row.message_id)

    def ledger_tail(self, count: int) -> tuple[Head | None, list[Entry]]:
        """The ledger's head and its last entries, latest first."""
        with self.core.records.reading() as tx:
            heads = tx.heads()
            entries = list(tx.entries(max(0, tx.ledger_size() - count)))
        return (heads[-1] if heads else None), entries[::-1]

    def shown(self, permitted: Permitted[T, Purpose]) -> T:
        """Plain rows, to be shown to this person."""
        return permitted.unseal(self.core.seal)
