"""What all doors of the gate share: the opened stores, the keys, the policy, the standing of grants."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np

from postreel.consent import Permitted, Policy, Seal, Warrant
from postreel.errors import ConsentError, InputError
from postreel.gate.standing import Follower, Standing
from postreel.members import member_id_from, normal_address
from postreel.ports import (
    AccessRow,
    Clock,
    Events,
    Heads,
    Keys,
    Lock,
    MemberFacts,
    Models,
    Records,
    Transport,
)
from postreel.purposes import BIT, Purpose
from postreel.schema import Ids, R, Rows


@dataclass(frozen=True)
class Core:
    """The opened parts of one installation.

    Attributes:
        language, timezone: of members of whom the service tells none.
        is_sandbox: holds fictitious or test people only, so that grants may be simulated.
        who: the person or job on whose behalf this process works, for the access log.
    """

    records: Records
    events: Events
    models: Models
    transport: Transport
    clock: Clock
    keys: Keys
    heads: Heads
    locks: Lock
    policy: Policy
    seal: Seal
    is_sandbox: bool
    who: str
    language: str = "en"
    timezone: str = "UTC"
    follower: Follower = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "follower", Follower(self.records))

    def now(self) -> datetime:
        """Aware UTC wall-clock time."""
        return self.clock.now()

    def standing(self) -> Standing:
        """Live grants at the ledger's head."""
        return self.follower.standing()

    def address_key(self, address: str) -> bytes:
        """Keyed hash of an address, case aside: what addresses are compared by and suppressed under."""
        return hmac.digest(
            self.keys.secret("addresses"), normal_address(address).lower().encode(), hashlib.sha256
        )

    def member_key(self, member: bytes) -> bytes:
        """Keyed hash of a member id: all that stays of an erased member."""
        return hmac.digest(self.keys.secret("erased members"), member, hashlib.sha256)

    def random_id(self) -> bytes:
        """Sixteen random bytes, the last not zero (see schema.py)."""
        return secrets.token_bytes(15) + bytes([secrets.randbelow(255) + 1])

    def permit(
        self, rows: R, purpose: type[Purpose], standing: Standing, members: Ids
    ) -> Permitted[R, Purpose]:
        """Rows under a purpose, with a warrant over these sorted members."""
        used = np.full(len(members), BIT.get(purpose.key, 0), np.int64)
        return Permitted(self.seal, rows, Warrant(purpose, standing.position, members, used))

    def log(
        self,
        purpose: type[Purpose],
        table: type[Rows],
        members: Ids,
        position: int,
        why: str,
        who: str | None = None,
    ) -> None:
        """Note a use in the access log: by name for one member, as a number for many."""
        one = bytes(members[0]) if len(members) == 1 else None
        row = AccessRow(
            self.now(), purpose.key, table.__name__, who or self.who, why, one, len(members), position
        )
        with self.records.writing() as tx:
            tx.log_access([row])

    def find(self, text: str) -> MemberFacts:
        """The member with this address, id or alias.

        Raises:
            InputError: there is none, or several share the address.
        """
        with self.records.reading() as tx:
            by_id = member_id_from(text)
            found = [by_id] if by_id is not None else list(tx.by_alias([text]).values())
            if not found and "@" in text:
                key = self.address_key(text)
                found = tx.by_address_key([key]).get(key, [])
            if len(found) > 1:
                raise InputError(
                    f"{len(found)} members share that address; name one by id, see `postreel member list`"
                )
            facts = tx.members(found)
        if not facts:
            raise InputError("there is no such member; `postreel member list` shows who there is")
        return facts[0]

    def need(self, member: bytes) -> MemberFacts:
        """What is stored of this member.

        Raises:
            ConsentError: nothing; they were erased or never were here.
        """
        with self.records.reading() as tx:
            facts = tx.members([member])
        if not facts:
            raise ConsentError("that member is not here (any more); nothing was done")
        return facts[0]
