"""Ids and addresses of members."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from postreel.errors import InputError

_ADDRESS = re.compile(r"^[^\s@<>\",;:\\()\[\]]+@[^\s@<>\",;:\\()\[\]]+\.[^\s@<>\",;:\\()\[\]]+$")


@dataclass(frozen=True)
class MemberRow:
    """A member as a source tells of them, before they have an id of ours.

    Attributes:
        address: where they are written to; normalised by `normal_address`. Empty for a child without a mailbox.
        alias: the source's own id for them.
        language, timezone: BCP 47 and IANA; None: those of the service.
        grants: purpose keys, each with the evidence the source gives; a grant without evidence is not one.
    """

    address: str
    alias: str | None = None
    name: str | None = None
    language: str | None = None
    timezone: str | None = None
    region: str | None = None
    maturity: int = 18
    household: str | None = None
    is_child: bool = False
    grants: tuple[tuple[str, str], ...] = field(default=())


def new_member_id(random: bytes) -> bytes:
    """A member id of sixteen random bytes, the last of which is not zero.

    numpy's `S16` trims trailing zero bytes; an id that cannot end in one survives every conversion.

    Args:
        random: sixteen bytes from a cryptographic source.

    Raises:
        InputError: not sixteen bytes.
    """
    if len(random) != 16:
        raise InputError(f"a member id takes 16 random bytes, got {len(random)}")
    return random if random[-1] else random[:-1] + b"\x01"


def member_text(member: bytes) -> str:
    """The id as members and operators see it: 32 hexadecimal digits."""
    return member.hex()


def member_id_from(text: str) -> bytes | None:
    """The id in this text, or None where the text is no id (an address, say)."""
    try:
        raw = bytes.fromhex(text)
    except ValueError:
        return None
    return raw if len(raw) == 16 else None


def normal_address(address: str) -> str:
    """The address as it is stored and compared: no spaces around it, the domain in lower case.

    The local part keeps its case for sending (RFC 5321, 2.4) but is compared without it by `address_key`
    in the record store, since no provider in use tells `Ann@` from `ann@`.

    Raises:
        InputError: it is not an address.
    """
    bare = address.strip()
    if len(bare) > 254 or not _ADDRESS.match(bare) or not bare.isprintable():
        raise InputError("not a mail address; expected something like name@example.org")
    local, _, domain = bare.rpartition("@")
    if len(local) > 64:
        raise InputError("the part before the @ is longer than 64 characters (RFC 5321, 4.5.3.1.1)")
    return f"{local}@{domain.lower()}"
