"""The DKIM signer against RFC 6376's own examples and against dkimpy as an independent verifier."""

from __future__ import annotations

import base64
import hashlib
import re
from datetime import UTC, datetime
from functools import cache

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from postreel.deliver import Signer
from postreel.deliver.dkim import OVERSIGNED, relaxed_body, relaxed_header
from postreel.errors import InputError, SettingsError

AT = datetime(2026, 5, 1, 18, tzinfo=UTC)
HEAD = (
    b"From: Cinema <picks@example.org>\r\nTo: ann@example.com\r\nSubject: Three for\r\n your \t weekend\r\n"
    b"Date: Fri, 01 May 2026 18:00:00 +0000\r\nMessage-ID: <a@example.org>\r\n"
    b"List-Unsubscribe: <https://example.org/unsubscribe/x>\r\n"
    b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\nMIME-Version: 1.0\r\n"
)


def pem_of(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@cache
def signer() -> Signer:
    return Signer.of(pem_of(rsa.generate_private_key(65537, 2048)), "example.org", "s1")


def is_verified(raw: bytes) -> bool:
    record = signer().record.encode()

    def txt(name: bytes, timeout: int = 5) -> bytes:
        assert name == b"s1._domainkey.example.org."
        return record

    return bool(dkim.verify(raw, dnsfunc=txt))


def signed_tag(raw: bytes, tag: str) -> str:
    field = raw.partition(b"\r\nFrom:")[0].decode().replace("\r\n", "")
    found = re.search(rf"[; ]{tag}=([^;]*)", field)
    assert found
    return re.sub(r"\s", "", found.group(1))


def test_headers_are_canonical_as_in_rfc_6376_section_3_4_5() -> None:
    assert relaxed_header(b"A: X ") == b"a:X"
    assert relaxed_header(b"B : Y\t\r\n\tZ  ") == b"b:Y Z"


def test_bodies_are_canonical_as_in_rfc_6376_section_3_4_5() -> None:
    assert relaxed_body(b" C \r\nD \t E\r\n\r\n\r\n") == b" C\r\nD E\r\n"


def test_the_hash_of_the_body_of_rfc_6376_appendix_a_is_theirs() -> None:
    body = b"Hi.\r\n\r\nWe lost the game. Are you hungry yet?\r\n\r\nJoe.\r\n"
    digest = base64.b64encode(hashlib.sha256(relaxed_body(body)).digest())
    assert digest == b"2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8="


def test_the_hash_of_an_empty_body_is_that_of_the_errata() -> None:
    for body in (b"", b"\r\n", b"\r\n\r\n\r\n"):
        digest = base64.b64encode(hashlib.sha256(relaxed_body(body)).digest())
        assert digest == b"47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\r\n\r\n",
        b"Hello\r\n",
        b"Hello",
        b"Hello  \t\r\n\r\n \r\n\r\n",
        b"a  b\tc \r\n .\r\n..\r\n",
        b"x" * 990,
    ],
)
def test_dkimpy_verifies_what_was_signed(body: bytes) -> None:
    assert is_verified(signer().signed(HEAD + b"\r\n" + body, AT))


def test_folded_and_long_headers_verify() -> None:
    long = (
        b"X-Long: "
        + b"a" * 900
        + b"\r\nReferences: "
        + b"\r\n ".join(b"<%d@example.org>" % i for i in range(40))
    )
    assert is_verified(signer().signed(HEAD + long + b"\r\n\r\nHello\r\n", AT))


body_text = st.text(st.sampled_from("ab \t\n."), max_size=80)


@settings(max_examples=60, deadline=None)
@given(body_text)
def test_any_body_of_spaces_and_empty_lines_verifies(text: str) -> None:
    assert is_verified(signer().signed(HEAD + b"\r\n" + text.replace("\n", "\r\n").encode() + b"\r\n", AT))


def test_both_unsubscribe_headers_are_signed_and_no_length_is() -> None:
    raw = signer().signed(HEAD + b"\r\nHello\r\n", AT)
    names = signed_tag(raw, "h").split(":")
    assert names.count("list-unsubscribe") == 2
    assert names.count("list-unsubscribe-post") == 2
    assert all(names.count(n.decode()) >= 1 for n in OVERSIGNED)
    assert re.search(rb"[; ]l=", raw.partition(b"\r\nFrom:")[0]) is None
    assert signed_tag(raw, "a") == "rsa-sha256"
    assert signed_tag(raw, "c") == "relaxed/relaxed"
    assert signed_tag(raw, "t") == str(int(AT.timestamp()))


@pytest.mark.parametrize("name", ["Subject", "From", "Reply-To", "List-Unsubscribe", "Feedback-ID", "Cc"])
def test_an_added_header_breaks_the_signature(name: str) -> None:
    raw = signer().signed(HEAD + b"\r\nHello\r\n", AT)
    assert not is_verified(raw.replace(b"\r\n\r\n", f"\r\n{name}: x@example.net\r\n\r\n".encode(), 1))
    assert not is_verified(f"{name}: x@example.net\r\n".encode() + raw)


def test_a_changed_body_breaks_the_signature() -> None:
    raw = signer().signed(HEAD + b"\r\nHello\r\n", AT)
    assert not is_verified(raw.replace(b"Hello", b"Hallo"))


def test_lines_of_the_signature_stay_short() -> None:
    raw = signer().signed(HEAD + b"\r\nHello\r\n", AT)
    field = raw.partition(b"\r\nFrom:")[0]
    assert max(len(line) for line in field.split(b"\r\n")) <= 90


@pytest.mark.parametrize(
    "raw",
    [b"", b"no headers", HEAD.replace(b"\r\n", b"\n") + b"\nx", HEAD.replace(b"From", b"Form") + b"\r\nx"],
)
def test_what_is_no_message_is_refused(raw: bytes) -> None:
    with pytest.raises(InputError):
        signer().signed(raw, AT)


def test_small_and_other_keys_are_refused() -> None:
    for key in (rsa.generate_private_key(65537, 1024), ec.generate_private_key(ec.SECP256R1())):
        with pytest.raises(SettingsError):
            Signer.of(pem_of(key), "example.org", "s1")
    with pytest.raises(SettingsError):
        Signer.of(b"not a key", "example.org", "s1")
    with pytest.raises(SettingsError):
        Signer.of(pem_of(rsa.generate_private_key(65537, 2048)), "example.org; x=1", "s1")
