"""The door `rights`: what a member can do with what is known about them.

Reads exactly what the ended purpose had reached, and hands it only to what removes it or returns it to the member.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from postreel.consent import Permitted
from postreel.gate.consenting import Changed, change
from postreel.gate.core import Core
from postreel.gate.erasing import Erasure, erase
from postreel.gate.jobs import run_open_jobs
from postreel.gate.reading import read
from postreel.ports import AccessRow, Change, GrantRow, MemberFacts, OutboxRow
from postreel.purposes import SWITCHABLE, Purpose, Rights
from postreel.schema import Contacts, Plays, Sessions, Tastes, id_array

T = TypeVar("T")
STANDS_FOR_NO = {"granted": "withdrawn", "withdrawn": "withdrawn", "expired": "withdrawn"}


@dataclass(frozen=True)
class MemberRights:
    """The rights of one member. Made by `Gate.rights`."""

    core: Core
    member: bytes

    def facts(self) -> MemberFacts:
        """Where and how they are written to."""
        return self.core.need(self.member)

    def aliases(self) -> list[str]:
        """The names that sources have for them."""
        with self.core.records.reading() as tx:
            return tx.aliases_of(self.member)

    def grants(self) -> dict[str, GrantRow]:
        """What is on record, by purpose; a purpose never answered is not in it."""
        with self.core.records.reading() as tx:
            return {row.purpose: row for row in tx.grants_of([self.member])}

    def grant(
        self, purposes: Sequence[str], channel: str, evidence: str, at: datetime | None = None
    ) -> Changed:
        """Write down a yes to each of these purposes.

        What an earlier withdrawal has still to remove is removed first, so that the new grant starts afresh.
        """
        return self._switch(dict.fromkeys(purposes, "granted"), channel, evidence, at)

    def refuse(
        self, purposes: Sequence[str], channel: str, evidence: str = "", at: datetime | None = None
    ) -> Changed:
        """Write down a no to each: a withdrawal of what was granted, a refusal of what was not."""
        held = self.grants()
        states = {
            key: STANDS_FOR_NO.get(held[key].state, "refused") if key in held else "refused"
            for key in purposes
        }
        return self._switch(states, channel, evidence, at)

    def switch(self, answers: dict[str, bool], channel: str, evidence: str) -> Changed:
        """Write down yes and no in one entry of the ledger each, in one transaction."""
        held = self.grants()
        states = {
            key: "granted"
            if yes
            else STANDS_FOR_NO.get(held[key].state, "refused")
            if key in held
            else "refused"
            for key, yes in answers.items()
        }
        return self._switch(states, channel, evidence, None)

    def stop_everything(self, channel: str) -> Changed:
        """No to every purpose that is granted."""
        held = [key for key, row in self.grants().items() if row.state == "granted"]
        return self.refuse(held, channel, "stop everything")

    def finish(self) -> None:
        """Carry the open withdrawals of this member through."""
        run_open_jobs(self.core, self.member)

    def erase(self) -> Erasure:
        """Remove all that is known about this member. What stays: salted leaves of the ledger, keyed hashes."""
        return erase(self.core, self.member)

    def mails(self) -> list[OutboxRow]:
        """Every mail to this member, with its reasons."""
        with self.core.records.reading() as tx:
            return tx.outbox(member=self.member)

    def engagement(self) -> list[tuple[bytes, str, int, int]]:
        """Every open or click on record: send id, kind, slot, count."""
        with self.core.records.reading() as tx:
            return tx.engagement(self.member)

    def accesses(self) -> list[AccessRow]:
        """For which purpose this member's data was used, when, by whom."""
        with self.core.records.reading() as tx:
            return tx.access_log(self.member)

    def everything(self) -> dict[str, Any]:
        """All tables with this member's rows, for export."""
        ids = id_array([self.member])
        tables: dict[str, Any] = {}
        for table in (Contacts, Plays, Sessions, Tastes):
            held = read(self.core, table, ids, Rights, "export to the member", "member")
            tables[table.__name__.lower()] = held.unseal(self.core.seal).table
        return tables

    def shown(self, permitted: Permitted[T, Purpose]) -> T:
        """Plain rows, to be shown to this member and nobody else."""
        return permitted.unseal(self.core.seal)

    def _switch(self, states: dict[str, str], channel: str, evidence: str, at: datetime | None) -> Changed:
        order = [*(key for key in ALL if key in states), *(key for key in states if key not in ALL)]
        when = self.core.now() if at is None else at
        changes = [Change(self.member, key, states[key], channel, evidence, when) for key in order]
        return change(self.core, changes)


ALL = tuple(p.key for p in SWITCHABLE)
