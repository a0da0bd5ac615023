"""What both transports share: opening a permit for mail, and telling what became of each message.

Rests on the purpose of the mails, any `Postable`; used by the transports alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from postreel.consent import Permitted, Seal
from postreel.errors import ConsentError
from postreel.purposes import Postable
from postreel.schema import Messages, Sends

REPLY_CHARACTERS = 500
_ADDRESS = re.compile(r"<?[^\s<>@]+@[^\s<>@]+>?")
LATE = "its time ran out before DATA; nothing was handed over"


@dataclass(frozen=True)
class Letter:
    """One message with its envelope."""

    message_id: str
    return_path: str
    address: str
    raw: bytes


@dataclass(frozen=True)
class Fate:
    """What became of a message: one of `schema.OUTCOMES`, and the words for it."""

    outcome: str
    reply: str


def opened(messages: Permitted[Messages, Postable], seal: Seal) -> Messages:
    """The messages of a permit.

    Raises:
        ConsentError: the permit is another gate's, or its purpose is none that mail can be sent under.
    """
    rows = messages.unseal(seal)
    if not issubclass(messages.warrant.purpose, Postable):
        raise ConsentError(
            f"no mail can be sent under {messages.warrant.purpose.key!r}; nothing was handed over"
        )
    return rows


def letters(messages: Messages) -> Iterator[Letter]:
    """The messages one by one, in order; what a letter does not need is not read."""
    columns: list[list[Any]] = [
        messages.table.column(name).to_pylist() for name in ("message_id", "return_path", "address", "raw")
    ]
    return (Letter(m, r or "", a, raw) for m, r, a, raw in zip(*columns, strict=True))


def sends_of(messages: Messages, fates: list[Fate]) -> Sends:
    """One row a message, in order, with replies cut and freed of addresses."""
    return Sends.of(
        member=messages.members,
        send_id=messages.table.column("send_id"),
        outcome=pa.array([f.outcome for f in fates], pa.string()),
        reply=pa.array([discreet(f.reply) for f in fates], pa.string()),
    )


def discreet(reply: str) -> str:
    """A server's words on one line, without any address, at most 500 characters."""
    return _ADDRESS.sub("(address)", " ".join(reply.split()))[:REPLY_CHARACTERS]
