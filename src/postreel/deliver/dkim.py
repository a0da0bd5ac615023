"""A DKIM signature (RFC 6376, RFC 8301): rsa-sha256, relaxed/relaxed, never `l=`.

Runs under the purpose of the mail it signs and looks at nothing but its bytes. Handed to compose as
`Signer.signed`. Headers that a forger would like to add are signed once more often than they occur (RFC 6376,
8.15), so that an added one breaks the signature. Both List-Unsubscribe headers are always among those signed
(RFC 8058, 4).
"""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from postreel.errors import InputError, SettingsError

OVERSIGNED = (
    b"from",
    b"to",
    b"cc",
    b"subject",
    b"date",
    b"reply-to",
    b"message-id",
    b"mime-version",
    b"content-type",
    b"list-unsubscribe",
    b"list-unsubscribe-post",
    b"feedback-id",
)
"""Signed once more often than they occur, so that none can be added."""

SIGNED = (
    b"list-id",
    b"precedence",
    b"auto-submitted",
    b"content-transfer-encoding",
    b"in-reply-to",
    b"references",
)
"""Signed as often as they occur."""

_WSP = re.compile(rb"[ \t]+")
_FOLD = re.compile(rb"\r\n(?=[ \t])")
_NAME = re.compile(rb"^([!-9;-~]+)[ \t]*:")
_HOST = re.compile(r"^[a-z0-9_-]+(\.[a-z0-9_-]+)*$")


@dataclass(frozen=True)
class Signer:
    """A key that signs mails of one domain, loaded once.

    Attributes:
        key: an RSA key of at least 2048 bits (RFC 8301, 3.2).
        domain: `d=`, the domain of the From address or above it.
        selector: `s=`, where the public key is published.
    """

    key: RSAPrivateKey
    domain: str
    selector: str

    @classmethod
    def of(cls, pem: bytes, domain: str, selector: str) -> Signer:
        """A signer from a PKCS#8 PEM private key.

        Raises:
            SettingsError: no RSA key of 2048 bits or more, or no host names.
        """
        try:
            key = load_pem_private_key(pem, None)
        except (ValueError, TypeError) as error:
            raise SettingsError(
                f"the DKIM key cannot be read ({type(error).__name__}); make a new one"
            ) from error
        if not isinstance(key, RSAPrivateKey) or key.key_size < 2048:
            raise SettingsError("the DKIM key must be an RSA key of at least 2048 bits; make a new one")
        if not _HOST.match(domain) or not _HOST.match(selector):
            raise SettingsError(
                "DKIM domain and selector are host names in lower case, such as mail.example.org"
            )
        return cls(key, domain, selector)

    @property
    def record(self) -> str:
        """The text of the DNS record at `selector._domainkey.domain`."""
        return dkim_record(self.key.public_key())

    def signed(self, raw: bytes, at: datetime) -> bytes:
        """The mail with a signature before its first header; see `signed`."""
        return signed(raw, self, at)


def signed(raw: bytes, signer: Signer, at: datetime) -> bytes:
    """The mail with a DKIM-Signature header before its first header.

    Args:
        raw: a whole message with CRLF line ends.
        signer: the key, its domain and selector.
        at: aware time of signing.

    Raises:
        InputError: the message has bare line ends, no From, or a header that is none.
    """
    head, _, body = raw.partition(b"\r\n\r\n")
    line_count = raw.count(b"\r\n")
    if not head or raw.count(b"\n") != line_count or raw.count(b"\r") != line_count:
        raise InputError("a message to be signed has CRLF line ends, and headers")
    names, values = _headers(head)
    if b"from" not in values:
        raise InputError("a message to be signed has a From header (RFC 6376, 5.4)")
    chosen = [n for n in names if n in SIGNED]
    chosen += [n for n in OVERSIGNED for _ in range(len(values.get(n, ())) + 1)]
    left = {n: list(v) for n, v in values.items()}
    # The last of several is signed first (RFC 6376, 5.4.2); one that is not there counts as the empty string.
    hashed = b"".join(left[n].pop() + b"\r\n" for n in chosen if left.get(n))
    body_hash = base64.b64encode(hashlib.sha256(relaxed_body(body)).digest()).decode("ascii")
    unsigned = _signature_header(signer, int(at.astimezone(UTC).timestamp()), chosen, body_hash)
    signature = signer.key.sign(hashed + relaxed_header(unsigned), PKCS1v15(), SHA256())
    text = base64.b64encode(signature)
    lines = b"\r\n ".join(text[i : i + 72] for i in range(0, len(text), 72))
    return unsigned + lines + b"\r\n" + raw


def relaxed_header(field: bytes) -> bytes:
    """One header, canonical (RFC 6376, 3.4.2), without its line end.

    Raises:
        InputError: it has no name.
    """
    match = _NAME.match(field)
    if not match:
        raise InputError("a header without a name; a message to be signed is well formed")
    value = _WSP.sub(b" ", _FOLD.sub(b"", field[match.end() :]))
    return match.group(1).lower() + b":" + value.strip(b" \t\r\n")


def relaxed_body(body: bytes) -> bytes:
    """A body, canonical (RFC 6376, 3.4.4): spaces run together, none at an end."""
    # bytes.replace scans far faster than a regular expression, and most of a mail is base64 without a space.
    text = body.replace(b"\t", b" ") if b"\t" in body else body
    while b"  " in text:
        text = text.replace(b"  ", b" ")
    text = text.replace(b" \r\n", b"\r\n").rstrip(b"\r\n") if b" \r\n" in text else text.rstrip(b"\r\n")
    text = text[:-1] if text.endswith(b" ") else text
    text = text.rstrip(b"\r\n")
    return text + b"\r\n" if text else b""


def dkim_record(public_key: RSAPublicKey) -> str:
    """The DNS record that publishes this key (RFC 6376, 3.6.1): mails only, this domain alone."""
    der = public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return "v=DKIM1; k=rsa; h=sha256; s=email; p=" + base64.b64encode(der).decode("ascii")


def _headers(head: bytes) -> tuple[list[bytes], dict[bytes, list[bytes]]]:
    names: list[bytes] = []
    values: dict[bytes, list[bytes]] = {}
    for field in _FOLD.sub(b"", head).split(b"\r\n"):
        canonical = relaxed_header(field)
        name = canonical.partition(b":")[0]
        if name in SIGNED or name in OVERSIGNED:
            names.append(name)
            values.setdefault(name, []).append(canonical)
    return names, values


def _signature_header(signer: Signer, at_s: int, chosen: list[bytes], body_hash: str) -> bytes:
    lines = [f"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d={signer.domain};"]
    lines.append(f" s={signer.selector}; t={at_s}; bh={body_hash};")
    line = " h="
    for i, name in enumerate(n.decode("ascii") for n in chosen):
        part = name if i == 0 else ":" + name
        if len(line) + len(part) > 74:
            lines.append(line)
            line = "  "
        line += part
    lines += [line + ";", " b="]
    return "\r\n".join(lines).encode("ascii")
