"""The bytes of a message: headers and MIME parts, put together by hand.

The standard library's `EmailMessage` takes two milliseconds a mail, which is more than all the rest; so the
bytes are assembled from pieces and the standard library's parser is what tests check them with. RFC 5322, 2045
to 2047, 2387. Holds no rule about consent: what goes in is decided in `picks` and `notices`.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import format_datetime

from postreel.errors import InputError

MAX_LINE = 998
"""Octets of a line without its end (RFC 5322, 2.1.1)."""

_SAFE_HEADER = re.compile(r"^[\x20-\x7e]*$")
_ATOMS = re.compile(r"^[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]*$")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\u2028\u2029\u0085]")


def header(name: str, value: str) -> bytes:
    """A header whose value is plain ASCII, or is set in encoded words where it is not.

    Raises:
        InputError: the value has a line end or another control character, which could smuggle in a header.
    """
    if _CONTROL.search(value):
        raise InputError(f"a value for the header {name} holds a control character; take it out")
    text = value if _SAFE_HEADER.match(value) and len(value) + len(name) < 900 else encoded_words(value)
    return f"{name}: {text}\r\n".encode("ascii")


def address_header(name: str, address: str, display: str = "") -> bytes:
    """From, To: an address with an optional name before it. A domain beyond ASCII is set as an A-label.

    Raises:
        InputError: the address or the name holds a control character.
    """
    if _CONTROL.search(address + display):
        raise InputError(f"a value for the header {name} holds a control character; take it out")
    local, _, domain = address.rpartition("@")
    if not domain.isascii():
        try:
            domain = domain.encode("idna").decode("ascii")
        except UnicodeError as error:
            raise InputError(f"the domain of an address in {name} is not a host name") from error
    bare = f"{local}@{domain}"
    if not display:
        return f"{name}: {bare}\r\n".encode()
    if not display.isascii():
        shown = encoded_words(display)
    elif _ATOMS.match(display):
        shown = display
    else:
        shown = '"' + display.replace("\\", "\\\\").replace('"', '\\"') + '"'
    joint = "\r\n " if len(name) + len(shown) + len(bare) > 70 else " "
    return f"{name}: {shown}{joint}<{bare}>\r\n".encode()


def encoded_words(text: str) -> str:
    """Text as encoded words of at most 75 characters, folded between them (RFC 2047, 2)."""
    words: list[str] = []
    now = b""
    for letter in text:
        raw = letter.encode("utf-8", "replace")
        if len(now) + len(raw) > 42:
            words.append(f"=?utf-8?b?{base64.b64encode(now).decode('ascii')}?=")
            now = b""
        now += raw
    words.append(f"=?utf-8?b?{base64.b64encode(now).decode('ascii')}?=")
    return "\r\n ".join(words)


def date_header(at: datetime) -> bytes:
    """The Date header, in UTC: the sender's time, which tells nothing of the reader's."""
    return f"Date: {format_datetime(at.astimezone(UTC))}\r\n".encode("ascii")


def text_part(text: str) -> bytes:
    """A text/plain part, headers included: as it is where it is ASCII in short lines, else quoted-printable."""
    if text.isascii() and max(map(len, text.split("\n"))) <= MAX_LINE:
        head = b"Content-Type: text/plain; charset=us-ascii\r\nContent-Transfer-Encoding: 7bit\r\n\r\n"
        return head + text.replace("\n", "\r\n").encode("ascii")
    head = b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    body = binascii.b2a_qp(text.encode("utf-8", "replace"), istext=True)
    return head + body.replace(b"\n", b"\r\n")


def html_bytes(html: str) -> bytes:
    """HTML as ASCII with numeric references for all else: what counts for the size at which Gmail clips."""
    return html.encode("ascii", "xmlcharrefreplace")


def html_part(html: bytes) -> bytes:
    """A text/html part, headers included, from ASCII HTML with bare line feeds."""
    if max(map(len, html.split(b"\n"))) <= MAX_LINE:
        head = b"Content-Type: text/html; charset=us-ascii\r\nContent-Transfer-Encoding: 7bit\r\n\r\n"
        return head + html.replace(b"\n", b"\r\n")
    # A long text without spaces (Chinese, say, as references) makes a line that 7bit may not hold.
    head = b"Content-Type: text/html; charset=us-ascii\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    return head + base64_lines(html)


def picture_part(png: bytes, content_id: str) -> bytes:
    """An image/png part to be shown in place, headers included."""
    head = (
        f"Content-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n"
        f"Content-ID: <{content_id}>\r\nContent-Disposition: inline\r\n\r\n"
    )
    return head.encode("ascii") + base64_lines(png)


def base64_lines(data: bytes) -> bytes:
    """Base64 in lines of 76 with CRLF between them."""
    return binascii.b2a_base64(data, newline=False) if len(data) <= 57 else _folded(binascii.b2a_base64(data))


def _folded(text: bytes) -> bytes:
    flat = text.rstrip(b"\n")
    return b"\r\n".join([flat[i : i + 76] for i in range(0, len(flat), 76)])


def multipart(subtype: str, boundary: str, parts: Sequence[bytes], parameters: str = "") -> bytes:
    """A multipart part, its own Content-Type header included."""
    edge = b"--" + boundary.encode("ascii")
    head = f'Content-Type: multipart/{subtype}; boundary="{boundary}"{parameters}\r\n\r\n'.encode("ascii")
    between = b"\r\n" + edge + b"\r\n"
    return head + edge + b"\r\n" + between.join(parts) + b"\r\n" + edge + b"--\r\n"
