"""Return paths: an address for bounces that says which send it was, and cannot be made up.

The part before the @ of a return path may come back in capitals (some servers change it), so it is hexadecimal:
`b+`, the send's id, and sixteen digits of a keyed hash; 50 characters of the 64 that RFC 5321, 4.5.3.1.1 allows.
"""

from __future__ import annotations

import hmac
import re

from postreel.errors import InputError

_PATTERN = re.compile(r"^b\+([0-9a-f]{32})([0-9a-f]{16})$")


def return_path(key: bytes, send_id: bytes, domain: str) -> str:
    """The envelope sender of a send.

    Raises:
        InputError: the send's id is not sixteen bytes.
    """
    if len(send_id) != 16:
        raise InputError(f"a send's id has 16 bytes, got {len(send_id)}")
    return f"b+{send_id.hex()}{_mac(key, send_id)}@{domain}"


def returned_send_id(key: bytes, address: str) -> bytes | None:
    """The send whose return path this is, or None where it is none of ours. Never raises."""
    match = _PATTERN.match(address.partition("@")[0].lower())
    if match is None:
        return None
    send_id = bytes.fromhex(match.group(1))
    return send_id if hmac.compare_digest(match.group(2), _mac(key, send_id)) else None


def _mac(key: bytes, send_id: bytes) -> str:
    return hmac.digest(key, b"postreel return path" + send_id, "sha256")[:8].hex()
