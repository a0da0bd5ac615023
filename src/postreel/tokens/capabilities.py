"""Stateless tokens: what a link may do, for whom, with a keyed hash over it.

A token works for years after its mail was sent, so it holds all it needs and no expiry: a version, the id of
the key that made it, sixteen bytes of reference (a member's or a send's id) and a small number. It can refuse
and withdraw, and never grant (what grants is a random single-use token, of which only `fingerprint` is stored).

Layout, 36 bytes, which are 48 characters of base64url without padding and without spare bits, so that one
token has exactly one spelling::

    version 1 | key id 1 | extra 2 | reference 16 | HMAC-SHA256 cut to its first half, 16 (RFC 2104, 5)

The kind is hashed and not carried: a token made for one kind is no token for another.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from enum import IntEnum

from postreel.errors import InputError

_VERSION = 1
_REF_SIZE = 16
_MAC_SIZE = 16
_SIZE = 4 + _REF_SIZE + _MAC_SIZE
_TEXT_SIZE = 48
_DOMAIN = b"postreel token"


class TokenKind(IntEnum):
    """What a token is for. A number is never reused: mails of years ago carry them."""

    UNSUBSCRIBE = 1
    PREFERENCES = 2
    WHY = 3
    OPEN = 4
    CLICK = 5
    ANSWER = 6


def sealed_token(key: bytes, kind: TokenKind, ref: bytes, extra: int = 0) -> str:
    """A token for this reference.

    Args:
        key: the secret for tokens, at least 16 bytes.
        kind: what the token is for.
        ref: sixteen bytes: a member's id, or a send's.
        extra: 0 to 65535: a title's slot in the mail, or a purpose's place.

    Returns:
        48 characters of `A-Z a-z 0-9 - _`.

    Raises:
        InputError: the reference, the number or the key has the wrong size.
    """
    if len(ref) != _REF_SIZE:
        raise InputError(f"a token refers to {_REF_SIZE} bytes, got {len(ref)}")
    if not 0 <= extra < 1 << 16:
        raise InputError(f"a token's number is 0 to 65535, got {extra}")
    body = bytes((_VERSION, _key_id(key))) + extra.to_bytes(2, "big") + ref
    return base64.urlsafe_b64encode(body + _mac(key, kind, body)).decode("ascii")


def opened_token(key: bytes, kind: TokenKind, text: str) -> tuple[bytes, int] | None:
    """The reference and the number in a token, or None where it is not one of ours for this kind.

    Never raises on any text: what comes out of a URL may be anything.
    """
    if len(text) != _TEXT_SIZE or not text.isascii():
        return None
    try:
        raw = base64.b64decode(text, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    if len(raw) != _SIZE or "+" in text or "/" in text:
        return None
    body, mac = raw[:-_MAC_SIZE], raw[-_MAC_SIZE:]
    is_ours = hmac.compare_digest(mac, _mac(key, kind, body))
    if not is_ours or body[0] != _VERSION or body[1] != _key_id(key):
        return None
    return body[4:], int.from_bytes(body[2:4], "big")


def fingerprint(token: str) -> bytes:
    """32 bytes that stand for a single-use token in a store, so that a stolen table opens nothing."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def _mac(key: bytes, kind: TokenKind, body: bytes) -> bytes:
    if len(key) < 16:
        raise InputError(f"a token key has at least 16 bytes, got {len(key)}")
    return hmac.digest(key, _DOMAIN + bytes((kind,)) + body, "sha256")[:_MAC_SIZE]


def _key_id(key: bytes) -> int:
    # Tells apart two keys during a rotation; one byte of a keyed hash gives nothing of the key away.
    return hmac.digest(key, _DOMAIN + b" key id", "sha256")[0]
