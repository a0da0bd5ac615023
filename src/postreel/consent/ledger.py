"""The ledger: what is written for each grant and withdrawal, how heads are signed, and how all of it is checked.

Runs under `proof`. The store keeps entries and heads; the gate appends; `consent verify` and members' receipts
read. The latest heads also stand in a file outside the database, so that whoever rewrites one is found out by
the other. Who holds both and the signing key can rewrite everything: what resists that are the heads in
members' receipts.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import cast

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from postreel.consent.tree import Frontier, commitment, leaf_hash
from postreel.errors import InputError


@dataclass(frozen=True)
class Entry:
    """One leaf of the ledger.

    Attributes:
        position: 0 for the first.
        commitment: 32 bytes, SHA-256 of salt and content.
        salt, content: None once the content was erased.
    """

    position: int
    commitment: bytes
    salt: bytes | None
    content: bytes | None

    @property
    def facts(self) -> dict[str, object]:
        """The content as a mapping; empty once erased, and where it is none of ours."""
        try:
            facts = {} if self.content is None else json.loads(self.content)
        except ValueError:
            return {}
        return facts if isinstance(facts, dict) else {}


@dataclass(frozen=True)
class Head:
    """A signed head: the tree's root at a size.

    Attributes:
        signature: Ed25519 (RFC 8032) over `signed_bytes`.
    """

    size: int
    root: bytes
    at: datetime
    signature: bytes = b""

    @property
    def signed_bytes(self) -> bytes:
        """What the signature covers."""
        lines = ("postreel ledger head 1", str(self.size), self.root.hex(), self.at.isoformat())
        return "\n".join(lines).encode()

    def line(self) -> str:
        """One line of JSON, for the file outside the database and for receipts."""
        return json.dumps(
            {
                "size": self.size,
                "root": self.root.hex(),
                "at": self.at.isoformat(),
                "signature": self.signature.hex(),
            }
        )

    @classmethod
    def from_line(cls, line: str) -> Head:
        """The head that `line` wrote.

        Raises:
            InputError: the line is none.
        """
        try:
            facts = json.loads(line)
            return cls(
                int(facts["size"]),
                bytes.fromhex(facts["root"]),
                datetime.fromisoformat(facts["at"]),
                bytes.fromhex(facts["signature"]),
            )
        except (ValueError, KeyError, TypeError) as fault:
            raise InputError(f"a line of the heads file is no signed head: {fault}") from None


def content_of(facts: Mapping[str, object]) -> bytes:
    """The bytes that a leaf commits to: JSON with sorted keys and no spaces, so that equal facts are equal bytes."""
    return json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def new_entry(position: int, facts: Mapping[str, object], salt: bytes) -> Entry:
    """The entry for these facts; its place is written into its content, so that moving it shows.

    Args:
        salt: 32 bytes from a cryptographic source.
    """
    content = content_of({**facts, "position": position})
    return Entry(position, commitment(salt, content), salt, content)


def signed_head(frontier: Frontier, at: datetime, key: bytes) -> Head:
    """The head of this tree, signed with the raw Ed25519 private key."""
    bare = Head(frontier.size, frontier.root(), at)
    signature = Ed25519PrivateKey.from_private_bytes(key).sign(bare.signed_bytes)
    return Head(bare.size, bare.root, at, signature)


def public_key_of(key: bytes) -> bytes:
    """The raw Ed25519 public key that belongs to this private key."""
    public = Ed25519PrivateKey.from_private_bytes(key).public_key()
    return public.public_bytes(Encoding.Raw, PublicFormat.Raw)


def is_signed(head: Head, public_key: bytes) -> bool:
    """Whether the head's signature is by this key."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(head.signature, head.signed_bytes)
    except InvalidSignature:
        return False
    return True


@dataclass
class Finding:
    """What a check of the ledger found.

    Attributes:
        entries: how many were read.
        head: the database's last head, or None for an empty ledger.
        first_bad: position of the first entry that is wrong, or None.
        why: in words, empty where all is well.
        states: for each (member id in hex, purpose) whose entry is not erased, the last state and since when.
        peaks: the tree's right edge, packed: what the store must hold to go on appending.
    """

    entries: int = 0
    head: Head | None = None
    first_bad: int | None = None
    why: str = ""
    states: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict)
    peaks: bytes = b""

    @property
    def is_ok(self) -> bool:
        """Whether nothing is wrong."""
        return self.first_bad is None

    def blame(self, position: int, why: str) -> None:
        """Note a fault; the earliest one is kept."""
        if self.first_bad is None or position < self.first_bad:
            self.first_bad, self.why = position, why


def checked(
    entries: Iterable[Entry], stored: Sequence[Head], outside: Sequence[Head], public_key: bytes
) -> Finding:
    """Go through the whole ledger once and say whether it is as it was written.

    Args:
        entries: in the order of their positions.
        stored: heads in the database, any order.
        outside: heads in the file outside it, oldest first.

    Returns:
        What was found.
    """
    finding = Finding()
    erased, missing = set[int](), list[int]()
    wanted = _signed_roots(finding, stored, outside, public_key)
    tree = Frontier()
    for expected, entry in enumerate(entries):
        if entry.position != expected:
            finding.blame(expected, f"entry {expected} is missing or out of order")
            break
        if entry.content is None or entry.salt is None:
            missing.append(expected)
        elif commitment(entry.salt, entry.content) != entry.commitment:
            finding.blame(expected, f"the content of entry {expected} was changed")
        else:
            facts = entry.facts
            if facts.get("position") != expected:
                finding.blame(expected, f"entry {expected} was written at another place of the ledger")
            else:
                _note(facts, erased, finding.states)
        tree = tree.plus([leaf_hash(entry.commitment)])
        for root, where in wanted.get(tree.size, {}).items():
            if root != tree.root():
                finding.blame(expected, f"the tree differs from the head in {where} at size {tree.size}")
    finding.entries, finding.peaks = tree.size, tree.packed()
    for position in missing:
        if position not in erased:
            finding.blame(position, f"the content of entry {position} is gone, and no erasure names it")
    _check_ends(finding, tree.size, stored, outside)
    return finding


def _signed_roots(
    finding: Finding, stored: Sequence[Head], outside: Sequence[Head], public_key: bytes
) -> dict[int, dict[bytes, str]]:
    """The roots that heads claim, by size, each with where it was found; unsigned ones are blamed."""
    wanted: dict[int, dict[bytes, str]] = {}
    # The file repeats the database, and a signature takes a tenth of a millisecond to check.
    good = set[Head]()
    for where, heads in (("the database", stored), ("the file outside it", outside)):
        for head in heads:
            if head not in good and not is_signed(head, public_key):
                finding.blame(max(head.size - 1, 0), f"a head in {where} is not signed by the ledger's key")
                continue
            good.add(head)
            wanted.setdefault(head.size, {}).setdefault(head.root, where)
    return wanted


def _note(
    facts: Mapping[str, object], erased: set[int], states: dict[tuple[str, str], tuple[str, str]]
) -> None:
    if facts.get("kind") == "erasure":
        leaves = facts.get("leaves")
        erased.update(leaf for leaf in cast("list[object]", leaves or []) if isinstance(leaf, int))
    elif facts.get("kind") == "consent":
        key = str(facts.get("member")), str(facts.get("purpose"))
        states[key] = str(facts.get("state")), str(facts.get("since"))


def _check_ends(finding: Finding, size: int, stored: Sequence[Head], outside: Sequence[Head]) -> None:
    last_stored = max(stored, key=lambda h: h.size, default=None)
    last_outside = max(outside, key=lambda h: h.size, default=None)
    finding.head = last_stored
    if last_outside is not None and last_outside.size > size:
        finding.blame(size, f"the end was cut off: {last_outside.size} entries were signed, {size} are left")
    if last_stored is None:
        if size:
            finding.blame(0, "no head is signed in the database")
    elif last_stored.size != size:
        first = min(last_stored.size, size)
        finding.blame(first, f"the last signed head covers {last_stored.size} entries, there are {size}")
    if size and last_outside is None:
        finding.blame(0, "the file of heads outside the database is empty or gone")
